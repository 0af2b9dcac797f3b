//! Azure's own catalog, `GET /acr/v1/_catalog`: in the protocol's shape, with the protocol's `Link`, by a token with the
//! scope that its challenge names (learn.microsoft.com/rest/api/containerregistry).

use serde::Deserialize;

use super::listing::{Ask, Found, Listing, nullable};
use crate::registry::{Api, ApiAnswer, NextPage, with_query};

pub(super) const NEEDS: &str =
    "a login that has the catalog's `metadata/read`: AcrPull, or a token with a scope map for it";

/// The largest page that Azure gives.
const PAGE: &str = "100";

#[derive(Debug)]
pub(super) struct Acr;

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "nullable")]
    repositories: Vec<String>,
}

impl Listing for Acr {
    fn begin(&self, api: &Api) -> Vec<Ask> {
        vec![Ask::first(with_query(&api.url(&["acr", "v1", "_catalog"]), "n", PAGE), "catalog of Azure")]
    }

    fn read(&self, _: &Api, _: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error> {
        let Answer { repositories: names } = serde_json::from_slice(&answer.body)?;
        let next = match &answer.next {
            NextPage::At(url) => Some(url.clone()),
            NextPage::None | NextPage::Unsaid { .. } => None,
        };
        Ok(Found { entries: names.len(), names, next, lists: Vec::new() })
    }

    fn keeps_place(&self) -> bool {
        true
    }
}
