//! What a run covers, for the table of changes.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::plan::Plan;
use crate::discovery::DiscoverySettings;
use crate::registry::Auth;
use crate::registry::api::{ApiLogin, ApiSettings};
use crate::snapshot::{ListCoverage, Scope};

/// What a run of this plan covers that saw so much of the list of names.
pub(super) fn scope(plan: &Plan, list: ListCoverage) -> Scope {
    Scope {
        depth: plan.walk.depth,
        filter: plan.walk.filter.clone(),
        monitored: plan.walk.monitored.iter().collect(),
        list,
        source: hex::encode(Sha256::digest(source(plan))),
    }
}

/// Where the names come from, and as whom the registry is asked. A secret that is renewed makes no difference.
fn source(plan: &Plan) -> String {
    let mut text = format!("{}\n{}\n", plan.registry.url, who(&plan.registry.auth));
    let mut lists = |kind: &str, api: Option<&ApiSettings>, lists: &[&Vec<String>]| {
        let url = api.and_then(|api| api.url.as_ref()).map_or("", |url| url.as_str());
        let login = api.map_or_else(String::new, |api| who_of_api(&api.login));
        // Writing to a String does not fail.
        let _ = write!(text, "{kind} {url} {login} {lists:?}");
    };
    match &plan.discovery {
        DiscoverySettings::Catalog => lists("catalog", None, &[]),
        DiscoverySettings::Acr => lists("acr", None, &[]),
        DiscoverySettings::Listed(names) => lists("listed", None, &[names]),
        DiscoverySettings::Quay { api, namespaces } => lists("quay", Some(api), &[namespaces]),
        DiscoverySettings::Harbor { api, projects } => lists("harbor", Some(api), &[projects]),
        DiscoverySettings::Gitlab { api, groups, projects } => lists("gitlab", Some(api), &[groups, projects]),
        DiscoverySettings::DockerHub { api, namespaces } => lists("docker_hub", Some(api), &[namespaces]),
        DiscoverySettings::Gitea { api, owners } => lists("gitea", Some(api), &[owners]),
    }
    text
}

fn who(auth: &Auth) -> String {
    match auth {
        Auth::Token(Some(login)) | Auth::Basic(login) => format!("user {}", login.username),
        Auth::Token(None) | Auth::None => "nobody".to_owned(),
        Auth::Bearer(_) | Auth::Identity(_) => "a token".to_owned(),
        Auth::Docker(_) => "a stored login".to_owned(),
    }
}

fn who_of_api(login: &ApiLogin) -> String {
    match login {
        ApiLogin::Anonymous => "nobody".to_owned(),
        ApiLogin::Bearer(_) | ApiLogin::Token(_) => "a token".to_owned(),
        ApiLogin::Basic(login) | ApiLogin::Exchanged(login) => format!("user {}", login.username),
        ApiLogin::Challenged => "the registry's login".to_owned(),
    }
}
