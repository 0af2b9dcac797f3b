//! Docker Hub's own API: its registry has no catalog.
//!
//! `GET /v2/namespaces/{namespace}/repositories?page_size=100` on hub.docker.com answers `{"count", "next", "previous",
//! "results": [{"namespace", "name", …}]}`, `next` an absolute URL or null (docs.docker.com/reference/api/hub).

use serde::Deserialize;
use url::Url;

use super::listing::{Ask, Found, Listing, nullable};
use crate::registry::{Api, ApiAnswer, with_query};

pub(super) const NEEDS: &str = "a user name and a personal access token that may read the namespaces";

/// The largest page that Docker Hub gives.
const PAGE: &str = "100";

#[derive(Debug)]
pub(super) struct DockerHub {
    pub(super) namespaces: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "nullable")]
    results: Vec<Repository>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    namespace: String,
    name: String,
}

impl Listing for DockerHub {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        let first = |namespace: &String| {
            let url = with_query(&api.url(&["v2", "namespaces", namespace, "repositories"]), "page_size", PAGE);
            Ask::first(url, format!("repositories of {namespace}"))
        };
        self.namespaces.iter().map(first).collect()
    }

    fn read(&self, _: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let Answer { results, next } = serde_json::from_slice(&answer.body)?;
        let next = next.filter(|url| !url.is_empty()).map(|url| absolute(ask, &url)).transpose()?;
        let entries = results.len();
        let names = results.into_iter().map(|one| format!("{}/{}", one.namespace, one.name)).collect();
        Ok(Found { entries, names, next, lists: Vec::new() })
    }
}

/// Where it leads is looked at before it is asked.
fn absolute(ask: &Ask, next: &str) -> Result<Url, serde_json::Error> {
    ask.url.join(next).map_err(|_| serde::de::Error::custom("`next` is no URL"))
}
