//! Quay's own API: the repositories of organizations and users, if a robot account sees too little of the catalog.
//!
//! `GET /api/v1/repository?namespace=…&public=true` answers `{"repositories": [{"namespace", "name", …}],
//! "next_page"}`; `next_page` is an encrypted key that goes back as it is (endpoints/api/repository.py,
//! `RepositoryList`). Robots cannot ask: it takes an OAuth token of an application.
//!
//! # Whether the token is valid
//!
//! If a token has expired, was revoked or never existed, Quay treats the request as anonymous and lists public
//! repositories, unless anonymous access is off. `GET /api/v1/repository?starred=true` is 200 with a valid token of any
//! scope, and 400 otherwise, because there is no user whose stars could be listed (the same file,
//! `RepositoryList.get`).
//!
//! # Namespaces that do not exist
//!
//! Their list is empty. `/api/v1/organization/NAME` and `/api/v1/users/NAME` are then both 404
//! (endpoints/api/organization.py, endpoints/api/user.py), whatever the token's scope.

use serde::Deserialize;
use url::Url;

use super::listing::{ApiListing, ListAnswer, PageRequest, nullable};
use crate::registry::api::{Api, ApiAnswer, NextPage, Proof};

pub(super) const NEEDS: &str =
    "an OAuth token of an application of the organization, with `View all visible repositories` (`repo:read`)";

#[derive(Debug)]
pub(super) struct Quay {
    pub(super) namespaces: Vec<String>,
}

#[derive(Deserialize)]
struct QuayAnswer {
    #[serde(deserialize_with = "nullable")]
    repositories: Vec<QuayRepository>,
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct QuayRepository {
    namespace: String,
    name: String,
    /// `image` or `application`; the latter is no repository of the protocol.
    kind: Option<String>,
}

impl ApiListing for Quay {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        let first = |namespace: &String| {
            let url = Api::with_query(&api.url(&["api", "v1", "repository"]), "namespace", namespace);
            // Without it, repositories that are public are left out where the token has no part in them.
            let url = Api::with_query(&url, "public", "true");
            PageRequest::of_owner(url, format!("repositories of {namespace}"), namespace)
        };
        self.namespaces.iter().map(first).collect()
    }

    fn read(&self, _: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let QuayAnswer { repositories, next_page } = serde_json::from_slice(&answer.body)?;
        let next = next_page.filter(|key| !key.is_empty());
        let next = next.map(|key| Api::with_query(&ask.url, "next_page", &key));
        let name = |one: &QuayRepository| format!("{}/{}", one.namespace, one.name);
        let images = repositories.iter().filter(|one| one.kind.as_deref().is_none_or(|kind| kind == "image"));
        Ok(ListAnswer {
            names: images.map(name).collect(),
            entries: repositories.iter().map(name).collect(),
            next: next.map_or(NextPage::None, NextPage::At),
            ..ListAnswer::default()
        })
    }

    fn proofs(&self, api: &Api) -> Vec<Proof> {
        let url = Api::with_query(&api.url(&["api", "v1", "repository"]), "starred", "true");
        vec![Proof { url, alive: &[], dead: &[400] }]
    }

    fn owners(&self, api: &Api, ask: &PageRequest) -> Vec<Url> {
        let owner = ask.owner.iter();
        owner
            .flat_map(|name| [["organization", name], ["users", name]])
            .map(|[of, name]| api.url(&["api", "v1", of, name]))
            .collect()
    }

    fn keeps_place(&self) -> bool {
        true
    }
}
