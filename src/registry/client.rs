//! A registry's client: settings, transport and tokens under one cheap handle. It holds no state of a walk.

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;
use url::Url;

use super::cache::{TokenCache, TokenState};
use super::catalog::{self, Bounds};
use super::error::Step;
use super::realm::Realm;
use super::retry::RetryPolicy;
use super::transport::{Stats, Transport};
use super::{Auth, Cursor, Login, Page, RegistryError, Settings};

/// The client of one registry; cloned, it shares connections, tokens and counters.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) transport: Arc<Transport>,
    pub(super) tokens: TokenCache<Realm>,
    pub(super) bounds: Bounds,
}

impl Client {
    /// Reads `ca_file` and prepares the HTTP client; sends nothing.
    ///
    /// # Errors
    /// [`super::Fault::Tls`] if certificates cannot be read or none are known and the registry is https.
    pub fn new(settings: Settings) -> Result<Self, RegistryError> {
        Self::with(settings, RetryPolicy::default(), Bounds::default())
    }

    pub(super) fn with(settings: Settings, retry: RetryPolicy, bounds: Bounds) -> Result<Self, RegistryError> {
        let transport = Transport::new(&settings, retry).map_err(|problem| RegistryError::new(Step::Setup, problem))?;
        let transport = Arc::new(transport);
        let login = match &settings.auth {
            Auth::Token(login) => login.clone(),
            Auth::Basic(_) | Auth::Bearer(_) | Auth::None => None,
        };
        let realm = Realm::new(transport.clone(), settings.url.clone(), settings.realm_hosts.clone(), login);
        let tokens = TokenCache::new(realm);
        Ok(Self(Arc::new(Inner { settings, transport, tokens, bounds })))
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

    /// What has been sent and received so far, over all clones.
    pub fn stats(&self) -> Stats {
        self.0.transport.counters.read()
    }

    /// What it is made of, for an examination.
    pub(super) fn inner(&self) -> &Inner {
        &self.0
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

    /// The user name and password, where some are configured.
    pub(super) fn login(&self) -> Option<&Login> {
        match &self.settings.auth {
            Auth::Token(login) => login.as_ref(),
            Auth::Basic(login) => Some(login),
            Auth::Bearer(_) | Auth::None => None,
        }
    }
}
