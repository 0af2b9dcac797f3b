//! All that can go wrong, in one vocabulary: errors, their kinds, known causes, and remedies.

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod cause;
pub(crate) mod certificate;
pub(crate) mod chain;
pub(crate) mod content;
pub(crate) mod error;
pub(crate) mod exposed;
pub(crate) mod fault;
pub(crate) mod link;
pub(crate) mod login_cause;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod proxy;
pub(crate) mod proxy_cause;
pub(crate) mod secret;
pub(crate) mod table;
pub(crate) mod tls;
pub(crate) mod tls_cause;
pub(crate) mod token;
pub(crate) mod token_service_cause;
pub(crate) mod tries;

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::error::Category;

use crate::problem::address::ForbiddenHost;
use crate::problem::body::BodyError;
use crate::problem::cause::KnownCause;
use crate::problem::certificate::{CertificatesError, ClientCertificateError};
use crate::problem::content::{ContentFlaw, UnsupportedContent};
use crate::problem::link::LinkError;
use crate::problem::network::{NetworkProblem, Peer};
use crate::problem::origin::UntrustedRealm;
use crate::problem::proxy::{ProxyRefusal, UnusableProxy};
use crate::problem::secret::SecretError;
use crate::problem::tls::{TlsFlaw, TlsProblem};
use crate::problem::token::NoToken;

/// The problem, as the step met it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("the credentials were refused: {reply}")]
    Rejected { reply: ErrorAnswer, cause: Option<KnownCause> },
    #[error("the secret cannot be read")]
    Secret(#[source] SecretError),
    #[error("the secret has characters that no header can carry")]
    BadSecret,
    #[error("access denied: {reply}")]
    Denied { reply: ErrorAnswer, cause: Option<KnownCause> },
    #[error("the token endpoint accepts none of the scopes {tried}: {reply}")]
    Scope { reply: ErrorAnswer, tried: String },
    #[error("the scopes do not fit one token request")]
    TooManyScopes,
    #[error("the registry does not offer this: {0}")]
    Unsupported(ErrorAnswer),
    #[error("it does not exist, or this login may not see it: {0}")]
    Absent(ErrorAnswer),
    #[error("the registry keeps answering {0}")]
    RateLimited(ErrorAnswer),
    #[error("the server keeps failing: {0}")]
    ServerError(ErrorAnswer),
    #[error("unexpected answer: {0}")]
    Unexpected(ErrorAnswer),
    #[error("{0}")]
    Network(Box<NetworkProblem>),
    #[error("{0}")]
    Tls(Box<TlsProblem>),
    #[error("{0}")]
    Proxy(Box<ProxyRefusal>),
    #[error(transparent)]
    ProxySetting(UnusableProxy),
    #[error("the address at {0} is too long, or has a character that no request can carry")]
    BadUrl(String),
    #[error("the certificates of `ca_file` cannot be used")]
    CaFile(#[source] CertificatesError),
    #[error("the client certificate cannot be used")]
    ClientCertificate(#[source] ClientCertificateError),
    #[error("this machine has no certificates of authorities, and `ca_file` is not set")]
    NoRoots,
    #[error("TLS cannot be set up")]
    TlsSetup(#[source] rustls::Error),
    #[error("the answer cannot be read")]
    Body(#[source] BodyError),
    #[error("the answer is not a list of names: {}", no_list(.0))]
    Json(serde_json::Error),
    #[error("the answer is not in the format of this API: {0}")]
    Listing(String),
    #[error("the next page cannot be followed")]
    Link(#[source] LinkError),
    #[error("the answer of the token service {url} has no token")]
    NoToken {
        url: String,
        #[source]
        source: NoToken,
    },
    #[error("the token service {url} answers {reply}")]
    TokenService { url: String, reply: ErrorAnswer },
    #[error("the token service {url} redirects to {to}")]
    TokenRedirect { url: String, to: String },
    #[error("tokens expire before the registry accepts them, {lifetime:?} after they were received: {reply}")]
    ShortLived { reply: ErrorAnswer, lifetime: Duration },
    #[error("the challenge names no realm")]
    NoRealm,
    #[error("no token may be requested from {url}")]
    Realm {
        /// Origin and path.
        url: String,
        /// Host and port, as `realm_hosts` has them.
        host: String,
        /// Whether it is the registry's own host.
        is_own: bool,
        #[source]
        source: UntrustedRealm,
    },
    #[error("redirected to {to}")]
    Redirect {
        /// Origin and path.
        to: String,
        /// Whether it leads from https to http.
        downgrades: bool,
    },
    #[error("redirected to {url}, which is a page for people")]
    PageForPeople { url: String },
    #[error(transparent)]
    Forbidden(ForbiddenHost),
    #[error("redirected too often")]
    Redirects,
    #[error("the link to the next page leads to a page that was fetched before")]
    SeenUrl,
    #[error("the page has the same names as an earlier page")]
    SeenPage,
    #[error("more than {0} pages")]
    TooManyPages(u64),
    #[error("more than {0} names")]
    TooManyNames(u64),
    #[error("the page lists more than {0} names, 25 times the largest page size")]
    TooManyOnPage(usize),
    #[error(
        "the list may be incomplete: its page is full and has no link to the next, and further requests return nothing new"
    )]
    NoWayOn,
    #[error("its layers and entries, with those of all manifests being read, are more than the {0} that fit in memory")]
    TooMuch(usize),
    #[error("`{0}` cannot be requested: it breaks the grammar of the specification")]
    BadName(String),
    #[error("it no longer exists: {0}")]
    Gone(ErrorAnswer),
    #[error("the answer does not come from a registry, since it has no error code of one: {0}")]
    NotTheRegistry(ErrorAnswer),
    #[error("the content is corrupt")]
    Corrupt(#[source] ContentFlaw),
    #[error("the content is of a kind that is not supported")]
    UnsupportedContent(#[source] UnsupportedContent),
    #[error("the storage behind the registry, {host}, answers {reply}")]
    Storage { host: String, reply: ErrorAnswer },
    #[error("{host}, to which the registry redirects, answers {reply}")]
    Elsewhere { host: String, reply: ErrorAnswer },
}

/// Why a text is no list of names. Serde's own text may repeat a part of it.
fn no_list(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof | Category::Io => "its JSON ends too early",
        Category::Syntax => "it is not JSON",
        Category::Data => "its JSON has another structure",
    };
    format!("{what}, line {}, column {}", error.line(), error.column())
}

impl Problem {
    /// The same with the names of hosts as `shown` writes them. A server chooses the host that it redirects to, and may
    /// put a secret that it was sent into the name.
    pub(crate) fn with_hosts(mut self, shown: impl Fn(&str) -> String) -> Self {
        let of_peer = |peer: &mut Peer| {
            if let Peer::Server(address) = peer {
                *address = shown(address);
            }
        };
        match &mut self {
            Self::Network(problem) => of_peer(&mut problem.peer),
            Self::Tls(problem) => {
                of_peer(&mut problem.peer);
                if let TlsFlaw::WrongName { host, .. } = &mut problem.flaw {
                    *host = shown(host);
                }
            }
            Self::Proxy(refusal) => refusal.target = shown(&refusal.target),
            Self::BadUrl(place) => *place = shown(place),
            _ => {}
        }
        self
    }

    /// The problem after so many tries in this time.
    pub(crate) fn tried(self, tries: u32, over: Duration) -> Self {
        match self {
            Self::Network(mut problem) if tries > 1 => {
                problem.tries = Some((tries, over));
                Self::Network(problem)
            }
            Self::Proxy(mut refusal) if tries > 1 => {
                refusal.tries = Some((tries, over));
                Self::Proxy(refusal)
            }
            problem => problem,
        }
    }

    /// The problem that an unexpected status means at any step.
    pub(crate) fn of_status(reply: ErrorAnswer) -> Self {
        match reply.status {
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited(reply),
            status if status.is_server_error() => Self::ServerError(reply),
            _ => Self::Unexpected(reply),
        }
    }
}

/// The error answer of a server: its status and its text, escaped, cut, and without the secrets that it was sent.
#[derive(Debug)]
pub(crate) struct ErrorAnswer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " `{}`", self.text) }
    }
}
