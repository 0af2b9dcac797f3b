//! What the protocol needs to know about one registry. The configuration translates into this.

pub(crate) mod kind;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::address::AddressRange;
use crate::login::auth::Auth;
use crate::login::client_certificate::ClientCertificate;
use crate::settings::kind::RegistryKind;

/// One registry, as the protocol sees it.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The configured name; stands in errors and logs.
    pub name: Arc<str>,
    /// `http` or `https`, a host, perhaps a port and a path prefix; no query, fragment or user information.
    pub url: Url,
    /// What software it is, where that is known; none: its first answer tells, or nothing does.
    pub kind: Option<RegistryKind>,
    /// How to log in.
    pub auth: Auth,
    /// Scopes to ask for on the catalog, each one `repository:NAME:ACTIONS`-like; empty: the scope ladder decides.
    pub scope: Vec<String>,
    /// The service to name to the token endpoint; normally the challenge's.
    pub service: Option<String>,
    /// Repositories per page to ask for.
    pub page_size: NonZeroU32,
    /// Most requests in flight to this registry.
    pub concurrency: NonZeroUsize,
    /// Most requests to begin in a second, token requests included; none: as many as `concurrency` allows.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether one catalog may be walked on several connections.
    pub split: Split,
    /// What to do about links that leave the catalog's path.
    pub pagination: Pagination,
    /// Further hosts (`host` or `host:port`) that credentials may be sent to for a token.
    pub realm_hosts: Vec<String>,
    /// Hosts that the registry may send us to though they are not on the public internet.
    pub allow_hosts: Vec<AllowedHost>,
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to accept any certificate.
    pub insecure_tls: bool,
    /// What to show a server that asks who we are.
    pub client_certificate: Option<ClientCertificate>,
    /// Bound on one request, from sending to the end of its body.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// A URL of the API, below the registry's own path prefix.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// The defaults: the token flow without a login, pages of 1000, 16 requests in flight, 30 s for each.
    ///
    /// # Panics
    /// Never: the defaults are not zero.
    pub fn new(name: impl Into<Arc<str>>, url: Url) -> Self {
        Self {
            name: name.into(),
            url,
            kind: None,
            auth: Auth::Token(None),
            scope: Vec::new(),
            service: None,
            page_size: NonZeroU32::new(1000).expect("is not zero"),
            concurrency: NonZeroUsize::new(16).expect("is not zero"),
            requests_per_second: None,
            split: Split::default(),
            pagination: Pagination::default(),
            realm_hosts: Vec::new(),
            allow_hosts: Vec::new(),
            ca_file: None,
            insecure_tls: false,
            client_certificate: None,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A host that a server may send us to wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// `host` for any port, or `host:port`, as a URL has it.
    Host(String),
    /// Whatever its name.
    Network(AddressRange),
}

/// Whether one catalog may be walked on several connections, each over a range of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Where names are ordered, `last=` takes any name, and latency, not the server's work, is what a page costs.
    #[default]
    Auto,
    /// Where names are ordered and `last=` takes any name, whatever a page costs; for tests, and for those who know better.
    Always,
    /// Never.
    Off,
}

/// What to do about a link to the next page that stays on the registry's host but leaves the catalog's path, as a proxy
/// makes it that adds a path prefix and leaves links alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pagination {
    /// Repair where the registry's kind is known to need it, else strict.
    #[default]
    Auto,
    /// Follow it as it is; where it leads nowhere, the walk ends in an error.
    Strict,
    /// Take only its query, and ask the path that this page came from.
    Repair,
}
