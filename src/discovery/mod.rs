//! Finds the names of repositories: in the registry's catalog, in a list of the configuration, or through the
//! registry's own API. A walk does not know the difference. Knows no HTTP: requests go through the registry's client.

mod acr;
mod api;
mod catalog;
mod configured;
mod docker_hub;
mod gitea;
mod gitlab;
mod harbor;
mod listing;
mod numbered;
mod quay;
mod seen_texts;
mod settings;
mod source;
#[cfg(test)]
mod tests;

pub use catalog::CatalogDiscovery;
pub use configured::ConfiguredDiscovery;
pub use settings::DiscoverySettings;
pub use source::Discovery;

use crate::registry::Client;
use crate::registry::api::{ApiLogin, ApiSettings};
use api::ApiDiscovery;
use listing::ApiListing;

/// The discovery of these settings.
pub fn of(settings: &DiscoverySettings, client: &Client) -> Box<dyn Discovery> {
    let over_api = |api: &ApiSettings, needs, listing: Box<dyn ApiListing>| -> Box<dyn Discovery> {
        Box::new(ApiDiscovery::new(client.api(api.clone(), needs), listing))
    };
    match settings.clone() {
        DiscoverySettings::Catalog => Box::new(CatalogDiscovery(client.clone())),
        DiscoverySettings::Listed(names) => Box::new(ConfiguredDiscovery::new(client, names)),
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
