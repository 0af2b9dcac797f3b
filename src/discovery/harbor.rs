//! Harbor's own API, for logins that its catalog refuses: all except system accounts.
//!
//! `GET /api/v2.0/projects` and, for each, `GET /api/v2.0/projects/{project_name}/repositories`, numbered pages of at
//! most 100 with `Link` and `X-Total-Count` (api/v2.0/swagger.yaml). A repository's `name` has its project before it.
//!
//! # Whether the login is valid
//!
//! Harbor treats a request with an unknown login as anonymous, and lists public projects
//! (src/server/middleware/security). `GET /api/v2.0/users/current` is 200 for a user, 412 for a robot account, which is
//! no user, and 401 for a dead login (src/server/v2.0/handler/user.go, `GetCurrentUserInfo`).
//!
//! # Projects that do not exist
//!
//! Their list is 403 with a login, as if another user owned them, or 404
//! (src/server/v2.0/handler/base.go, `HasProjectPermission`), and so is `/api/v2.0/projects/NAME`.

use serde::Deserialize;
use url::Url;

use super::listing::{ApiListing, ListAnswer, Moment, PageRequest, list, newest};
use crate::registry::api::{Api, ApiAnswer, Proof};

pub(super) const NEEDS: &str = "a user or robot account that may list projects and repositories";

/// The largest page that Harbor gives.
const PAGE: u64 = 100;

#[derive(Debug)]
pub(super) struct Harbor {
    /// None: all.
    pub(super) projects: Vec<String>,
}

/// A project, or a repository.
#[derive(Deserialize)]
struct HarborEntry {
    name: String,
    #[serde(default)]
    creation_time: Moment,
}

fn projects(api: &Api) -> PageRequest {
    PageRequest::first(paged(&api.url(&["api", "v2.0", "projects"])), "projects")
}

fn repositories(api: &Api, project: &str) -> PageRequest {
    let url = paged(&api.url(&["api", "v2.0", "projects", project, "repositories"]));
    PageRequest::of_owner(url, format!("repositories of {project}"), project)
}

fn paged(url: &Url) -> Url {
    Api::with_query(&Api::with_query(url, "page", "1"), "page_size", &PAGE.to_string())
}

impl ApiListing for Harbor {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        if self.projects.is_empty() {
            return vec![projects(api)];
        }
        self.projects.iter().map(|project| repositories(api, project)).collect()
    }

    fn read(&self, api: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let entries: Vec<HarborEntry> = list(answer)?;
        let newest = newest(entries.iter().map(|one| one.creation_time));
        let names: Vec<_> = entries.into_iter().map(|one| one.name).collect();
        let (entries, next, total) = (names.clone(), answer.next.clone(), answer.total);
        let found = ListAnswer { entries, next, total, newest, ..ListAnswer::default() };
        if ask.owner.is_some() {
            return Ok(ListAnswer { names, ..found });
        }
        let of_project = |project: &String| PageRequest { is_configured: false, ..repositories(api, project) };
        Ok(ListAnswer { lists: names.iter().map(of_project).collect(), ..found })
    }

    fn proofs(&self, api: &Api) -> Vec<Proof> {
        vec![Proof { url: api.url(&["api", "v2.0", "users", "current"]), alive: &[412], dead: &[] }]
    }

    fn owners(&self, api: &Api, ask: &PageRequest) -> Vec<Url> {
        ask.owner.iter().map(|project| api.url(&["api", "v2.0", "projects", project])).collect()
    }

    fn hides_owners(&self) -> bool {
        true
    }
}
