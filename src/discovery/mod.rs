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
mod source;
#[cfg(test)]
mod tests;

pub use catalog::Catalog;
pub use listed::Listed;
pub use settings::DiscoverySettings;
pub use source::Discovery;

use crate::registry::{ApiLogin, ApiSettings, Client};
use listing::Listing;
use over_api::OverApi;

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
