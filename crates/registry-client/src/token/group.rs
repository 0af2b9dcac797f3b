//! Tokens for several repositories: which groups were requested, what their tokens grant, and when to stop using
//! groups. Sends nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::model::place::RepositoryRef;
use crate::token::bearer::{Claims, Token};
use crate::token::cache::TokenRequest;
use crate::token::scope::ScopeSet;

/// After so many groups in a row have failed, no groups are used any more.
const PATIENCE: u32 = 3;
/// Most groups remembered: more than are read at a time. A group that was removed is made again.
const REMEMBERED: usize = 64;

/// What a token grants for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The repository may be pulled, or the token does not list its grants and a request has to show it.
    Given,
    /// The scope was requested and is not granted: Quay's `actions: []`. A token for this repository alone would grant
    /// no more.
    Refused,
    /// The token does not mention the repository.
    Missing,
}

/// Repositories that share a token.
#[derive(Debug)]
pub(crate) struct TokenGroup {
    members: Arc<[Arc<str>]>,
    pub(crate) wanted: Arc<TokenRequest>,
    unfit: AtomicBool,
    read: Mutex<Option<ReadGrants>>,
}

/// The grants of the latest token, parsed once and not for each request.
#[derive(Debug)]
struct ReadGrants {
    received: Instant,
    /// Whether each repository may be pulled; none if the token does not list its grants.
    pulls: Option<HashMap<String, bool>>,
}

impl TokenGroup {
    /// What this token of the group grants for a repository.
    pub(crate) fn grant(&self, token: &Token, repository: &str) -> Grant {
        let mut read = self.read.lock();
        let known = read.take().filter(|read| read.received == token.received);
        let known = known.unwrap_or_else(|| ReadGrants { received: token.received, pulls: pulls(token) });
        let grant = match &known.pulls {
            None => Grant::Given,
            Some(pulls) => match pulls.get(repository) {
                Some(true) => Grant::Given,
                Some(false) => Grant::Refused,
                None => Grant::Missing,
            },
        };
        *read = Some(known);
        grant
    }
}

fn pulls(token: &Token) -> Option<HashMap<String, bool>> {
    Claims::read(token.secret.expose())?.pulls()
}

/// All groups of a client.
#[derive(Debug, Default)]
pub(crate) struct TokenGroups {
    recent: Mutex<VecDeque<Arc<TokenGroup>>>,
    failed_in_a_row: AtomicU32,
}

impl TokenGroups {
    /// The group of a repository, if there is one that is worth a request.
    pub(crate) fn of(&self, place: &RepositoryRef, realm: &Url, service: Option<&String>) -> Option<Arc<TokenGroup>> {
        if place.group.len() < 2 || self.failed_in_a_row.load(Ordering::Relaxed) >= PATIENCE {
            return None;
        }
        let mut recent = self.recent.lock();
        let same = |group: &&Arc<TokenGroup>| {
            Arc::ptr_eq(&group.members, &place.group)
                && group.wanted.realm == *realm
                && group.wanted.service.as_ref() == service
        };
        let group = match recent.iter().find(same) {
            Some(group) => group.clone(),
            None if !place.is_shared() => return None,
            None => {
                let scopes = ScopeSet::pull(place.group.iter().map(|name| &**name));
                let wanted = TokenRequest { realm: realm.clone(), service: service.cloned(), scopes };
                let group = Arc::new(TokenGroup {
                    members: place.group.clone(),
                    wanted: Arc::new(wanted),
                    unfit: AtomicBool::new(false),
                    read: Mutex::default(),
                });
                recent.push_back(group.clone());
                if recent.len() > REMEMBERED {
                    recent.pop_front();
                }
                group
            }
        };
        drop(recent);
        (!group.unfit.load(Ordering::Relaxed)).then_some(group)
    }

    /// Notes that a request with a group's token succeeded.
    pub(crate) fn worked(&self) {
        if self.failed_in_a_row.load(Ordering::Relaxed) < PATIENCE {
            self.failed_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Notes that a group got no token, or that its token was refused where the repository's own was accepted.
    pub(crate) fn failed(&self, group: &TokenGroup) {
        if !group.unfit.swap(true, Ordering::Relaxed) {
            self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
    }
}
