//! The error of a registry: its step, its kind, its remedy and its cause. It decides nothing.

use std::fmt;
use std::sync::Arc;

use crate::model::manifest::Resolved;
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::fault::Fault;

/// The error of every method of this crate. Its text is one line with the step (`catalog page 17: …`); its causes are
/// its `source`. No text has a secret.
#[derive(Clone)]
pub struct RegistryError(Arc<Inner>);

struct Inner {
    step: Step,
    problem: Problem,
    leads_to: Option<Resolved>,
}

/// The step that failed.
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
    /// Whether the step concerns one repository only.
    pub(crate) fn is_of_one_repository(&self) -> bool {
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

impl RegistryError {
    pub(crate) fn new(step: Step, problem: Problem) -> Self {
        Self(Arc::new(Inner { step, problem, leads_to: None }))
    }

    /// An error of a manifest that has this digest and cannot be parsed.
    pub(crate) fn leading_to(step: Step, problem: Problem, resolved: Resolved) -> Self {
        Self(Arc::new(Inner { step, problem, leads_to: Some(resolved) }))
    }

    /// The digest of a manifest that was verified and cannot be parsed. None for all other errors.
    pub fn leads_to(&self) -> Option<&Resolved> {
        self.0.leads_to.as_ref()
    }

    /// The error of a manifest whose layers or entries do not fit into the memory for those of all repositories being
    /// read, which has room for `most`.
    pub fn too_much(repository: &str, reference: &str, most: usize) -> Self {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let manifest = format!("{repository}{separator}{reference}");
        Self::new(Step::Manifest(manifest.into()), Problem::TooMuch(most))
    }

    /// The kind of the failure.
    pub fn fault(&self) -> Fault {
        self.0.problem.fault()
    }

    /// The step that failed.
    pub fn step(&self) -> Step {
        self.0.step.clone()
    }

    /// The known cause of the failure, if there is one.
    pub fn known_cause(&self) -> Option<KnownCause> {
        self.0.problem.known_cause(&self.0.step)
    }

    /// What the operator can do, in one line.
    pub fn remedy(&self) -> String {
        self.0.problem.remedy(&self.0.step)
    }

    /// An error of this kind, for tests.
    ///
    /// # Panics
    /// For kinds that no test needs.
    #[cfg(any(test, feature = "testing"))]
    pub fn of_fault(fault: Fault, step: Step) -> Self {
        use std::time::Duration;

        use hyper::StatusCode;

        use crate::problem::ErrorAnswer;
        use crate::problem::network::{NetworkEvent, NetworkProblem, Peer};

        let reply = |status| ErrorAnswer { status, text: "scripted".into() };
        let problem = match fault {
            Fault::CredentialsRejected => Problem::Rejected { reply: reply(StatusCode::UNAUTHORIZED), cause: None },
            Fault::Denied => Problem::Denied { reply: reply(StatusCode::FORBIDDEN), cause: None },
            Fault::Unreachable => Problem::Network(NetworkProblem::boxed(
                Peer::Server("registry.example:443".into()),
                NetworkEvent::Silent(Duration::from_secs(1)),
            )),
            Fault::ServerError => Problem::ServerError(reply(StatusCode::BAD_GATEWAY)),
            Fault::Protocol => Problem::NoRealm,
            Fault::Gone => Problem::Gone(reply(StatusCode::NOT_FOUND)),
            other => unreachable!("no test needs {other}"),
        };
        Self::new(step, problem)
    }

    pub(crate) fn problem(&self) -> &Problem {
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
        // The text of the problem is part of this error's text.
        std::error::Error::source(&self.0.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::link::LinkError;

    #[test]
    fn an_error_is_one_line_with_its_step_and_its_source_is_the_cause() {
        let error = RegistryError::new(Step::Page(17), Problem::Link(LinkError::OtherOrigin));
        assert_eq!(error.to_string(), "catalog page 17: the next page cannot be followed");
        let source = std::error::Error::source(&error).expect("a source");
        assert_eq!(source.to_string(), "the next page's link leads to another scheme, host or port");
        assert_eq!(error.fault(), Fault::Untrusted);
    }
}
