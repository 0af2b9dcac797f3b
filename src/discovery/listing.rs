//! What an API's own way of listing is: where its lists begin, how an answer is read, and which questions show that its
//! login is alive and that an owner is there. All of it is pure: what is sent, bounded and checked is in `api`.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::registry::api::{Api, ApiAnswer, NextPage, Proof};

/// One API's way of listing.
pub(super) trait ApiListing: std::fmt::Debug + Send + Sync {
    /// The first page of each list.
    fn begin(&self, api: &Api) -> Vec<PageRequest>;

    /// Reads one answer.
    fn read(&self, api: &Api, ask: &PageRequest, answer: &ApiAnswer) -> Result<ListAnswer, serde_json::Error>;

    /// Whether its next page can still be asked for tomorrow and then follows this one: a key, and not a number, under
    /// which everything moves when a repository is removed.
    fn keeps_place(&self) -> bool {
        false
    }

    /// The questions that show whether its login is alive. None where the way of logging in shows that already.
    fn proofs(&self, _: &Api) -> Vec<Proof> {
        Vec::new()
    }

    /// All the places where the owner of a list can be. None where an owner that is not there cannot be told.
    fn owners(&self, _: &Api, _: &PageRequest) -> Vec<Url> {
        Vec::new()
    }

    /// Whether an owner that is not there may be answered for with 403.
    fn hides_owners(&self) -> bool {
        false
    }
}

/// A page to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageRequest {
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub(super) url: Url,
    /// Which list, for messages: `repositories of my-org`.
    pub(super) list: String,
    /// Which page of it, from 1.
    pub(super) number: u64,
    /// The entries of the pages before it.
    pub(super) before: u64,
    /// Whose repositories it lists, where that is one owner's.
    #[serde(default)]
    pub(super) owner: Option<String>,
    /// Whether the configuration names the owner, and not the API.
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

/// What an answer holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListAnswer {
    /// The entries, of whatever they are, by what tells one from another.
    pub(super) entries: Vec<String>,
    /// The repositories among them.
    pub(super) names: Vec<String>,
    /// What is said of the next page of the same list.
    pub(super) next: NextPage,
    /// How many entries the list has in all, where that is told.
    pub(super) total: Option<u64>,
    /// When the newest of the entries was created, where that is told.
    pub(super) newest: Option<DateTime<Utc>>,
    /// Further lists that it names.
    pub(super) lists: Vec<PageRequest>,
}

/// A list of JSON; `null` is an empty one, as Go's servers write it.
pub(super) fn list<T: DeserializeOwned>(answer: &ApiAnswer) -> Result<Vec<T>, serde_json::Error> {
    serde_json::from_slice::<Option<Vec<T>>>(&answer.body).map(Option::unwrap_or_default)
}

/// A field that has to be there and may be `null`; serde takes a missing one for `null` unless it is told how to read it.
pub(super) fn nullable<'de, T, D>(json: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<Vec<T>>::deserialize(json).map(Option::unwrap_or_default)
}

/// A time that may be missing, and counts as missing where it cannot be read.
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
