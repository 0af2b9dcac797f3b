//! Settings of the discovery of names.

use crate::registry::api::{ApiLogin, ApiSettings};

/// How the names of a registry's repositories are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DiscoverySettings {
    /// `/v2/_catalog`.
    #[default]
    Catalog,
    /// These names; no request is sent.
    Listed(Vec<String>),
    /// Quay's API, by namespace: organizations and users.
    Quay {
        /// URL and token of the API.
        api: ApiSettings,
        /// At least one.
        namespaces: Vec<String>,
    },
    /// Harbor's API, by project.
    Harbor {
        /// URL and login of the API.
        api: ApiSettings,
        /// Empty: all projects that the login may see.
        projects: Vec<String>,
    },
    /// GitLab's API, by group and project; each a path or a number.
    Gitlab {
        /// URL and token of the API.
        api: ApiSettings,
        /// Groups, with their subgroups.
        groups: Vec<String>,
        /// Single projects.
        projects: Vec<String>,
    },
    /// Docker Hub's API, by namespace.
    DockerHub {
        /// URL and login of the API.
        api: ApiSettings,
        /// At least one.
        namespaces: Vec<String>,
    },
    /// Azure's own catalog.
    Acr,
    /// Gitea's and Forgejo's packages, by owner.
    Gitea {
        /// URL and token of the API.
        api: ApiSettings,
        /// Users and organizations, at least one.
        owners: Vec<String>,
    },
}

impl DiscoverySettings {
    /// The login of the API; `None` if names come from the registry itself, with the registry's login.
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
