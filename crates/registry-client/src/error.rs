//! What went wrong with a registry: at which step, of which kind, and what the operator can do. It decides nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;

use super::body::BodyError;
use super::content::{Flaw, Foreign};
use super::diagnosis::{Hint, remedy};
use super::link::LinkError;
use super::origin::Distrust;
use super::reach::Forbidden;
use super::token::NoToken;
use super::{CertificatesError, ClientCertificateError, Endpoint, Fault, Resolved, SecretError};

/// A registry could not be read. Its text is one line with the step (`catalog page 17: …`); causes are its source.
#[derive(Clone)]
pub struct RegistryError(Arc<Inner>);

struct Inner {
    step: Step,
    problem: Problem,
    leads_to: Option<Resolved>,
}

/// What was being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Preparing the client: certificates.
    Setup,
    /// Asking `/v2/` how to log in.
    Ping,
    /// Asking for a token, or reading the secret for it.
    Token,
    /// Fetching a page of the catalog, counted from 1.
    Page(u64),
    /// Listing the tags of this repository.
    Tags(Arc<str>),
    /// Fetching or resolving a manifest: `repository:tag` or `repository@digest`.
    Manifest(Arc<str>),
    /// Fetching an image's configuration: `repository@digest`.
    Config(Arc<str>),
    /// Asking the registry's own API, in words: `projects of Harbor, page 3`.
    Api(Arc<str>),
}

impl Step {
    /// As whose its requests are counted.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Setup | Self::Ping => Endpoint::Ping,
            Self::Token => Endpoint::Token,
            Self::Page(_) => Endpoint::Catalog,
            Self::Tags(_) => Endpoint::Tags,
            Self::Manifest(_) => Endpoint::Manifest,
            Self::Config(_) => Endpoint::Blob,
            Self::Api(_) => Endpoint::Api,
        }
    }

    /// Whether it concerns one repository and none of the others.
    pub(super) fn is_of_one_repository(&self) -> bool {
        matches!(self, Self::Tags(_) | Self::Manifest(_) | Self::Config(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup => f.write_str("setup"),
            Self::Ping => f.write_str("ping"),
            Self::Token => f.write_str("token"),
            Self::Page(number) => write!(f, "catalog page {number}"),
            Self::Tags(repository) => write!(f, "tags of {repository}"),
            Self::Manifest(reference) => write!(f, "manifest {reference}"),
            Self::Config(reference) => write!(f, "configuration {reference}"),
            Self::Api(what) => f.write_str(what),
        }
    }
}

/// What a server answered: its status and what it said, escaped, cut, and free of what we had sent it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " `{}`", self.text) }
    }
}

/// The problem itself, as the step saw it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the credentials were refused: {said}")]
    Rejected { said: Said, hint: Option<Hint> },
    #[error("the secret cannot be read")]
    Secret(#[source] SecretError),
    #[error("the secret has characters that no header can carry")]
    BadSecret,
    #[error("access denied: {said}")]
    Denied { said: Said, hint: Option<Hint> },
    #[error("the token endpoint accepts none of the scopes {tried}: {said}")]
    Scope { said: Said, tried: String },
    #[error("the scopes do not fit one token request")]
    TooManyScopes,
    #[error("the registry does not offer this: {0}")]
    Unsupported(Said),
    #[error("it does not exist, or this login may not see it: {0}")]
    Absent(Said),
    #[error("the registry keeps answering {0}")]
    RateLimited(Said),
    #[error("the server keeps failing: {0}")]
    ServerError(Said),
    #[error("unexpected answer: {0}")]
    Unexpected(Said),
    #[error("no whole answer")]
    Broken(#[source] reqwest::Error),
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    #[error("no trusted TLS connection")]
    Tls(#[source] reqwest::Error),
    #[error("the certificates of `ca_file` cannot be used")]
    CaFile(#[source] CertificatesError),
    #[error("the client certificate cannot be used")]
    ClientCertificate(#[source] ClientCertificateError),
    #[error("no certificate authorities are known")]
    NoRoots,
    #[error("set up TLS")]
    TlsSetup(#[source] rustls::Error),
    #[error("set up HTTP")]
    HttpSetup(#[source] reqwest::Error),
    #[error("the answer cannot be read")]
    Body(#[source] BodyError),
    #[error("the answer is no list of names")]
    Json(#[source] serde_json::Error),
    #[error("the answer is not what this API gives: {0}")]
    Listing(String),
    #[error("the next page cannot be followed")]
    Link(#[source] LinkError),
    #[error("no token in the answer")]
    NoToken(#[source] NoToken),
    #[error("tokens die before the registry takes them, {lifetime:?} after they were received: {said}")]
    ShortLived { said: Said, lifetime: Duration },
    #[error("the challenge names no realm")]
    NoRealm,
    #[error("the credentials may not be sent to the realm {host}")]
    Realm {
        host: String,
        #[source]
        source: Distrust,
    },
    #[error("redirected to {to}")]
    Redirect { to: String },
    #[error(transparent)]
    Forbidden(Forbidden),
    #[error("redirected too often")]
    Redirects,
    #[error("the link to the next page leads to one that was fetched before")]
    SeenUrl,
    #[error("the page repeats an earlier one name by name")]
    SeenPage,
    #[error("more than {0} pages")]
    TooManyPages(u64),
    #[error("more than {0} names")]
    TooManyNames(u64),
    #[error("the page lists more than {0} names at once, 25 times as many as are ever asked for")]
    TooManyOnPage(usize),
    #[error(
        "the list may not be whole: its page is full and has no link to the next, and asking on gives nothing more"
    )]
    NoWayOn,
    #[error(
        "what it names, with all that is being read beside it, is more than the {0} layers and entries there is room for"
    )]
    TooMuch(usize),
    #[error("`{0}` cannot be asked for: it is against the specification's grammar")]
    BadName(String),
    #[error("it is not there: {0}")]
    Gone(Said),
    #[error("what answers is not the registry, as it gives no error code of one: {0}")]
    Stray(Said),
    #[error("what came is not what it should be")]
    Corrupt(#[source] Flaw),
    #[error("what came is of a kind that is not supported")]
    Foreign(#[source] Foreign),
    #[error("the storage behind the registry, {host}, answers {said}")]
    Storage { host: String, said: Said },
}

impl Problem {
    /// What an unexpected status means wherever it is met.
    pub(super) fn of_status(said: Said) -> Self {
        match said.status {
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited(said),
            status if status.is_server_error() => Self::ServerError(said),
            _ => Self::Unexpected(said),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Rejected { .. } => Fault::CredentialsRejected,
            Self::Secret(_) | Self::BadSecret => Fault::SecretUnreadable,
            Self::Denied { .. } | Self::Scope { .. } | Self::TooManyScopes => Fault::Denied,
            Self::Unsupported(_) | Self::Absent(_) | Self::Foreign(_) => Fault::Unsupported,
            Self::RateLimited(_) => Fault::RateLimited,
            Self::ServerError(_) | Self::Stray(_) => Fault::ServerError,
            Self::Broken(_) | Self::Timeout(_) | Self::Storage { .. } => Fault::Unreachable,
            Self::Gone(_) => Fault::Gone,
            Self::Corrupt(_) => Fault::Corrupt,
            Self::Tls(_)
            | Self::CaFile(_)
            | Self::ClientCertificate(_)
            | Self::NoRoots
            | Self::TlsSetup(_)
            | Self::HttpSetup(_) => Fault::Tls,
            Self::Link(LinkError::OtherOrigin) | Self::Realm { .. } | Self::Redirect { .. } | Self::Forbidden(_) => {
                Fault::Untrusted
            }
            Self::Unexpected(_)
            | Self::Body(_)
            | Self::Json(_)
            | Self::Listing(_)
            | Self::Link(_)
            | Self::NoToken(_)
            | Self::ShortLived { .. }
            | Self::NoRealm
            | Self::BadName(_)
            | Self::NoWayOn
            | Self::Redirects => Fault::Protocol,
            Self::SeenUrl
            | Self::SeenPage
            | Self::TooManyPages(_)
            | Self::TooManyNames(_)
            | Self::TooManyOnPage(_)
            | Self::TooMuch(_) => Fault::Endless,
        }
    }
}

impl RegistryError {
    pub(super) fn new(step: Step, problem: Problem) -> Self {
        Self(Arc::new(Inner { step, problem, leads_to: None }))
    }

    /// The same of a manifest whose bytes have this digest, and which cannot be read for all that.
    pub(super) fn leading_to(step: Step, problem: Problem, resolved: Resolved) -> Self {
        Self(Arc::new(Inner { step, problem, leads_to: Some(resolved) }))
    }

    /// Where a tag leads whose manifest cannot be read: what the registry told, and the bytes proved.
    pub fn leads_to(&self) -> Option<&Resolved> {
        self.0.leads_to.as_ref()
    }

    /// A manifest for whose layers or entries there is no room among so many.
    pub fn too_much(repository: &str, reference: &str, most: usize) -> Self {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let manifest = format!("{repository}{separator}{reference}");
        Self::new(Step::Manifest(manifest.into()), Problem::TooMuch(most))
    }

    /// The kind.
    pub fn fault(&self) -> Fault {
        self.0.problem.fault()
    }

    /// What was being done.
    pub fn step(&self) -> Step {
        self.0.step.clone()
    }

    /// What the operator can do about it, in one line.
    pub fn remedy(&self) -> String {
        remedy(&self.0.step, &self.0.problem)
    }

    /// Some error of this kind, for tests.
    ///
    /// # Panics
    /// For kinds that no test needs so far.
    #[cfg(any(test, feature = "testing"))]
    pub fn of_fault(fault: Fault, step: Step) -> Self {
        let said = |status| Said { status, text: "scripted".into() };
        let problem = match fault {
            Fault::CredentialsRejected => Problem::Rejected { said: said(StatusCode::UNAUTHORIZED), hint: None },
            Fault::Denied => Problem::Denied { said: said(StatusCode::FORBIDDEN), hint: None },
            Fault::Unreachable => Problem::Timeout(Duration::from_secs(1)),
            Fault::ServerError => Problem::ServerError(said(StatusCode::BAD_GATEWAY)),
            Fault::Protocol => Problem::NoRealm,
            Fault::Gone => Problem::Gone(said(StatusCode::NOT_FOUND)),
            other => unreachable!("no test needs {other}"),
        };
        Self::new(step, problem)
    }

    pub(super) fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.step, self.0.problem)
    }
}

impl fmt::Debug for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryError").field("step", &self.0.step).field("problem", &self.0.problem).finish()
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The problem's own text is part of ours.
        std::error::Error::source(&self.0.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_step_and_its_source_is_the_cause() {
        let error = RegistryError::new(Step::Page(17), Problem::Link(LinkError::OtherOrigin));
        assert_eq!(error.to_string(), "catalog page 17: the next page cannot be followed");
        let source = std::error::Error::source(&error).expect("a source");
        assert_eq!(source.to_string(), "the next page's link leads to another scheme, host or port");
        assert_eq!(error.fault(), Fault::Untrusted);
    }
}
