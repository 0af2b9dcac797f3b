//! Walks the lists of an API, one answer after another. Where they begin, and how an answer is read, is each API's own
//! `Listing`, which is pure; everything that is sent, bounded and checked is here or below.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use futures::stream::{BoxStream, StreamExt, try_unfold};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Discovery;
use crate::registry::{Api, ApiAnswer, ApiSession, Cursor, NextPage, Page, RegistryError, with_query};

/// One API's way of listing.
pub(super) trait Listing: std::fmt::Debug + Send + Sync {
    /// The first page of each list.
    fn begin(&self, api: &Api) -> Vec<Ask>;

    /// Reads one answer.
    fn read(&self, api: &Api, ask: &Ask, answer: &ApiAnswer) -> Result<Found, serde_json::Error>;

    /// Whether its next page can still be asked for tomorrow and then follows this one: a key, and not a number, under
    /// which everything moves when a repository is removed.
    fn keeps_place(&self) -> bool {
        false
    }
}

/// A page to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) url: Url,
    /// Which list, for messages: `repositories of my-org`.
    pub(super) list: String,
    /// Which page of it, from 1.
    pub(super) number: u64,
    /// The entries of the pages before it.
    pub(super) before: u64,
}

impl Ask {
    pub(super) fn first(url: Url, list: impl Into<String>) -> Self {
        Self { url, list: list.into(), number: 1, before: 0 }
    }

    fn next(&self, url: Url, entries: usize) -> Self {
        Self { url, list: self.list.clone(), number: self.number + 1, before: self.before + entries as u64 }
    }

    fn what(&self) -> String {
        format!("{}, page {}", self.list, self.number)
    }
}

/// What an answer holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The entries, of whatever they are.
    pub(super) entries: usize,
    /// The repositories among them.
    pub(super) names: Vec<String>,
    /// The next page of the same list.
    pub(super) next: Option<Url>,
    /// Further lists that it names.
    pub(super) lists: Vec<Ask>,
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

/// The next page of a list whose pages are numbered by `page=`. Where the headers say nothing, a short page is no proof of
/// the end, since a server may cap pages lower than we ask: only its total, or an empty page, is.
pub(super) fn numbered(ask: &Ask, answer: &ApiAnswer, entries: usize) -> Option<Url> {
    let more = match answer.next {
        NextPage::At(ref url) => return Some(url.clone()),
        NextPage::None => return None,
        NextPage::Unsaid { total: Some(total) } => total > ask.before + entries as u64,
        NextPage::Unsaid { total: None } => true,
    };
    (more && entries > 0).then(|| with_query(&ask.url, "page", &(ask.number + 1).to_string()))
}

/// A discovery over an API.
#[derive(Debug)]
pub(super) struct OverApi {
    api: Api,
    listing: Box<dyn Listing>,
}

impl OverApi {
    pub(super) fn new(api: Api, listing: Box<dyn Listing>) -> Self {
        Self { api, listing }
    }
}

impl Discovery for OverApi {
    fn pages(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        let queue = from.and_then(|cursor| resumed(&self.api, cursor));
        let queue = queue.unwrap_or_else(|| self.listing.begin(&self.api).into());
        let walk = Walk { source: self, session: None, queue, number: 0, met: Met::default() };
        try_unfold(walk, |mut walk| async { Ok(walk.step().await?.map(|page| (page, walk))) }).boxed()
    }
}

/// Where a walk stands: what is still to be asked, the next first.
struct Walk<'a> {
    source: &'a OverApi,
    session: Option<ApiSession<'a>>,
    queue: VecDeque<Ask>,
    number: u64,
    met: Met,
}

impl Walk<'_> {
    async fn step(&mut self) -> Result<Option<Page>, RegistryError> {
        let Some(ask) = self.queue.pop_front() else { return Ok(None) };
        let OverApi { api, listing } = self.source;
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(api.open().await?),
        };
        let what = ask.what();
        let answer = session.get(&ask.url, &what).await?;
        let found = listing.read(api, &ask, &answer).map_err(|error| session.unreadable(&what, &answer, &error))?;
        if found.entries > 0 {
            session.is_new(&answer, &what)?;
        }
        // The lists that a page names come before its next page, so that few of them wait.
        for ask in found.lists.into_iter().chain(found.next.map(|url| ask.next(url, found.entries))).rev() {
            self.queue.push_front(ask);
        }
        self.number += 1;
        let last = self.queue.is_empty();
        let cursor = (listing.keeps_place() && !last).then(|| cursor(&self.queue)).flatten();
        let names = found.names.iter().map(String::as_str).filter(|name| self.met.is_new(name));
        session.page(self.number, names, cursor, last).map(Some)
    }
}

/// The names that were handed out. Lists overlap, and numbered pages shift when a repository is added; whoever walks
/// takes a page without a new name for a server that has lost its place. Two keyed hashes are kept of each name, not
/// its text; no two names that there are have both in common.
#[derive(Default)]
struct Met {
    hashers: (RandomState, RandomState),
    names: HashSet<(u64, u64)>,
}

impl Met {
    fn is_new(&mut self, name: &str) -> bool {
        self.names.insert((self.hashers.0.hash_one(name), self.hashers.1.hash_one(name)))
    }
}

/// An `Ask` as a cursor keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    list: String,
    number: u64,
    before: u64,
}

fn cursor(queue: &VecDeque<Ask>) -> Option<Cursor> {
    let keep = |ask: &Ask| {
        let Ask { url, list, number, before } = ask.clone();
        Kept { url: url.into(), list, number, before }
    };
    serde_json::to_string(&queue.iter().map(keep).collect::<Vec<_>>()).ok().map(Cursor)
}

/// What a cursor says is still to be asked; `None` where it is not ours, and the walk begins at the beginning.
fn resumed(api: &Api, cursor: &Cursor) -> Option<VecDeque<Ask>> {
    let kept: Vec<Kept> = serde_json::from_str(&cursor.0).ok()?;
    let ask = |kept: Kept| {
        let url = Url::parse(&kept.url).ok().filter(|url| api.holds(url))?;
        Some(Ask { url, list: kept.list, number: kept.number, before: kept.before })
    };
    kept.into_iter().map(ask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows the second page, after a first with `before` entries.
    fn next(total: Option<u64>, before: u64, entries: usize) -> Option<String> {
        let url = Url::parse("https://a/x?page=2&q=%2F").expect("a URL");
        let ask = Ask { url, list: String::new(), number: 2, before };
        let answer = ApiAnswer { body: Vec::new(), next: NextPage::Unsaid { total } };
        numbered(&ask, &answer, entries).map(String::from)
    }

    #[test]
    fn edge_28_a_short_page_is_not_the_last_unless_the_total_says_so() {
        let third = Some("https://a/x?q=%2F&page=3".to_owned());
        assert_eq!(next(None, 100, 30), third);
        assert_eq!(next(None, 100, 0), None);
        assert_eq!(next(Some(130), 100, 30), None);
        assert_eq!(next(Some(200), 100, 100), None);
        assert_eq!(next(Some(201), 100, 100), third);
        // A server that gives 50 a page, whatever is asked.
        assert_eq!(next(Some(130), 50, 50), third);
        assert_eq!(next(Some(130), 50, 0), None);
    }

    #[test]
    fn met_names_are_known_again() {
        let mut met = Met::default();
        assert!(met.is_new("a") && met.is_new("b") && !met.is_new("a"));
    }
}
