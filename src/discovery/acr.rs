//! Azure's own catalog, `GET /acr/v1/_catalog`: in the protocol's shape, with the protocol's `Link`, by a token with
//! the scope that its challenge names (learn.microsoft.com/rest/api/containerregistry).
//!
//! # Whether the login is valid
//!
//! The registry's own login shows it: an answer without a token is not believed where a login is configured, and
//! `/oauth2/token` gives no token for a dead one (`Access Tokens - Get From Login`).

use serde::Deserialize;

use super::listing::{ApiListing, ListAnswer, PageRequest, nullable};
use crate::registry::api::{Api, ApiAnswer, NextPage};

pub(super) const NEEDS: &str =
    "a login that has the catalog's `metadata/read`: AcrPull, or a token with a scope map for it";

/// The largest page that Azure gives.
const PAGE: usize = 100;

#[derive(Debug)]
pub(super) struct Acr;

#[derive(Deserialize)]
struct AcrAnswer {
    #[serde(deserialize_with = "nullable")]
    repositories: Vec<String>,
}

impl ApiListing for Acr {
    fn begin(&self, api: &Api) -> Vec<PageRequest> {
        vec![PageRequest::first(
            Api::with_query(&api.url(&["acr", "v1", "_catalog"]), "n", &PAGE.to_string()),
            "catalog of Azure",
        )]
    }

    fn read(&self, _: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error> {
        let AcrAnswer { repositories: names } = serde_json::from_slice(&answer.body)?;
        let next = match (&answer.next, names.last()) {
            // A full page whose link got lost: what comes after its last name is asked for.
            (NextPage::Unsaid, Some(last)) if names.len() >= PAGE => {
                NextPage::At(Api::with_query(&ask.url, "last", last))
            }
            (next, _) => next.clone(),
        };
        Ok(ListAnswer { entries: names.clone(), names, next, ..ListAnswer::default() })
    }

    fn keeps_place(&self) -> bool {
        true
    }
}
