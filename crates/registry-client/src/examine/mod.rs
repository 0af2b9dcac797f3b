//! The client's side of `check`: does the steps of a walk one by one, with the client's own code, and records the
//! requests, the answers and their times. Plain data without secrets; it judges nothing.
//!
//! Begin with [`Examination::new`], call its methods in the order in which they are declared, and read
//! [`Examination::exchanges`].
//!
//! The steps before HTTP (name, connection, handshake) are separate here, while the HTTP client does them in one go.
//! All others are the client's own requests, recorded by an observer, so `check` reports what a run does.

mod certificate;
mod connection;
mod exchange;
mod shown;
pub(crate) mod tape;

pub use crate::grammar::shown;
pub use crate::http::observer::RawExchange;
pub use crate::login::local::LocalProblem;
pub use crate::token::bearer::LifetimeSource;
pub use certificate::Certificate;
pub use connection::{Handshake, NoConnection};
pub use exchange::{ClaimFacts, Exchange, ExchangePurpose, LinkForm, Offer, Reply, TokenFacts};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub(crate) use tape::ExchangeRecorder;

use crate::client::Client;
use crate::contents::contents_trait::Contents as _;
use crate::http::call::{HttpCall, HttpFailure, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::error_answer::error_answer;
use crate::http::host_policy::NamedBy;
use crate::http::retry::RetryPolicy;
use crate::http::turn::Tries;
use crate::model::place::RepositoryRef;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::settings::RegistrySettings;
use crate::settings::kind::RegistryKind;

/// Each request is sent once: a person waits for the result, and the first refusal shows what a run would wait for.
const ONCE: RetryPolicy = RetryPolicy {
    attempts: 1,
    base: Duration::ZERO,
    longest: Duration::ZERO,
    longest_asked: Duration::ZERO,
    give_up_after: Duration::ZERO,
};

/// One registry, examined.
#[derive(Clone, Debug)]
pub struct Examination {
    client: Client,
    recorder: Arc<ExchangeRecorder>,
}

impl Examination {
    /// Reads the certificates and prepares the client. Sends nothing.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let recorder = Arc::new(ExchangeRecorder::new(settings.api("/v2/")));
        let client = Client::examined(settings, ONCE, recorder.clone())?;
        Ok(Self { client, recorder })
    }

    /// The client whose requests are recorded.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Through which proxy the environment sends a request for this URL, without the proxy's password; or why it goes
    /// directly.
    ///
    /// # Errors
    /// The reason, in words, why no proxy is used. It is not a failure.
    pub fn proxy(&self, url: &Url) -> Result<String, String> {
        self.client.authorized().transport.route_in_words(url)
    }

    /// The token services that challenges have named so far, each host once.
    pub fn realms(&self) -> Vec<Url> {
        self.recorder.realms()
    }

    /// The addresses of the registry's host.
    ///
    /// # Errors
    /// If the name has no address, or could not be looked up.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, NoConnection> {
        connection::resolve(&self.client.authorized().settings.url).await
    }

    /// The first of these addresses that accepts a connection.
    ///
    /// # Errors
    /// [`NoConnection::Refused`] with the reason for each address.
    pub async fn connect(&self, addresses: &[SocketAddr]) -> Result<SocketAddr, NoConnection> {
        connection::connect(addresses).await
    }

    /// Does a TLS handshake and closes the connection. The certificate is read even if it is not trusted: nothing is
    /// sent over this connection.
    ///
    /// # Errors
    /// [`Fault::Tls`](crate::Fault::Tls) if the certificates to trust cannot be read.
    pub async fn handshake(&self, address: SocketAddr) -> Result<Handshake, RegistryError> {
        let at_setup = |problem| RegistryError::new(Step::Setup, problem);
        connection::handshake(&self.client.authorized().settings, address).await.map_err(at_setup)
    }

    /// Requests `/v2/` without credentials, even if some are configured.
    ///
    /// # Errors
    /// If there is no answer, or the answer is not that of a registry. A refusal is an answer of a registry; 429 is
    /// not.
    pub async fn ping(&self) -> Result<(), RegistryError> {
        let client = self.client.authorized();
        let url = client.api("/v2/");
        let (wants, endpoint, named_by) = (RequestKind::Listing, Endpoint::Ping, NamedBy::Configured);
        let call = HttpCall { url: &url, authorization: None, form: None, wants, endpoint, named_by };
        let mut tries = Tries::none();
        let admission = client.transport.admit(&url, call.endpoint, &tries).await;
        let problem = match client.transport.attempt(&call, &admission, &mut tries).await {
            Ok(answer) => match answer.status.as_u16() {
                200..=399 | 401 | 403 => return Ok(()),
                404 | 405 => Problem::Unsupported(error_answer(&answer)),
                _ => Problem::of_status(error_answer(&answer)),
            },
            Err(HttpFailure::Broken(problem) | HttpFailure::Unusable(problem)) => problem,
        };
        Err(RegistryError::new(Step::Ping, problem))
    }

    /// Requests the tags of a repository, whose name must follow the grammar, and returns how many there are.
    ///
    /// # Errors
    /// The errors of [`Contents::tags`](crate::Contents::tags).
    pub async fn tags(&self, repository: &str) -> Result<u64, RegistryError> {
        let tags = self.client.tags(&RepositoryRef::alone(repository)).await?;
        Ok(tags.names.len() as u64 + tags.invalid_count)
    }

    /// The registry's kind and how it was recognised; none before the first answer to a ping.
    pub fn kind(&self) -> Option<(RegistryKind, &'static str)> {
        self.client.authorized().kind_and_why()
    }

    /// A text of the server without the secrets that it was sent, safe to print.
    pub fn shown(&self, text: &str) -> String {
        self.client.authorized().transport.sent.shown(text)
    }

    /// All requests and answers so far, in order.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.recorder.exchanges()
    }
}
