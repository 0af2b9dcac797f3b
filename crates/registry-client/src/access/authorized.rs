//! A client of one registry that knows how to log in.

use std::sync::{Arc, OnceLock};

use hyper::header::HeaderMap;
use tracing::info;
use url::Url;

use crate::access::kind_of_ping::kind_of_ping;
use crate::access::ping_answer::Ping;
use crate::concurrency::prove_first::ProveFirst;
use crate::http::transport::Transport;
use crate::http::written_url::resolve;
use crate::login::credentials::{Credentials, LoginKind};
use crate::settings::kind::RegistryKind;
use crate::settings::{Pagination, RegistrySettings};
use crate::token::cache::TokenCache;
use crate::token::challenge::Challenge;
use crate::token::realm::Realm;

/// One registry, how to log in to it, and what its first answers showed.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) settings: RegistrySettings,
    pub(crate) transport: Arc<Transport>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) tokens: TokenCache<Realm>,
    /// The kind of login; set when it has been looked up.
    pub(crate) login_kind: OnceLock<LoginKind>,
    pub(crate) ping: Ping,
    /// Whether a request with the configured password or token has succeeded. Until then, requests with it go one at a
    /// time.
    pub(crate) proof: ProveFirst,
    /// The kind and how it was recognised; set by the first answer to a ping.
    kind: OnceLock<Option<(RegistryKind, &'static str)>>,
    /// Whether the log says which kind was found.
    announces_kind: bool,
}

impl Authorized {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(settings: RegistrySettings, transport: Arc<Transport>, announces_kind: bool) -> Self {
        let credentials = Arc::new(Credentials::new(settings.auth.clone(), settings.url.clone()));
        let (url, realm_hosts) = (settings.url.clone(), settings.realm_hosts.clone());
        let tokens = TokenCache::new(Realm::new(transport.clone(), url, realm_hosts, credentials.clone()));
        let (login_kind, ping, proof, kind) = Default::default();
        Self { settings, transport, credentials, tokens, login_kind, ping, proof, kind, announces_kind }
    }

    /// A URL of the registry's API, below its own path prefix.
    pub(crate) fn api(&self, path: &str) -> Url {
        self.settings.api(path)
    }

    /// Whether a request with the configured password or token has succeeded.
    pub(crate) fn is_proven(&self) -> bool {
        self.proof.is_proven()
    }

    /// Sets the kind: the configured one, else the kind that the host or this answer to a ping shows. Only the first
    /// answer is used.
    pub(crate) fn recognise(&self, headers: &HeaderMap, body: &[u8], challenges: &[Challenge]) {
        let found = || {
            if let Some(kind) = self.settings.kind {
                return Some((kind, "the configuration says so"));
            }
            let by_host = RegistryKind::of_url(&self.settings.url).map(|kind| (kind, "its host is well known"));
            by_host.or_else(|| kind_of_ping(headers, body, challenges))
        };
        let (mut is_first, is_configured) = (false, self.settings.kind.is_some());
        let found = self.kind.get_or_init(|| {
            is_first = true;
            found()
        });
        if let Some((kind, why)) = found.filter(|_| is_first && !is_configured && self.announces_kind) {
            info!(registry = %self.settings.name, %kind, "kind: {kind}, because {why}");
        }
    }

    /// The kind, as far as it is known.
    pub(crate) fn kind(&self) -> Option<RegistryKind> {
        self.kind_and_why().map(|(kind, _)| kind).or(self.settings.kind)
    }

    /// The kind and how it was recognised; none before the first answer to a ping.
    pub(crate) fn kind_and_why(&self) -> Option<(RegistryKind, &'static str)> {
        self.kind.get().copied().flatten()
    }

    /// The kind of login; `None` before the ping.
    pub(crate) fn login_kind(&self) -> LoginKind {
        self.login_kind.get().copied().unwrap_or(LoginKind::None)
    }

    /// Whether a link that leaves the path of its page is changed to that path.
    pub(crate) fn repairs_links(&self) -> bool {
        match self.settings.pagination {
            Pagination::Strict => false,
            Pagination::Repair => true,
            Pagination::Auto => self.kind().is_some_and(|kind| kind.habits().breaks_links),
        }
    }

    /// The URL of the token service that a challenge names, and the service to name there.
    pub(crate) fn realm(&self, bearer: &Challenge, asked: &Url) -> Option<(Url, Option<String>)> {
        let realm = resolve(asked, bearer.param("realm")?.as_bytes()).ok()?;
        let service = self.settings.service.clone();
        Some((realm, service.or_else(|| bearer.param("service").map(str::to_owned))))
    }
}
