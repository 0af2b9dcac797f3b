//! The state of the reader of repositories. Its methods are in `tags`, `heads` and `reading`.

use crate::access::repository::Repositories;
use crate::contents::head_use::HeadUse;
use crate::contents::page_size::PageSize;

/// Reads what repositories hold; see [`crate::contents::contents_trait::Contents`].
#[derive(Debug)]
pub(crate) struct RepositoryReader {
    pub(crate) repositories: Repositories,
    /// The page size for tags that the registry accepts.
    pub(crate) tag_pages: PageSize,
    /// Whether HEAD is useful with this registry.
    pub(crate) heads: HeadUse,
}
