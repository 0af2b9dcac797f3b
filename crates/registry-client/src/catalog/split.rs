//! One catalog, walked as several ranges of names at once, where latency is what a page costs. Pure: the driver
//! (`ranges`) asks, this says what for.
//!
//! *Whether* ([`Scout`]): the first pages are walked one after the other. Their names must ascend in byte order or in path
//! order, and each `Link` must be the last one but for a `last` that is the page's last name; opaque cursors, integers and
//! filtered (short) pages never qualify. Then a key that is no name is asked for, one whose answer is known: a server that
//! cannot place it (Quay begins at page 1 again) is not split, and the time of that small answer says what latency costs.
//!
//! *Where* (`density`): ranges are cut at keys of the namespace's grammar, where names are likely. Only a range whose last page
//! was full is cut, once for each such page, and no more often than pages received have paid for.
//!
//! *That nothing is lost* (`plan`): a range does not end where some order says that its bound is passed, but with the very name
//! that the next range listed first; pages that may reach beyond are held until that is known. So the ranges together are
//! the list by its own links, whatever its order is, and no name comes twice. Where two ranges do not meet, where a page is
//! not in order or a link is another, [`Misfit`] says so, and the walk goes on in one from the end of the first range, up to
//! which the list is whole.

pub(crate) mod density;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod saved;
#[cfg(test)]
mod tests;
