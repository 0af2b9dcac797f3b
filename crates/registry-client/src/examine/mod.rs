//! The protocol's side of `check`: goes the way of a walk step by step, with the client's own code, and writes down what
//! was sent, what came back and how long it took. Plain data, fit to be shown; it judges nothing.
//!
//! The steps before HTTP (name, connection, handshake) are taken apart here, since the HTTP client does them in one go.
//! All others are the client's own requests, overheard by a `Tape`: what `check` reports is what a run does.

mod certificate;
mod connection;
mod exchange;
mod shown;
pub(crate) mod tape;

pub use crate::http::observer::RawExchange;
pub use crate::token::bearer::LifetimeSource;
pub use certificate::Certificate;
pub use connection::{Handshake, NoConnection};
pub use exchange::{ClaimFacts, Exchange, ExchangePurpose, LinkForm, Offer, Reply, TokenFacts};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use tape::Tape;

use crate::client::Client;
use crate::contents::contents_trait::Contents as _;
use crate::http::call::{HttpCall, HttpFailure, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::host_policy::NamedBy;
use crate::http::retry::RetryPolicy;
use crate::http::said::said;
use crate::http::turn::Tries;
use crate::model::place::RepositoryRef;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::settings::RegistrySettings;
use crate::settings::kind::RegistryKind;

/// Each request is sent once: somebody is waiting, and the first refusal tells what a run would wait out.
const ONCE: RetryPolicy = RetryPolicy {
    attempts: 1,
    base: Duration::ZERO,
    longest: Duration::ZERO,
    longest_asked: Duration::ZERO,
    patience: Duration::ZERO,
};

/// One registry, examined.
#[derive(Clone, Debug)]
pub struct Examination {
    client: Client,
    tape: Arc<Tape>,
}

impl Examination {
    /// Reads `ca_file` and prepares the client; sends nothing.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let tape = Arc::new(Tape::new(settings.api("/v2/")));
        let client = Client::examined(settings, ONCE, tape.clone())?;
        Ok(Self { client, tape })
    }

    /// The client that is overheard; whatever is asked through it is written down.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The variable that sends this registry's requests through a proxy, if one is set; never its value, which may
    /// hold a password. Whether `NO_PROXY` exempts the registry is not looked at.
    pub fn proxy(&self) -> Option<&'static str> {
        connection::proxy(&self.client.authorized().settings.url)
    }

    /// The addresses of the registry's host.
    ///
    /// # Errors
    /// If there are none.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, NoConnection> {
        connection::resolve(&self.client.authorized().settings.url).await
    }

    /// The first of these addresses that accepts a connection.
    ///
    /// # Errors
    /// If none does.
    pub async fn connect(&self, addresses: &[SocketAddr]) -> Result<SocketAddr, NoConnection> {
        connection::connect(addresses).await
    }

    /// Shakes hands over TLS and hangs up. The certificate is looked at even where it is not trusted: nothing is sent
    /// over that connection.
    ///
    /// # Errors
    /// If the certificates to trust cannot be read.
    pub async fn handshake(&self, address: SocketAddr) -> Result<Handshake, RegistryError> {
        let at_setup = |problem| RegistryError::new(Step::Setup, problem);
        connection::handshake(&self.client.authorized().settings, address).await.map_err(at_setup)
    }

    /// Asks `/v2/` without credentials, whatever is configured.
    ///
    /// # Errors
    /// If there is no answer, or none of a registry: a refusal is one, being turned away for asking too often is not.
    pub async fn ping(&self) -> Result<(), RegistryError> {
        let client = self.client.authorized();
        let url = client.api("/v2/");
        let (wants, endpoint, way) = (RequestKind::Listing, Endpoint::Ping, NamedBy::Configured);
        let call = HttpCall { url: &url, authorization: None, form: None, wants, endpoint, way };
        let mut tries = Tries::none();
        let admission = client.transport.admit(&url, call.endpoint, &tries).await;
        let problem = match client.transport.attempt(&call, &admission, &mut tries).await {
            Ok(answer) => match answer.status.as_u16() {
                200..=399 | 401 | 403 => return Ok(()),
                404 | 405 => Problem::Unsupported(said(&answer)),
                _ => Problem::of_status(said(&answer)),
            },
            Err(HttpFailure::Broken(problem) | HttpFailure::Unusable(problem)) => problem,
        };
        Err(RegistryError::new(Step::Ping, problem))
    }

    /// Asks for the first page of a repository's tags, which must be a name by the grammar; says how many it has.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub async fn tags(&self, repository: &str) -> Result<u64, RegistryError> {
        let tags = self.client.tags(&RepositoryRef::alone(repository)).await?;
        Ok(tags.names.len() as u64 + tags.invalid_count)
    }

    /// The registry's kind and how that is known, once a conversation has begun.
    pub fn kind(&self) -> Option<(RegistryKind, &'static str)> {
        self.client.authorized().kind_and_why()
    }

    /// A text that the server chose, fit to be shown: without anything it was sent.
    pub fn shown(&self, text: &str) -> String {
        self.client.authorized().transport.sent.shown(text)
    }

    /// What went over the wire so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.tape.exchanges()
    }
}
