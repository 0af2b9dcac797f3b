//! Checks that a list ends: it must not return to a page that was read, and it must stay within a bound. For catalogs,
//! tags, and lists of APIs.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

use url::Url;

use crate::paging::page::ListedNames;
use crate::problem::Problem;

/// Bounds of one list. A longer list means an error of the server or of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListBounds {
    pub(crate) pages: u64,
    pub(crate) names: u64,
}

impl Default for ListBounds {
    fn default() -> Self {
        Self { pages: 1_000_000, names: 50_000_000 }
    }
}

/// Notices a list that repeats itself: with a bad cursor, Quay restarts at page 1 without an error. Hashes are kept and
/// not texts, so that memory does not grow with the length of names. The keys of the hash are random, so that a server
/// cannot cause a collision on purpose.
#[derive(Debug)]
pub(crate) struct LoopGuard {
    bounds: ListBounds,
    hasher: RandomState,
    urls: HashSet<u64>,
    pages: HashSet<u64>,
    names: u64,
}

impl LoopGuard {
    pub(crate) fn new(bounds: ListBounds) -> Self {
        Self { bounds, hasher: RandomState::new(), urls: HashSet::new(), pages: HashSet::new(), names: 0 }
    }

    pub(crate) fn enter(&mut self, url: &Url, number: u64) -> Result<(), Problem> {
        self.urls.insert(self.hasher.hash_one(url.as_str()));
        self.within(number)
    }

    pub(crate) fn leads_on(&self, next: &Url) -> Result<(), Problem> {
        if self.urls.contains(&self.hasher.hash_one(next.as_str())) { Err(Problem::SeenUrl) } else { Ok(()) }
    }

    /// Counts a page that needs no check for repetition.
    pub(crate) fn count(&mut self, listed: &ListedNames, number: u64) -> Result<(), Problem> {
        self.within(number)?;
        self.count_names(listed)
    }

    pub(crate) fn count_names(&mut self, listed: &ListedNames) -> Result<(), Problem> {
        self.names += listed.names.len() as u64 + listed.invalid_count;
        if self.names > self.bounds.names { Err(Problem::TooManyNames(self.bounds.names)) } else { Ok(()) }
    }

    fn within(&self, number: u64) -> Result<(), Problem> {
        if number > self.bounds.pages { Err(Problem::TooManyPages(self.bounds.pages)) } else { Ok(()) }
    }

    pub(crate) fn read(&mut self, listed: &ListedNames) -> Result<(), Problem> {
        let ListedNames { names, invalid, invalid_count, .. } = listed;
        self.count_names(listed)?;
        // Empty pages may come again: Pulp ends with one, and a filtered page may have no names left.
        match (names.is_empty(), invalid.is_empty()) {
            (false, _) => self.is_new(names),
            (true, false) => self.is_new((invalid, invalid_count)),
            (true, true) => Ok(()),
        }
    }

    /// Notes the content of a page, which must not have come before.
    pub(crate) fn is_new(&mut self, content: impl Hash) -> Result<(), Problem> {
        if self.pages.insert(self.hasher.hash_one(content)) { Ok(()) } else { Err(Problem::SeenPage) }
    }
}
