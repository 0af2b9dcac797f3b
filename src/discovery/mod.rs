//! Where repository names come from: the registry's own catalog, a list of the configuration, or an API that the registry
//! has beside the protocol. A walk does not know the difference. Knows no HTTP: requests go through the registry's client.

mod acr;
mod catalog;
mod docker_hub;
mod gitea;
mod gitlab;
mod harbor;
mod listed;
mod listing;
mod met;
mod numbered;
mod over_api;
mod quay;
mod settings;
#[cfg(test)]
mod tests;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

pub use catalog::Catalog;
pub use listed::Listed;
pub use settings::DiscoverySettings;

use crate::registry::{ApiLogin, ApiSettings, Client, Cursor, Page, RegistryError};
use listing::Listing;
use over_api::OverApi;

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

/// The discovery that these settings ask for.
pub fn of(settings: &DiscoverySettings, client: &Client) -> Box<dyn Discovery> {
    let over_api = |api: &ApiSettings, needs, listing: Box<dyn Listing>| -> Box<dyn Discovery> {
        Box::new(OverApi::new(client.api(api.clone(), needs), listing))
    };
    match settings.clone() {
        DiscoverySettings::Catalog => Box::new(Catalog(client.clone())),
        DiscoverySettings::Listed(names) => Box::new(Listed::new(client, names)),
        DiscoverySettings::Quay { api, namespaces } => over_api(&api, quay::NEEDS, Box::new(quay::Quay { namespaces })),
        DiscoverySettings::Harbor { api, projects } => {
            over_api(&api, harbor::NEEDS, Box::new(harbor::Harbor { projects }))
        }
        DiscoverySettings::Gitlab { api, groups, projects } => {
            over_api(&api, gitlab::NEEDS, Box::new(gitlab::Gitlab { groups, projects }))
        }
        DiscoverySettings::DockerHub { api, namespaces } => {
            over_api(&api, docker_hub::NEEDS, Box::new(docker_hub::DockerHub { namespaces }))
        }
        DiscoverySettings::Acr => {
            let api = ApiSettings { url: None, login: ApiLogin::Challenged };
            over_api(&api, acr::NEEDS, Box::new(acr::Acr))
        }
        DiscoverySettings::Gitea { api, owners } => over_api(&api, gitea::NEEDS, Box::new(gitea::Gitea { owners })),
    }
}
