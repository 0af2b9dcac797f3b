//! Lists that come in pages: links, the names on a page, and whether a list has ended.

pub(crate) mod end_detector;
pub(crate) mod key;
pub(crate) mod link;
pub(crate) mod loop_guard;
pub(crate) mod page;
pub(crate) mod page_after;
pub(crate) mod size_limit;
