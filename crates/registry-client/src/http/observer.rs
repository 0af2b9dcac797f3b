//! What an observer is given about requests and tokens. It counts nothing itself.

use std::fmt;
use std::time::Duration;

use crate::http::call::{HttpAnswer, HttpCall, HttpFailure};
use crate::http::endpoint::Endpoint;
use crate::http::sent_secrets::SentSecrets;
use crate::problem::fault::Fault;

/// Why a request had no complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// No complete answer within the time limit.
    Timeout,
    /// No connection, or no TLS handshake.
    Connect,
    /// The connection broke, or the answer could not be read.
    Broken,
    /// The task that waited for the answer was cancelled.
    Dropped,
}

impl Loss {
    /// All values.
    pub const ALL: [Self; 4] = [Self::Timeout, Self::Connect, Self::Broken, Self::Dropped];

    /// The label of metrics, e.g. `timeout`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Dropped => "dropped",
        }
    }
}

/// A safety rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SafetyRule {
    /// Credentials are sent only to hosts that belong to the registry.
    RealmHost,
    /// A redirect to another origin is followed for content only.
    Redirect,
    /// Links to the next page must stay on the registry.
    Link,
    /// A host that a server names must be on the public internet, or in the kind of network where the registry itself
    /// is.
    Address,
}

impl SafetyRule {
    /// All values.
    pub const ALL: [Self; 4] = [Self::RealmHost, Self::Redirect, Self::Link, Self::Address];

    /// The label of metrics, e.g. `realm_host`.
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
    /// What the request was for.
    pub endpoint: Endpoint,
    /// The status of a complete answer, or why there is none.
    pub outcome: Result<u16, Loss>,
    /// Bytes of the body as they arrived, before decompression.
    pub bytes: u64,
    /// Time from sending to the end of the body. Waiting for a turn is not included.
    pub took: Duration,
    /// The server's `Date` minus our clock, in seconds. None if the answer has no `Date`, or came from a cache.
    pub clock_skew: Option<f64>,
}

/// Receives a client's requests and tokens as they happen, to count them or to show them. Methods are called from many
/// tasks at once, during every request, so they must return quickly. Each method does nothing unless it is implemented.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request is sent. [`Observer::ended`] follows in any case.
    fn begun(&self, _endpoint: Endpoint) {}
    /// A request has ended.
    fn ended(&self, _request: &EndedRequest) {}
    /// A request and its answer, before the client decides what to do next.
    fn exchanged(&self, _exchange: &RawExchange<'_>) {}
    /// A request is sent again after a failure.
    fn retried(&self, _endpoint: Endpoint) {}
    /// A request waited this long because of a pause or a rate limit of the registry. Several requests may have waited
    /// at the same time.
    fn waited(&self, _pause: Duration) {}
    /// A page of repositories or tags was received, or the client gave up after all retries, with the reason. A
    /// repository that does not exist any more counts as an answer.
    fn page(&self, _outcome: Result<(), Fault>) {}
    /// A token was received, or there is none, with the reason. If the credentials were refused before and nothing is
    /// sent, this method is not called.
    fn token(&self, _outcome: Result<(), Fault>) {}
    /// An answer was rejected by a safety rule: it would have led the client, or the credentials, to another host.
    fn refused_for_safety(&self, _rule: SafetyRule) {}
}

/// Observes nothing.
impl Observer for () {}

/// One request and its answer as they were sent, secrets included. Only this crate can read the content.
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
