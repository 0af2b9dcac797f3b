//! Reading one catalog in several ranges of names at once, where latency is what a page costs. Pure: the driver
//! (`catalog::ranges`) sends the requests that this module asks for.
//!
//! *Whether to split* (`probe`). The first pages are read one after the other. Their names must ascend in byte order or
//! in path order. Each `Link` must be the same as the one before, except for a `last` that is the last name of its
//! page. A catalog with opaque cursors, page numbers or short (filtered) pages is never split. Then one key that is not
//! a name is requested, with a known result. A server that cannot find its place (Quay begins at page 1 again) is not
//! split. The time of that small answer shows the latency.
//!
//! *Where to cut* (`density`). Ranges are cut at keys that follow the grammar of names, where names are likely. Only a
//! range whose last page was full is cut, once for each such page. The number of cuts is bounded by the number of pages
//! received.
//!
//! *How no name is lost* (`plan`). A range ends with the very name that the next range listed first, and not where an
//! order says that its bound has passed. A page that may go past that name is held until the first name of the next
//! range is known. So the ranges together are the list that its links give, in any order, and no name comes twice. If
//! two ranges do not meet, a page is not in order, or a link is different, the result is a `SplitMisfit`: the walk
//! continues page by page from the end of the first range, up to which the list is complete.

pub(crate) mod density;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod saved;
#[cfg(test)]
mod tests;
