//! Lists that come in pages: links, what a page holds, and how to tell that a list has ended.

pub(crate) mod beyond;
pub(crate) mod circle;
pub(crate) mod ending;
pub(crate) mod key;
pub(crate) mod link;
pub(crate) mod page;
