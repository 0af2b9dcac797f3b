//! A registry's client: settings, transport and tokens under one cheap handle. It holds no state of a walk.

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

/// The client of one registry; cloned, it shares connections, tokens and counters.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authorized: Arc<Authorized>,
    contents: RepositoryReader,
    bounds: ListBounds,
}

/// What became of a client's credentials.
#[derive(Clone, Debug)]
pub enum LoginStatus {
    /// They were not needed so far.
    Untried,
    /// The registry or its token service has taken them, or needs none.
    Accepted,
    /// They were refused.
    Refused(RegistryError),
}

impl Client {
    /// Reads certificates and prepares the HTTP client; sends nothing.
    ///
    /// # Errors
    /// [`Fault::Tls`](crate::problem::fault::Fault::Tls) if certificates cannot be read, or if none are known and the registry is https.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        Self::observed(settings, Arc::new(()))
    }

    /// The same, with an observer of its requests and tokens.
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

    /// A client for `check`, which tells the kind among other facts: the log does not.
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

    /// Every page of the catalog once, in the server's order, or those after `from`; ends after the last page or the first error. While a
    /// page is looked at, the next one is fetched, and no further; dropped, the stream stops fetching. It begins when
    /// it is first polled, within a tokio runtime.
    ///
    /// # Errors
    /// Each names its step, its kind and a remedy.
    pub fn catalog(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        crate::catalog::walk::pages(self.0.authorized.clone(), self.0.bounds, from.cloned())
    }

    /// Renews tokens in use ahead of their end, until stopped, so that no request waits for one. A catalog's stream does
    /// so by itself; whoever reads repositories runs this beside them until the last one has been read, in a task of its
    /// own. Without it all is still right: a token that has died is fetched again by the next request.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        self.0.authorized.tokens.keep_fresh(stop).await;
    }

    /// An API of this registry; sends nothing. `needs` says what its login must be, for messages: `a token with …`.
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

    /// The limits on requests that were met so far.
    pub fn slowed(&self) -> Vec<RateLimitSeen> {
        self.0.authorized.transport.slowed()
    }

    /// What became of the credentials so far.
    pub fn standing(&self) -> LoginStatus {
        let tokens = self.0.authorized.tokens.source();
        match tokens.rejected() {
            Some(refusal) => LoginStatus::Refused(refusal.clone()),
            None if self.0.authorized.is_proven() || tokens.is_proven() => LoginStatus::Accepted,
            None => LoginStatus::Untried,
        }
    }

    /// What tells another secret from the one that was sent: 32 bytes that cannot be turned back into it. None if none was.
    pub async fn fingerprint_sent(&self, salt: &[u8]) -> Option<[u8; 32]> {
        self.0.authorized.credentials.fingerprint_sent(salt).await
    }

    /// The same of the secret that there is now, which is read for it; none for anonymous callers.
    ///
    /// # Errors
    /// [`crate::problem::fault::Fault::SecretUnreadable`].
    pub async fn fingerprint(&self, salt: &[u8]) -> Result<Option<[u8; 32]>, RegistryError> {
        self.0
            .authorized
            .credentials
            .fingerprint(salt)
            .await
            .map_err(|problem| RegistryError::new(Step::Token, problem))
    }

    /// Whether the registry is known to have accounts: it asked for a login, or a token was asked for.
    pub fn has_accounts(&self) -> bool {
        self.0.authorized.ping.wants_login() || self.stats().token_requests > 0
    }

    /// How the tokens stand.
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
