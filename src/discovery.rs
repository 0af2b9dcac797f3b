//! Where repository names come from. Today the registry's own catalog; a walk does not know the difference.

use futures::stream::BoxStream;

use crate::registry::{Client, Cursor, Page, RegistryError};

/// A source of repository names.
pub trait Discovery: std::fmt::Debug + Send + Sync {
    /// All pages, in order, or those that come after `from`, a cursor of an earlier walk; ends after the last one or
    /// after the first error. A source that gives no cursors is never asked to go on from one.
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>>;
}

/// `GET /v2/_catalog`, page by page.
#[derive(Clone, Debug)]
pub struct Catalog(pub Client);

impl Discovery for Catalog {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        self.0.catalog(from)
    }
}
