//! How one API lists repositories: where its lists begin, how a response is parsed, and which requests show that the
//! login is valid and that an owner exists. Pure: requests, bounds and checks are in `api`.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::registry::api::{Api, ApiAnswer, NextPage, Proof};

/// How one API lists repositories.
pub(super) trait ApiListing: std::fmt::Debug + Send + Sync {
    /// The first page of each list.
    fn begin(&self, api: &Api) -> Vec<PageRequest>;

    /// Parses one response.
    fn read(&self, api: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error>;

    /// Whether the next page is addressed by a key and not by a number. A key stays valid when a repository is removed,
    /// so another walk can continue from it.
    fn keeps_place(&self) -> bool {
        false
    }

    /// Requests that show whether the login is valid. Empty if logging in shows that already.
    fn proofs(&self, _: &Api) -> Vec<Proof> {
        Vec::new()
    }

    /// All URLs at which the owner of a list may exist. Empty if a missing owner cannot be detected.
    fn owners(&self, _: &Api, _: &PageRequest) -> Vec<Url> {
        Vec::new()
    }

    /// Whether the API may answer 403 for an owner that does not exist.
    fn hides_owners(&self) -> bool {
        false
    }
}

/// A page to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageRequest {
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub(super) url: Url,
    /// The list, for messages: `repositories of my-org`.
    pub(super) list: String,
    /// The number of the page, from 1.
    pub(super) number: u64,
    /// How many entries the pages before it had.
    pub(super) before: u64,
    /// The owner whose repositories it lists, if there is one.
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// Whether the owner is named by the configuration and not by the API.
    #[serde(default)]
    pub(super) is_configured: bool,
}

impl PageRequest {
    pub(super) fn first(url: Url, list: impl Into<String>) -> Self {
        Self { url, list: list.into(), number: 1, before: 0, owner: None, is_configured: false }
    }

    /// The first page of the repositories of an owner that the configuration names.
    pub(super) fn of_owner(url: Url, list: impl Into<String>, owner: &str) -> Self {
        Self { owner: Some(owner.to_owned()), is_configured: true, ..Self::first(url, list) }
    }

    pub(super) fn next(&self, url: Url, entries: usize) -> Self {
        Self { url, number: self.number + 1, before: self.before + entries as u64, ..self.clone() }
    }

    pub(super) fn what(&self) -> String {
        format!("{}, page {}", self.list, self.number)
    }
}

fn as_text<S: serde::Serializer>(url: &Url, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(url.as_str())
}

fn from_text<'de, D: serde::Deserializer<'de>>(json: D) -> Result<Url, D::Error> {
    Url::parse(&String::deserialize(json)?).map_err(serde::de::Error::custom)
}

/// A parsed response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListAnswer {
    /// An identity for each entry, whatever the entries are.
    pub(super) entries: Vec<String>,
    /// The repositories among them.
    pub(super) names: Vec<String>,
    /// The next page of the same list.
    pub(super) next: NextPage,
    /// How many entries the whole list has, if the response tells.
    pub(super) total: Option<u64>,
    /// When the newest of the entries was created, if the response tells.
    pub(super) newest: Option<DateTime<Utc>>,
    /// Further lists that it names.
    pub(super) lists: Vec<PageRequest>,
}

/// A JSON list; `null` is an empty list, as servers in Go write it.
pub(super) fn list<T: DeserializeOwned>(answer: &ApiAnswer) -> Result<Vec<T>, serde_json::Error> {
    serde_json::from_slice::<Option<Vec<T>>>(&answer.body).map(Option::unwrap_or_default)
}

/// A required field that may be `null`. Without this, serde would accept a missing field as `null`.
pub(super) fn nullable<'de, T, D>(json: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<Vec<T>>::deserialize(json).map(Option::unwrap_or_default)
}

/// A time that may be missing. A time that cannot be parsed counts as missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) Option<DateTime<Utc>>);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(json)?;
        Ok(Self(value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|time| time.to_utc())))
    }
}

/// The latest of several.
pub(super) fn newest(moments: impl IntoIterator<Item = Moment>) -> Option<DateTime<Utc>> {
    moments.into_iter().filter_map(|moment| moment.0).max()
}
