//! The settings of one registry. Programs translate their configuration into them.

pub(crate) mod kind;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::address::AddressRange;
use crate::login::auth::Auth;
use crate::login::client_certificate::ClientCertificate;
use crate::settings::kind::{RegistryKind, USUAL};

/// The settings of one registry.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// The configured name, used in errors and logs.
    pub name: Arc<str>,
    /// `http` or `https`, a host, perhaps a port and a path prefix; no query, fragment or user information.
    pub url: Url,
    /// The software of the registry. None: the client finds it out by the host and the first answer, as far as they
    /// show it.
    pub kind: Option<RegistryKind>,
    /// How to log in.
    pub auth: Auth,
    /// Scopes to request for the catalog, such as `repository:NAME:ACTIONS`. Empty: the scope that the challenge names,
    /// then none.
    pub scope: Vec<String>,
    /// The service to name to the token endpoint. None: the service in the challenge.
    pub service: Option<String>,
    /// Repositories per page to request.
    pub page_size: NonZeroU32,
    /// Most requests in flight to this registry.
    pub concurrency: NonZeroUsize,
    /// Most requests that begin in a second, token requests included. None: no limit but `concurrency`.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether the catalog may be read on several connections.
    pub split: Split,
    /// What to do about links that leave the path of the catalog.
    pub pagination: Pagination,
    /// Further hosts (`host` or `host:port`) that credentials may be sent to for a token.
    pub realm_hosts: Vec<String>,
    /// Hosts that the registry may send the client to even if they are not on the public internet.
    pub allow_hosts: Vec<AllowedHost>,
    /// PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to accept any certificate of a server.
    pub insecure_tls: bool,
    /// The client certificate for servers that ask for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Time limit of one request, from sending to the end of the answer's body.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// Entries to ask for per page, where neither the caller nor the kind says otherwise.
    pub const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(USUAL.page_size).expect("is not zero");
    /// Requests in flight at once, where the caller does not say otherwise.
    pub const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");
    /// Longest time of one request, where the caller does not say otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// A URL of the API, below the registry's own path prefix.
    pub(crate) fn api(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// Settings with the defaults: the token flow without a login, pages of 1000 names, 16 requests in flight, 30 s for
    /// each.
    pub fn new(name: impl Into<Arc<str>>, url: Url) -> Self {
        Self {
            name: name.into(),
            url,
            kind: None,
            auth: Auth::Token(None),
            scope: Vec::new(),
            service: None,
            page_size: Self::PAGE_SIZE,
            concurrency: Self::CONCURRENCY,
            requests_per_second: None,
            split: Split::default(),
            pagination: Pagination::default(),
            realm_hosts: Vec::new(),
            allow_hosts: Vec::new(),
            ca_file: None,
            insecure_tls: false,
            client_certificate: None,
            timeout: Self::TIMEOUT,
        }
    }
}

/// A host that the registry may send the client to, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedHost {
    /// `host` for any port, or `host:port`, written as in a URL.
    Host(String),
    /// All addresses of this range, with any name.
    Network(AddressRange),
}

/// Whether one catalog may be read on several connections, each reading a range of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// If names are ordered, `last=` takes any name, and latency, not the server's work, is what a page costs.
    #[default]
    Auto,
    /// If names are ordered and `last=` takes any name, whatever a page costs. For tests, and for servers that are
    /// known to benefit.
    Always,
    /// Never.
    Off,
}

/// What to do about a link to the next page that stays on the registry's host but leaves the path of the catalog. A
/// proxy causes such links if it adds a path prefix and does not change links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pagination {
    /// `Repair` if the registry's kind is known to need it, otherwise `Strict`.
    #[default]
    Auto,
    /// Follow the link as it is. If there is nothing at its path, the walk ends with an error.
    Strict,
    /// Use only the query of the link, with the path of the page that has the link.
    Repair,
}
