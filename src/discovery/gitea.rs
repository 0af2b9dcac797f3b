//! Gitea's and Forgejo's package API, if the catalog shows too few repositories of an owner.
//!
//! `GET /api/v1/packages/{owner}?type=container&page=&limit=50` lists versions, `[{"owner": {"login"}, "type", "name",
//! "version", "created_at", …}]`, so names repeat; `Link` and `X-Total-Count` (routers/api/v1/packages/package.go). At
//! the registry a repository is `owner/name` in lower case.
//!
//! # Whether the token is valid
//!
//! `GET /api/v1/user`: 200, or 403 for a token without `read:user`, which is alive (routers/api/v1/api.go,
//! `tokenRequiresScopes`); 401 for a dead one. Gitea before its fix of issue 21671 treats an invalid token as
//! anonymous, so a list itself does not show it.
//!
//! # Owners that do not exist
//!
//! Their list is 404, and so is `/api/v1/users/NAME`, which knows organizations too (services/context/package.go).

use serde::Deserialize;
use url::Url;

use super::listing::{ApiListing, ListAnswer, Moment, PageRequest, list, newest};
use crate::registry::api::{Api, ApiAnswer, Proof};

pub(super) const NEEDS: &str = "an access token with `read:package`";

/// The largest page that Gitea gives by default (`MAX_RESPONSE_ITEMS`).
const PAGE: u64 = 50;

#[derive(Debug)]
pub(super) struct Gitea {
    pub(super) owners: Vec<String>,
}

#[derive(Deserialize)]
struct GiteaVersion {
    owner: GiteaOwner,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "version")]
    label: Option<String>,
    #[serde(default)]
    created_at: Moment,
}

#[derive(Deserialize)]
struct GiteaOwner {
    login: String,
}

impl ApiListing for Gitea {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        let first = |owner: &String| {
            let url = Api::with_query(&api.url(&["api", "v1", "packages", owner]), "type", "container");
            let url = Api::with_query(&Api::with_query(&url, "page", "1"), "limit", &PAGE.to_string());
            PageRequest::of_owner(url, format!("packages of {owner}"), owner)
        };
        self.owners.iter().map(first).collect()
    }

    fn read(&self, _: &Api, _: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let versions: Vec<GiteaVersion> = list(answer)?;
        let told_apart = |one: &GiteaVersion| {
            let version = one.label.as_deref().unwrap_or_default();
            format!("{} {}/{} {version}", one.kind, one.owner.login, one.name)
        };
        let (entries, newest) =
            (versions.iter().map(told_apart).collect(), newest(versions.iter().map(|one| one.created_at)));
        let containers = versions.into_iter().filter(|version| version.kind == "container");
        let names = containers.map(|one| format!("{}/{}", one.owner.login, one.name).to_lowercase()).collect();
        let (next, total) = (answer.next.clone(), answer.total);
        Ok(ListAnswer { entries, names, next, total, newest, ..ListAnswer::default() })
    }

    fn proofs(&self, api: &Api) -> Vec<Proof> {
        vec![Proof { url: api.url(&["api", "v1", "user"]), alive: &[403], dead: &[] }]
    }

    fn owners(&self, api: &Api, ask: &PageRequest) -> Vec<Url> {
        ask.owner.iter().map(|owner| api.url(&["api", "v1", "users", owner])).collect()
    }
}
