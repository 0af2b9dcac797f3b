//! A registry's client: settings, transport and tokens under one cheap handle. It holds no state of a walk.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::info;
use url::Url;

use super::cache::{TokenCache, TokenState};
use super::catalog;
use super::challenge::Challenge;
use super::circle::Bounds;
use super::credentials::{Credentials, LoginKind};
use super::error::Step;
use super::heads::Heads;
use super::ping::Ping;
use super::realm::Realm;
use super::repository::Repositories;
use super::retry::RetryPolicy;
use super::stats::Stats;
use super::tags::PageSize;
use super::transport::Transport;
use super::{Cursor, Kind, Meter, Page, Pagination, RegistryError, Settings, Slowed, Unmetered};

/// The client of one registry; cloned, it shares connections, tokens and counters.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

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

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) transport: Arc<Transport>,
    pub(super) credentials: Arc<Credentials>,
    /// How it logs in, once that has been looked up.
    pub(super) login_kind: OnceLock<LoginKind>,
    pub(super) tokens: TokenCache<Realm>,
    pub(super) bounds: Bounds,
    pub(super) ping: Ping,
    pub(super) repositories: Repositories,
    /// Which page size for tags the registry takes.
    pub(super) tag_pages: PageSize,
    /// Whether the configured password or token has been good for anything.
    pub(super) proven: AtomicBool,
    /// Held by whoever sends it before that.
    pub(super) unproven: Arc<Mutex<()>>,
    /// What HEAD is good for here.
    pub(super) heads: Heads,
    /// The kind, once a ping was answered.
    kind: OnceLock<Option<(Kind, &'static str)>>,
}

impl Client {
    /// Reads certificates and prepares the HTTP client; sends nothing.
    ///
    /// # Errors
    /// [`super::Fault::Tls`] if certificates cannot be read or none are known and the registry is https.
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

    pub(super) fn with(settings: Settings, retry: RetryPolicy, bounds: Bounds) -> Result<Self, RegistryError> {
        Self::build(settings, retry, bounds, Arc::new(Unmetered))
    }

    pub(super) fn build(
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
        catalog::pages(self.0.clone(), from.cloned())
    }

    /// Renews tokens in use ahead of their end, until stopped, so that no request waits for one. A catalog's stream does
    /// so by itself; whoever reads repositories runs this beside them until the last one has been read, in a task of its
    /// own. Without it all is still right: a token that has died is fetched again by the next request.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        self.0.tokens.keep_fresh(stop).await;
    }

    pub(super) fn inner(&self) -> &Inner {
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
    /// [`super::Fault::SecretUnreadable`].
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

impl Inner {
    /// A URL of the API, below the registry's own path prefix.
    pub(super) fn api(&self, path: &str) -> Url {
        let mut url = self.settings.url.clone();
        url.set_path(&format!("{}{path}", self.settings.url.path().trim_end_matches('/')));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// The kind: as configured, else as the address or this answer to a ping tells it. The first answer counts.
    pub(super) fn recognise(&self, headers: &HeaderMap, body: &[u8], challenges: &[Challenge]) {
        let found = || {
            if let Some(kind) = self.settings.kind {
                return Some((kind, "the configuration says so"));
            }
            let by_host = Kind::of_url(&self.settings.url).map(|kind| (kind, "everybody knows its host"));
            by_host.or_else(|| Kind::of_ping(headers, body, challenges))
        };
        let (mut is_first, told) = (false, self.settings.kind.is_some());
        let found = self.kind.get_or_init(|| {
            is_first = true;
            found()
        });
        // Whoever examines the registry tells it among other facts.
        if let Some((kind, why)) = found.filter(|_| is_first && !told && self.transport.tape.get().is_none()) {
            info!(registry = %self.settings.name, %kind, "kind: {kind}, because {why}");
        }
    }

    /// The kind, as far as it is known.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind_and_why().map(|(kind, _)| kind).or(self.settings.kind)
    }

    /// The kind and how it is known, once a ping was answered.
    pub(super) fn kind_and_why(&self) -> Option<(Kind, &'static str)> {
        self.kind.get().copied().flatten()
    }

    /// How the client logs in; not at all before the ping.
    pub(super) fn login_kind(&self) -> LoginKind {
        self.login_kind.get().copied().unwrap_or(LoginKind::None)
    }

    /// Whether links that leave the path of their page are led back to it.
    pub(super) fn repairs_links(&self) -> bool {
        match self.settings.pagination {
            Pagination::Strict => false,
            Pagination::Repair => true,
            Pagination::Auto => self.kind().is_some_and(|kind| kind.habits().breaks_links),
        }
    }
}
