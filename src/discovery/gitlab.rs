//! GitLab's own API, because its catalog is for administrators only.
//!
//! `GET /api/v4/groups/:id/registry/repositories`, subgroups included, and `GET
//! /api/v4/projects/:id/registry/repositories`; numbered pages of at most 100, with `Link`, `X-Next-Page` and, up to
//! 10,000 entries, `X-Total` (`docs.gitlab.com/api/container_registry`, `docs.gitlab.com/api/rest`). A repository's
//! `path` is its name at the registry. The token goes as `Authorization: Bearer`, which GitLab takes for personal,
//! group and project access tokens as it takes `PRIVATE-TOKEN`.
//!
//! # Whether the token is valid
//!
//! `GET /api/v4/personal_access_tokens/self` answers a personal, group or project access token of any scope with 200,
//! an OAuth token with 400, a dead one with 401, and does not exist before GitLab 15.5. `GET /api/v4/user` answers
//! OAuth tokens and old servers, `GET /api/v4/job` the token of a CI job. The API takes no deploy token at all
//! (`docs.gitlab.com/api/rest/authentication`): one is refused as a dead one is.
//!
//! # Groups and projects that do not exist
//!
//! Their list is 404, and so are `/api/v4/groups/NAME` and `/api/v4/projects/NAME`, also where the token may not see
//! them.

use serde::Deserialize;
use url::Url;

use super::listing::{ApiListing, ListAnswer, Moment, PageRequest, list, newest};
use crate::registry::api::{Api, ApiAnswer, Proof};

pub(super) const NEEDS: &str = "an access token with `read_api`, of a member of the groups and projects";

/// The largest page that GitLab gives.
const PAGE: u64 = 100;

#[derive(Debug)]
pub(super) struct Gitlab {
    pub(super) groups: Vec<String>,
    pub(super) projects: Vec<String>,
}

#[derive(Deserialize)]
struct GitlabRepository {
    path: String,
    #[serde(default)]
    created_at: Moment,
}

impl ApiListing for Gitlab {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        let first = |of: &str, name: &String| {
            let url = api.url(&["api", "v4", of, name, "registry", "repositories"]);
            let url = Api::with_query(&Api::with_query(&url, "per_page", &PAGE.to_string()), "page", "1");
            PageRequest::of_owner(url, format!("repositories of {name}"), name)
        };
        let groups = self.groups.iter().map(|name| first("groups", name));
        groups.chain(self.projects.iter().map(|name| first("projects", name))).collect()
    }

    fn read(&self, _: &Api, _: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let repositories: Vec<GitlabRepository> = list(answer)?;
        let newest = newest(repositories.iter().map(|one| one.created_at));
        let names: Vec<_> = repositories.into_iter().map(|one| one.path).collect();
        let (next, total) = (answer.next.clone(), answer.total);
        Ok(ListAnswer { entries: names.clone(), names, next, total, newest, ..ListAnswer::default() })
    }

    fn proofs(&self, api: &Api) -> Vec<Proof> {
        let proof = |path: &[&str], alive| Proof { url: api.url(path), alive, dead: &[] };
        vec![
            proof(&["api", "v4", "personal_access_tokens", "self"], &[]),
            proof(&["api", "v4", "user"], &[403]),
            proof(&["api", "v4", "job"], &[]),
        ]
    }

    fn owners(&self, _: &Api, ask: &PageRequest) -> Vec<Url> {
        // The list's own address without `/registry/repositories`.
        let mut url = ask.url.clone();
        url.set_query(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().pop();
        }
        vec![url]
    }
}
