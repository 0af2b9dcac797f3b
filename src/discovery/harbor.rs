//! Harbor's own API, for logins that its catalog refuses: everybody but system accounts.
//!
//! `GET /api/v2.0/projects` and, for each, `GET /api/v2.0/projects/{project_name}/repositories`, numbered pages of at most
//! 100 with `Link` and `X-Total-Count` (api/v2.0/swagger.yaml). A repository's `name` has its project before it.

use serde::Deserialize;

use super::listing::{Ask, Found, Listing, list, numbered};
use crate::registry::{Api, ApiAnswer, with_query};

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
struct Named {
    name: String,
}

fn projects(api: &Api) -> Ask {
    Ask::first(paged(&api.url(&["api", "v2.0", "projects"])), "projects")
}

fn repositories(api: &Api, project: &str) -> Ask {
    let url = paged(&api.url(&["api", "v2.0", "projects", project, "repositories"]));
    Ask::first(url, format!("repositories of {project}"))
}

fn paged(url: &url::Url) -> url::Url {
    with_query(&with_query(url, "page", "1"), "page_size", &PAGE.to_string())
}

impl Listing for Harbor {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        if self.projects.is_empty() {
            return vec![projects(api)];
        }
        self.projects.iter().map(|project| repositories(api, project)).collect()
    }

    fn read(&self, api: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let named: Vec<Named> = list(answer)?;
        let (entries, next) = (named.len(), numbered(ask, answer, named.len()));
        if ask.url.path() == projects(api).url.path() {
            let lists = named.iter().map(|project| repositories(api, &project.name)).collect();
            return Ok(Found { entries, names: Vec::new(), next, lists });
        }
        Ok(Found { entries, names: named.into_iter().map(|one| one.name).collect(), next, lists: Vec::new() })
    }
}
