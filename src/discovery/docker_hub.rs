//! Docker Hub's own API, because its registry has no catalog.
//!
//! `GET /v2/namespaces/{namespace}/repositories?page_size=100` on hub.docker.com answers `{"count", "next", "previous",
//! "results": [{"namespace", "name", "date_registered", …}]}`, `next` an absolute URL or null
//! (docs.docker.com/reference/api/hub).
//!
//! # Whether the login is valid
//!
//! `POST /v2/auth/token` shows it: it gives a short-lived token only for a valid password or access token. Without a
//! login, public repositories are listed.
//!
//! # Namespaces that do not exist
//!
//! Their list is 404, or empty with 200; `/v2/users/NAME` and `/v2/orgs/NAME` are then both 404.

use serde::Deserialize;
use url::Url;

use super::listing::{ApiListing, ListAnswer, Moment, PageRequest, newest, nullable};
use crate::registry::api::{Api, ApiAnswer, NextPage};

pub(super) const NEEDS: &str = "a user name and a personal access token that may read the namespaces";

/// The largest page that Docker Hub gives.
const PAGE: &str = "100";

#[derive(Debug)]
pub(super) struct DockerHub {
    pub(super) namespaces: Vec<String>,
}

#[derive(Deserialize)]
struct DockerHubAnswer {
    #[serde(deserialize_with = "nullable")]
    results: Vec<DockerHubRepository>,
    next: Option<String>,
    #[serde(default)]
    count: Option<u64>,
}

#[derive(Deserialize)]
struct DockerHubRepository {
    namespace: String,
    name: String,
    #[serde(default)]
    date_registered: Moment,
}

impl ApiListing for DockerHub {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        let first = |namespace: &String| {
            let url = Api::with_query(&api.url(&["v2", "namespaces", namespace, "repositories"]), "page_size", PAGE);
            PageRequest::of_owner(url, format!("repositories of {namespace}"), namespace)
        };
        self.namespaces.iter().map(first).collect()
    }

    fn read(&self, _: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let DockerHubAnswer { results, next, count: total } = serde_json::from_slice(&answer.body)?;
        let next = next.filter(|url| !url.is_empty()).map(|url| absolute(ask, &url)).transpose()?;
        let next = next.map_or(NextPage::None, NextPage::At);
        let newest = newest(results.iter().map(|one| one.date_registered));
        let names: Vec<_> = results.into_iter().map(|one| format!("{}/{}", one.namespace, one.name)).collect();
        Ok(ListAnswer { entries: names.clone(), names, next, total, newest, ..ListAnswer::default() })
    }

    fn owners(&self, api: &Api, ask: &PageRequest) -> Vec<Url> {
        let owner = ask.owner.iter();
        owner.flat_map(|owner| [api.url(&["v2", "users", owner]), api.url(&["v2", "orgs", owner])]).collect()
    }
}

/// Where it leads is looked at before it is asked.
fn absolute(ask: &PageRequest, next: &str) -> Result<Url, serde_json::Error> {
    ask.url.join(next).map_err(|_| serde::de::Error::custom("`next` is no URL"))
}
