//! A client of one registry that knows how to log in.

use crate::access::ping::Ping;
use crate::access::repository::Repositories;
use crate::contents::heads::Heads;
use crate::contents::tags::PageSize;
use crate::http::transport::Transport;
use crate::login::credentials::Credentials;
use crate::login::credentials::LoginKind;
use crate::paging::circle::Bounds;
use crate::settings::Pagination;
use crate::settings::Settings;
use crate::settings::kind::Kind;
use crate::token::cache::TokenCache;
use crate::token::challenge::Challenge;
use crate::token::realm::Realm;
use reqwest::header::HeaderMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use tokio::sync::Mutex;
use tracing::info;
use url::Url;

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) transport: Arc<Transport>,
    pub(crate) credentials: Arc<Credentials>,
    /// How it logs in, once that has been looked up.
    pub(crate) login_kind: OnceLock<LoginKind>,
    pub(crate) tokens: TokenCache<Realm>,
    pub(crate) bounds: Bounds,
    pub(crate) ping: Ping,
    pub(crate) repositories: Repositories,
    /// Which page size for tags the registry takes.
    pub(crate) tag_pages: PageSize,
    /// Whether the configured password or token has been good for anything.
    pub(crate) proven: AtomicBool,
    /// Held by whoever sends it before that.
    pub(crate) unproven: Arc<Mutex<()>>,
    /// What HEAD is good for here.
    pub(crate) heads: Heads,
    /// The kind, once a ping was answered.
    pub(crate) kind: OnceLock<Option<(Kind, &'static str)>>,
}

impl Inner {
    /// A URL of the API, below the registry's own path prefix.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.settings.url.clone();
        url.set_path(&format!("{}{path}", self.settings.url.path().trim_end_matches('/')));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// The kind: as configured, else as the address or this answer to a ping tells it. The first answer counts.
    pub(crate) fn recognise(&self, headers: &HeaderMap, body: &[u8], challenges: &[Challenge]) {
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
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind_and_why().map(|(kind, _)| kind).or(self.settings.kind)
    }

    /// The kind and how it is known, once a ping was answered.
    pub(crate) fn kind_and_why(&self) -> Option<(Kind, &'static str)> {
        self.kind.get().copied().flatten()
    }

    /// How the client logs in; not at all before the ping.
    pub(crate) fn login_kind(&self) -> LoginKind {
        self.login_kind.get().copied().unwrap_or(LoginKind::None)
    }

    /// Whether links that leave the path of their page are led back to it.
    pub(crate) fn repairs_links(&self) -> bool {
        match self.settings.pagination {
            Pagination::Strict => false,
            Pagination::Repair => true,
            Pagination::Auto => self.kind().is_some_and(|kind| kind.habits().breaks_links),
        }
    }
}
