//! What is told about requests and tokens as they come and go, for whoever counts them. It counts nothing itself.

use std::fmt;
use std::time::Duration;

use crate::problem::error::Step;

use crate::problem::fault::Fault;

/// What a request was for, as metrics tell requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v2/`.
    Ping,
    /// The token service.
    Token,
    /// A page of the catalog.
    Catalog,
    /// A page of tags.
    Tags,
    /// A manifest, or its digest alone.
    Manifest,
    /// An image's configuration.
    Blob,
    /// The registry's own API.
    Api,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ping, Self::Token, Self::Catalog, Self::Tags, Self::Manifest, Self::Blob, Self::Api];

    /// A word for labels: `catalog`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Token => "token",
            Self::Catalog => "catalog",
            Self::Tags => "tags",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Api => "api",
        }
    }
}

impl Step {
    /// As whose its requests are counted.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Setup | Self::Ping => Endpoint::Ping,
            Self::Token => Endpoint::Token,
            Self::Page(_) => Endpoint::Catalog,
            Self::Tags(_) => Endpoint::Tags,
            Self::Manifest(_) => Endpoint::Manifest,
            Self::Config(_) => Endpoint::Blob,
            Self::Api(_) => Endpoint::Api,
        }
    }
}

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
pub enum Rule {
    /// Credentials go to hosts that belong to the registry.
    RealmHost,
    /// Nothing is followed to another origin but content.
    Redirect,
    /// Links lead to the registry.
    Link,
    /// What a server names is on the public internet, or where the registry itself is.
    Address,
}

impl Rule {
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
pub struct Exchange {
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

/// Somebody who counts. Called from many tasks at once, on the way of every request: it must be quick.
pub trait Meter: fmt::Debug + Send + Sync {
    /// A request goes out; [`Meter::ended`] follows in any case.
    fn begun(&self, endpoint: Endpoint);
    /// A request has ended.
    fn ended(&self, exchange: &Exchange);
    /// A request is sent again after a failure.
    fn retried(&self, endpoint: Endpoint);
    /// The registry asked us to wait, and that is how long this request did, of several that may have waited at once.
    fn waited(&self, pause: Duration);
    /// A page of repositories or tags was asked for, however often it had to be tried; why it was given up. That a
    /// repository is gone is an answer.
    fn page(&self, outcome: Result<(), Fault>);
    /// A token was asked for; why there is none. A refusal that is only remembered is not told again.
    fn token(&self, outcome: Result<(), Fault>);
    /// An answer was refused by a rule of safety: it would have taken us, or the credentials, elsewhere.
    fn refused_for_safety(&self, rule: Rule);
}

/// Nobody counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmetered;

impl Meter for Unmetered {
    fn begun(&self, _: Endpoint) {}
    fn ended(&self, _: &Exchange) {}
    fn retried(&self, _: Endpoint) {}
    fn waited(&self, _: Duration) {}
    fn page(&self, _: Result<(), Fault>) {}
    fn token(&self, _: Result<(), Fault>) {}
    fn refused_for_safety(&self, _: Rule) {}
}
