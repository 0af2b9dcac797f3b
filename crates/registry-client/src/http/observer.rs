//! What an observer is told about requests and tokens. It counts nothing itself.

use std::fmt;
use std::time::Duration;

use crate::http::call::{HttpAnswer, HttpCall, HttpFailure};
use crate::http::endpoint::Endpoint;
use crate::http::sent_secrets::SentSecrets;
use crate::problem::fault::Fault;

/// Why there was no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// None in time.
    Timeout,
    /// No connection, TLS included.
    Connect,
    /// The connection broke, or what came could not be read.
    Broken,
    /// Nobody waited for it any more.
    Dropped,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Timeout, Self::Connect, Self::Broken, Self::Dropped];

    /// A word for labels: `timeout`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Dropped => "dropped",
        }
    }
}

/// A rule of safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SafetyRule {
    /// Credentials go to hosts that belong to the registry.
    RealmHost,
    /// Nothing is followed to another origin but content.
    Redirect,
    /// Links lead to the registry.
    Link,
    /// What a server names is on the public internet, or where the registry itself is.
    Address,
}

impl SafetyRule {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RealmHost, Self::Redirect, Self::Link, Self::Address];

    /// A word for labels: `realm_host`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RealmHost => "realm_host",
            Self::Redirect => "redirect",
            Self::Link => "link",
            Self::Address => "address",
        }
    }
}

/// One request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedRequest {
    /// What it was for.
    pub endpoint: Endpoint,
    /// The status of a whole answer.
    pub outcome: Result<u16, Loss>,
    /// Bytes of the body as they came, before decompression.
    pub bytes: u64,
    /// From sending to the end of the body; waiting for a turn is not part of it.
    pub took: Duration,
    /// The server's `Date` minus our clock, in seconds; none where it sent none, or the answer is out of a cache.
    pub clock_skew: Option<f64>,
}

/// Watches a client's requests and tokens as they come and go: to count them, or to show them. Called from many tasks at
/// once, on the way of every request: it must be quick. Each method does nothing unless it is implemented.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request goes out; [`Observer::ended`] follows in any case.
    fn begun(&self, _endpoint: Endpoint) {}
    /// A request has ended.
    fn ended(&self, _request: &EndedRequest) {}
    /// A request and its answer, before it is decided what to do next.
    fn exchanged(&self, _exchange: &RawExchange<'_>) {}
    /// A request is sent again after a failure.
    fn retried(&self, _endpoint: Endpoint) {}
    /// The registry asked us to wait, and that is how long this request did, of several that may have waited at once.
    fn waited(&self, _pause: Duration) {}
    /// A page of repositories or tags was asked for, however often it had to be tried; why it was given up. That a
    /// repository is gone is an answer.
    fn page(&self, _outcome: Result<(), Fault>) {}
    /// A token was asked for; why there is none. A refusal that is only remembered is not told again.
    fn token(&self, _outcome: Result<(), Fault>) {}
    /// An answer was refused by a rule of safety: it would have taken us, or the credentials, elsewhere.
    fn refused_for_safety(&self, _rule: SafetyRule) {}
}

/// Observes nothing.
impl Observer for () {}

/// One request and its answer as they went over the wire, secrets included; so only this crate can look into it.
pub struct RawExchange<'a> {
    pub(crate) call: &'a HttpCall<'a>,
    pub(crate) outcome: &'a Result<HttpAnswer, HttpFailure>,
    pub(crate) took: Duration,
    pub(crate) sent: &'a SentSecrets,
}

impl fmt::Debug for RawExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawExchange").finish_non_exhaustive()
    }
}
