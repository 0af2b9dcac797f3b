//! GitLab's own API: its catalog is for administrators.
//!
//! `GET /api/v4/groups/:id/registry/repositories`, subgroups included, and `GET /api/v4/projects/:id/registry/repositories`;
//! numbered pages of at most 100, with `Link` and `X-Next-Page` (`docs.gitlab.com/api/container_registry`). A repository's
//! `path` is its name at the registry. The token goes as `Authorization: Bearer`, which GitLab takes for personal, group and
//! project access tokens as it takes `PRIVATE-TOKEN`.

use serde::Deserialize;

use super::listing::{Ask, Found, Listing, list, numbered};
use crate::registry::{Api, ApiAnswer, with_query};

pub(super) const NEEDS: &str = "an access token with `read_api`, of a member of the groups and projects";

/// The largest page that GitLab gives.
const PAGE: u64 = 100;

#[derive(Debug)]
pub(super) struct Gitlab {
    pub(super) groups: Vec<String>,
    pub(super) projects: Vec<String>,
}

#[derive(Deserialize)]
struct Repository {
    path: String,
}

impl Listing for Gitlab {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        let first = |of: &str, name: &String| {
            let url = api.url(&["api", "v4", of, name, "registry", "repositories"]);
            let url = with_query(&with_query(&url, "per_page", &PAGE.to_string()), "page", "1");
            Ask::first(url, format!("repositories of {name}"))
        };
        let groups = self.groups.iter().map(|name| first("groups", name));
        groups.chain(self.projects.iter().map(|name| first("projects", name))).collect()
    }

    fn read(&self, _: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let repositories: Vec<Repository> = list(answer)?;
        let entries = repositories.len();
        let next = numbered(ask, answer, entries);
        Ok(Found { entries, names: repositories.into_iter().map(|one| one.path).collect(), next, lists: Vec::new() })
    }
}
