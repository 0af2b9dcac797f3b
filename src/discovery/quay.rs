//! Quay's own API: the repositories of organizations and users, for those whose robot sees too little of the catalog.
//!
//! `GET /api/v1/repository?namespace=…&public=true` answers `{"repositories": [{"namespace", "name", …}], "next_page"}`;
//! `next_page` is an encrypted key that goes back as it is (endpoints/api/repository.py, `RepositoryList`). Robots cannot
//! ask: it takes an OAuth token of an application.

use serde::Deserialize;

use super::listing::{Ask, Found, Listing, nullable};
use crate::registry::{Api, ApiAnswer, with_query};

pub(super) const NEEDS: &str =
    "an OAuth token of an application of the organization, with `View all visible repositories` (`repo:read`)";

#[derive(Debug)]
pub(super) struct Quay {
    pub(super) namespaces: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "nullable")]
    repositories: Vec<Repository>,
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    namespace: String,
    name: String,
    /// `image` or `application`; the latter is no repository of the protocol.
    kind: Option<String>,
}

impl Listing for Quay {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        let first = |namespace: &String| {
            let url = with_query(&api.url(&["api", "v1", "repository"]), "namespace", namespace);
            // Without it, repositories that are public are left out where the token has no part in them.
            Ask::first(with_query(&url, "public", "true"), format!("repositories of {namespace}"))
        };
        self.namespaces.iter().map(first).collect()
    }

    fn read(&self, _: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let Answer { repositories, next_page } = serde_json::from_slice(&answer.body)?;
        let next = next_page.filter(|key| !key.is_empty());
        let entries = repositories.len();
        let images = repositories.into_iter().filter(|one| one.kind.as_deref().is_none_or(|kind| kind == "image"));
        Ok(Found {
            entries,
            names: images.map(|one| format!("{}/{}", one.namespace, one.name)).collect(),
            next: next.map(|key| with_query(&ask.url, "next_page", &key)),
            lists: Vec::new(),
        })
    }

    fn keeps_place(&self) -> bool {
        true
    }
}
