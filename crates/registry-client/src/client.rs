//! A registry's client: settings, transport and tokens under one cheap handle. It holds no state of a walk.

use crate::access::authorized::Inner;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;

use crate::access::ping::Ping;
use crate::access::repository::Repositories;
use crate::contents::heads::Heads;
use crate::contents::tags::PageSize;
use crate::http::observer::{Meter, Unmetered};
use crate::http::retry::RetryPolicy;
use crate::http::slowed::Slowed;
use crate::http::stats::Stats;
use crate::http::transport::Transport;
use crate::login::credentials::Credentials;
use crate::model::page::{Cursor, Page};
use crate::paging::circle::Bounds;
use crate::problem::error::RegistryError;
use crate::problem::error::Step;
use crate::settings::Settings;
use crate::token::cache::{TokenCache, TokenState};
use crate::token::realm::Realm;

/// The client of one registry; cloned, it shares connections, tokens and counters.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

/// What became of a client's credentials.
#[derive(Clone, Debug)]
pub enum Standing {
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
    /// [`crate::problem::fault::Fault::Tls`] if certificates cannot be read or none are known and the registry is https.
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
        Self::metered(settings, Arc::new(Unmetered))
    }

    /// The same, with somebody who counts what it does.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn metered(settings: Settings, meter: Arc<dyn Meter>) -> Result<Self, RegistryError> {
        Self::build(settings, RetryPolicy::default(), Bounds::default(), meter)
    }

    pub(crate) fn with(settings: Settings, retry: RetryPolicy, bounds: Bounds) -> Result<Self, RegistryError> {
        Self::build(settings, retry, bounds, Arc::new(Unmetered))
    }

    pub(crate) fn build(
        settings: Settings,
        retry: RetryPolicy,
        bounds: Bounds,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, RegistryError> {
        let transport =
            Transport::new(&settings, retry, meter).map_err(|problem| RegistryError::new(Step::Setup, problem))?;
        let transport = Arc::new(transport);
        let credentials = Arc::new(Credentials::new(&settings));
        let (url, realm_hosts) = (settings.url.clone(), settings.realm_hosts.clone());
        let tokens = TokenCache::new(Realm::new(transport.clone(), url, realm_hosts, credentials.clone()));
        let tag_pages = PageSize::new(settings.page_size.get());
        Ok(Self(Arc::new(Inner {
            settings,
            transport,
            credentials,
            login_kind: OnceLock::new(),
            tokens,
            bounds,
            kind: OnceLock::new(),
            ping: Ping::default(),
            repositories: Repositories::default(),
            tag_pages,
            proven: AtomicBool::new(false),
            unproven: Arc::default(),
            heads: Heads::default(),
        })))
    }

    /// Every page of the catalog once, in the server's order, or those after `from`; ends after the last page or the first error. While a
    /// page is looked at, the next one is fetched, and no further; dropped, the stream stops fetching. It begins when
    /// it is first polled, within a tokio runtime.
    ///
    /// # Errors
    /// Each names its step, its kind and a remedy.
    pub fn catalog(&self, from: Option<&Cursor>) -> BoxStream<'_, Result<Page, RegistryError>> {
        crate::catalog::walk::pages(self.0.clone(), from.cloned())
    }

    /// Renews tokens in use ahead of their end, until stopped, so that no request waits for one. A catalog's stream does
    /// so by itself; whoever reads repositories runs this beside them until the last one has been read, in a task of its
    /// own. Without it all is still right: a token that has died is fetched again by the next request.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        self.0.tokens.keep_fresh(stop).await;
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// What has been sent and received so far, over all clones.
    pub fn stats(&self) -> Stats {
        self.0.transport.counters.read()
    }

    /// The limits on requests that were met so far.
    pub fn slowed(&self) -> Vec<Slowed> {
        self.0.transport.slowed()
    }

    /// What became of the credentials so far.
    pub fn standing(&self) -> Standing {
        let tokens = self.0.tokens.source();
        match tokens.rejected() {
            Some(refusal) => Standing::Refused(refusal.clone()),
            None if self.0.is_proven() || tokens.is_proven() => Standing::Accepted,
            None => Standing::Untried,
        }
    }

    /// What tells another secret from the one that was sent: 32 bytes that cannot be turned back into it. None if none was.
    pub async fn fingerprint_sent(&self, salt: &[u8]) -> Option<[u8; 32]> {
        self.0.credentials.fingerprint_sent(salt).await
    }

    /// The same of the secret that there is now, which is read for it; none for anonymous callers.
    ///
    /// # Errors
    /// [`crate::problem::fault::Fault::SecretUnreadable`].
    pub async fn fingerprint(&self, salt: &[u8]) -> Result<Option<[u8; 32]>, RegistryError> {
        self.0.credentials.fingerprint(salt).await.map_err(|problem| RegistryError::new(Step::Token, problem))
    }

    /// Whether the registry is known to have accounts: it asked for a login, or a token was asked for.
    pub fn has_accounts(&self) -> bool {
        self.0.ping.wants_login() || self.stats().token_requests > 0
    }

    /// How the tokens stand.
    pub fn token(&self) -> TokenState {
        if self.0.tokens.source().rejected().is_some() { TokenState::Rejected } else { self.0.tokens.state() }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("registry", &self.0.settings.name).finish_non_exhaustive()
    }
}
