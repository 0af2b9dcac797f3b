//! The reader of what repositories hold: its state. Its methods are in the files of what they read.

use crate::access::repository::Repositories;
use crate::contents::head_use::HeadUse;
use crate::contents::page_size::PageSize;

/// Reads what repositories hold, as [`crate::contents::contents_trait::Contents`] promises.
#[derive(Debug)]
pub(crate) struct RepositoryReader {
    pub(crate) repositories: Repositories,
    /// Which page size for tags the registry takes.
    pub(crate) tag_pages: PageSize,
    /// What HEAD is good for here.
    pub(crate) heads: HeadUse,
}
