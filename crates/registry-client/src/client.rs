//! The client of one registry: settings, transport and tokens in one handle that is cheap to clone. It holds no state
//! of a walk.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use crate::access::authorized::Authorized;
use crate::api::{Api, ApiSettings};
use crate::contents::contents_trait::Contents;
use crate::contents::reader::RepositoryReader;
use crate::http::observer::Observer;
use crate::http::retry::RetryPolicy;
use crate::http::slowed::RateLimitSeen;
use crate::http::stats::Stats;
use crate::http::transport::Transport;
use crate::model::manifest::{Descriptor, ImageConfig, Manifest, Resolved};
use crate::model::page::{Cursor, Page};
use crate::model::place::RepositoryRef;
use crate::model::tags::Tags;
use crate::paging::loop_guard::ListBounds;
use crate::problem::error::{RegistryError, Step};
use crate::settings::RegistrySettings;
use crate::token::cache::TokenState;

/// The client of one registry. Clones share connections, tokens and counters. [`Contents`] has the methods that read
/// repositories.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authorized: Arc<Authorized>,
    contents: RepositoryReader,
    bounds: ListBounds,
}

/// Whether a client's credentials have been accepted.
#[derive(Clone, Debug)]
pub enum LoginStatus {
    /// They have not been needed.
    Untried,
    /// The registry or its token service has accepted them, or needs none.
    Accepted,
    /// They were refused.
    Refused(RegistryError),
}

impl Client {
    /// Reads certificates and prepares the HTTP client; sends nothing.
    ///
    /// # Errors
    /// [`Fault::Tls`](crate::Fault::Tls) if certificates or a key cannot be read, or if no certificate authorities are
    /// known and the registry is https.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        Self::observed(settings, Arc::new(()))
    }

    /// Like [`Self::new`], with an observer of the client's requests and tokens.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn observed(settings: RegistrySettings, observer: Arc<dyn Observer>) -> Result<Self, RegistryError> {
        Self::build(settings, RetryPolicy::default(), ListBounds::default(), observer)
    }

    pub(crate) fn build(
        settings: RegistrySettings,
        retry: RetryPolicy,
        bounds: ListBounds,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RegistryError> {
        Self::assemble(settings, retry, bounds, observer, true)
    }

    /// A client for `check`, which reports the kind itself, so the log does not.
    pub(crate) fn examined(
        settings: RegistrySettings,
        retry: RetryPolicy,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, RegistryError> {
        Self::assemble(settings, retry, ListBounds::default(), observer, false)
    }

    fn assemble(
        settings: RegistrySettings,
        retry: RetryPolicy,
        bounds: ListBounds,
        observer: Arc<dyn Observer>,
        announces_kind: bool,
    ) -> Result<Self, RegistryError> {
        let transport = Transport::new(&settings, retry, observer);
        let transport = transport.map_err(|problem| RegistryError::new(Step::Setup, problem))?;
        let authorized = Arc::new(Authorized::new(settings, Arc::new(transport), announces_kind));
        let contents = RepositoryReader::new(authorized.clone());
        Ok(Self(Arc::new(Inner { authorized, contents, bounds })))
    }

    /// All pages of the catalog in the server's order, or those after `from`. The stream ends after the last page or
    /// the first error. While the caller uses a page, the next one is fetched, and no further one. The stream starts
    /// when it is first polled, within a tokio runtime; dropping it stops the requests.
    ///
    /// # Errors
    /// The first error of any kind: [`Fault::Unsupported`](crate::Fault::Unsupported) if the registry has no catalog,
    /// [`Fault::Denied`](crate::Fault::Denied) if the login may not list it, [`Fault::Endless`](crate::Fault::Endless)
    /// if the list repeats itself, and any other.
    pub fn catalog(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        crate::catalog::walk::pages(self.0.authorized.clone(), self.0.bounds, from.cloned())
    }

    /// Renews the tokens in use before they expire, until `stop` is cancelled, so that no request waits for a token.
    /// The stream of [`Self::catalog`] does this itself. A caller that reads repositories runs this in a task of its
    /// own until the last one has been read. Without it, a token that has expired is fetched again by the next request.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        self.0.authorized.tokens.keep_fresh(stop).await;
    }

    /// An API of this registry. Sends nothing. `needs` says what its login needs, for messages, as in `a token with …`.
    pub fn api(&self, settings: ApiSettings, needs: &'static str) -> Api {
        Api::new(self.0.authorized.clone(), self.0.bounds, settings, needs)
    }

    pub(crate) fn authorized(&self) -> &Authorized {
        &self.0.authorized
    }

    /// What has been sent and received so far, over all clones.
    pub fn stats(&self) -> Stats {
        self.0.authorized.transport.counters.read()
    }

    /// The rate limits that requests met so far, one for each endpoint.
    pub fn slowed(&self) -> Vec<RateLimitSeen> {
        self.0.authorized.transport.slowed()
    }

    /// Whether the credentials have been accepted so far.
    pub fn standing(&self) -> LoginStatus {
        let tokens = self.0.authorized.tokens.source();
        match tokens.rejected() {
            Some(refusal) => LoginStatus::Refused(refusal.clone()),
            None if self.0.authorized.is_proven() || tokens.is_proven() => LoginStatus::Accepted,
            None => LoginStatus::Untried,
        }
    }

    /// A fingerprint of the secret that was sent last: 32 bytes that cannot be turned back into it. None if none was
    /// sent. `salt` must be the same for fingerprints that are compared.
    pub async fn fingerprint_sent(&self, salt: &[u8]) -> Option<[u8; 32]> {
        self.0.authorized.credentials.fingerprint_sent(salt).await
    }

    /// The fingerprint of the secret that is configured now, which is read for it. None for anonymous callers.
    ///
    /// # Errors
    /// [`Fault::SecretUnreadable`](crate::Fault::SecretUnreadable) if the secret cannot be read.
    pub async fn fingerprint(&self, salt: &[u8]) -> Result<Option<[u8; 32]>, RegistryError> {
        self.0
            .authorized
            .credentials
            .fingerprint(salt)
            .await
            .map_err(|problem| RegistryError::new(Step::Token, problem))
    }

    /// Whether the registry is known to have accounts: it asked for a login, or a token was requested.
    pub fn has_accounts(&self) -> bool {
        self.0.authorized.ping.wants_login() || self.stats().token_requests > 0
    }

    /// The state of the tokens.
    pub fn token(&self) -> TokenState {
        if self.0.authorized.tokens.source().rejected().is_some() {
            TokenState::Rejected
        } else {
            self.0.authorized.tokens.state()
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("registry", &self.0.authorized.settings.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Contents for Client {
    async fn tags(&self, place: &RepositoryRef) -> Result<Tags, RegistryError> {
        self.0.contents.tags(place).await
    }

    async fn resolve(&self, place: &RepositoryRef, tag: &str) -> Result<Resolved, RegistryError> {
        self.0.contents.resolve(place, tag).await
    }

    async fn manifest(&self, place: &RepositoryRef, reference: &str) -> Result<Manifest, RegistryError> {
        self.0.contents.manifest(place, reference).await
    }

    async fn config(&self, place: &RepositoryRef, config: &Descriptor) -> Result<ImageConfig, RegistryError> {
        self.0.contents.config(place, config).await
    }
}
