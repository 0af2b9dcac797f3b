//! The interface of every source of repository names.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::registry::{Cursor, Page, RegistryError};

/// A source of repository names.
pub trait Discovery: std::fmt::Debug + Send + Sync {
    /// All pages in order, or those after `from`, a cursor of an earlier walk. Ends after the last page or the first
    /// error. A source whose pages have no cursors is never called with one.
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>>;

    /// The first page only, for `check`.
    fn probe(&self) -> BoxFuture<'_, Option<Result<Page, RegistryError>>> {
        let mut pages = self.pages(None);
        Box::pin(async move { pages.next().await })
    }
}
