//! What every source of repository names offers to a walk.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::registry::{Cursor, Page, RegistryError};

/// A source of repository names.
pub trait Discovery: std::fmt::Debug + Send + Sync {
    /// All pages, in order, or those that come after `from`, a cursor of an earlier walk; ends after the last one or
    /// after the first error. A source that gives no cursors is never asked to go on from one.
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>>;

    /// The first page, for `check`: what a walk would be told before it has read anything, and no more.
    fn probe(&self) -> BoxFuture<'_, Option<Result<Page, RegistryError>>> {
        let mut pages = self.pages(None);
        Box::pin(async move { pages.next().await })
    }
}
