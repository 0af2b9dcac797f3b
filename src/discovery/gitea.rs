//! Gitea's and Forgejo's package API, for owners whose catalog shows too little.
//!
//! `GET /api/v1/packages/{owner}?type=container&page=&limit=50` lists versions, `[{"owner": {"login"}, "type", "name",
//! "version", …}]`, so names repeat; `Link` and `X-Total-Count` (routers/api/v1/packages/package.go). At the registry a
//! repository is `owner/name` in lower case.

use serde::Deserialize;

use super::listing::{Ask, Found, Listing, list, numbered};
use crate::registry::{Api, ApiAnswer, with_query};

pub(super) const NEEDS: &str = "an access token with `read:package`";

/// The largest page that Gitea gives by default (`MAX_RESPONSE_ITEMS`).
const PAGE: u64 = 50;

#[derive(Debug)]
pub(super) struct Gitea {
    pub(super) owners: Vec<String>,
}

#[derive(Deserialize)]
struct Version {
    owner: Owner,
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

impl Listing for Gitea {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        let first = |owner: &String| {
            let url = with_query(&api.url(&["api", "v1", "packages", owner]), "type", "container");
            let url = with_query(&with_query(&url, "page", "1"), "limit", &PAGE.to_string());
            Ask::first(url, format!("packages of {owner}"))
        };
        self.owners.iter().map(first).collect()
    }

    fn read(&self, _: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let versions: Vec<Version> = list(answer)?;
        let entries = versions.len();
        let next = numbered(ask, answer, entries);
        let containers = versions.into_iter().filter(|version| version.kind == "container");
        let names = containers.map(|one| format!("{}/{}", one.owner.login, one.name).to_lowercase()).collect();
        Ok(Found { entries, names, next, lists: Vec::new() })
    }
}
