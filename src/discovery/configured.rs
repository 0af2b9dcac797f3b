//! Names that the configuration lists. No request is sent: whether they exist shows when their tags are read.

use futures::stream::{BoxStream, StreamExt, once};

use super::Discovery;
use crate::registry::api::{Api, ApiSettings};
use crate::registry::{Client, Cursor, Page, RegistryError};

/// A fixed list of repositories.
#[derive(Clone, Debug)]
pub struct ConfiguredDiscovery {
    api: Api,
    names: Vec<String>,
}

impl ConfiguredDiscovery {
    /// A discovery of these names.
    pub fn new(client: &Client, names: Vec<String>) -> Self {
        Self { api: client.api(ApiSettings::default(), ""), names }
    }
}

impl Discovery for ConfiguredDiscovery {
    fn pages(&self, _: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        once(async {
            let mut session = self.api.open().await?;
            session.page(1, self.names.iter().map(String::as_str), None, true)
        })
        .boxed()
    }
}
