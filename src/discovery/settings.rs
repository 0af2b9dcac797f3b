//! What the configuration says about where names come from.

use crate::registry::api::{ApiLogin, ApiSettings};

/// Where the names of a registry's repositories come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DiscoverySettings {
    /// `/v2/_catalog`.
    #[default]
    Catalog,
    /// These names, and no request.
    Listed(Vec<String>),
    /// Quay's API, by namespace: organizations and users.
    Quay {
        /// Where, and with which token.
        api: ApiSettings,
        /// At least one.
        namespaces: Vec<String>,
    },
    /// Harbor's API, by project.
    Harbor {
        /// Where, and with which login.
        api: ApiSettings,
        /// None: all projects that the login shows.
        projects: Vec<String>,
    },
    /// GitLab's API, by group and project; each a path or a number.
    Gitlab {
        /// Where, and with which token.
        api: ApiSettings,
        /// Groups, with their subgroups.
        groups: Vec<String>,
        /// Single projects.
        projects: Vec<String>,
    },
    /// Docker Hub's API, by namespace.
    DockerHub {
        /// Where, and with which login.
        api: ApiSettings,
        /// At least one.
        namespaces: Vec<String>,
    },
    /// Azure's own catalog.
    Acr,
    /// Gitea's and Forgejo's packages, by owner.
    Gitea {
        /// Where, and with which token.
        api: ApiSettings,
        /// Users and organizations, at least one.
        owners: Vec<String>,
    },
}

impl DiscoverySettings {
    /// The login of an API; none where names come from the registry itself, with its own login.
    pub fn login(&self) -> Option<&ApiLogin> {
        match self {
            Self::Catalog | Self::Listed(_) | Self::Acr => None,
            Self::Quay { api, .. }
            | Self::Harbor { api, .. }
            | Self::Gitlab { api, .. }
            | Self::DockerHub { api, .. }
            | Self::Gitea { api, .. } => Some(&api.login),
        }
    }
}
