//! Lists that come in pages: links, what a page holds, and how to tell that a list has ended.

pub(crate) mod end_detector;
pub(crate) mod key;
pub(crate) mod link;
pub(crate) mod loop_guard;
pub(crate) mod page;
pub(crate) mod page_after;
