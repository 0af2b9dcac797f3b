//! The plain data that the rules read: the configuration, the requests with their responses, and the failures.

use crate::registry::Auth;
use crate::registry::KnownCause;
use crate::registry::RegistryError;
use crate::registry::RegistryKind;
use crate::registry::RegistrySettings;
use crate::registry::Step as ClientStep;
use crate::registry::api::ApiLogin;
use crate::registry::chain;
use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::Offer;
use crate::registry::examine::Reply;
use crate::registry::examine::TokenFacts;
use crate::run::Plan;

use super::report::{CheckStep, Severity};

/// What is known about a registry. The rules read it before anything is sent, and again at the end.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Whether the registry is Quay according to the configuration or its URL.
    pub is_quay: bool,
    /// The configured user name.
    pub username: Option<String>,
    /// The login with which the names are requested.
    pub login: DiscoveryLogin,
    /// Whether an empty list of names is accepted.
    pub allow_empty: bool,
    /// The configured scopes.
    pub scopes: Vec<String>,
    /// All requests with their responses.
    pub exchanges: Vec<Exchange>,
    /// The failures. Of consecutive steps of the registry, only the first failure is here.
    pub failures: Vec<StepFailure>,
    /// The number of names on the first page, including invalid ones.
    pub names: Option<u64>,
    /// The kind of the registry, and how the kind is known.
    pub kind: Option<(RegistryKind, &'static str)>,
}

/// The login with which the names of repositories are requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryLogin {
    /// Credentials or a token are configured.
    Configured,
    /// No login is configured. The registry may not need one.
    None,
    /// No login is configured, but the names come from an API that lists by owner, so it has accounts.
    NoneForApi,
}

/// A failed step with the error of the client.
#[derive(Clone, Debug)]
pub struct StepFailure {
    /// The step that caused the failure.
    pub step: CheckStep,
    /// What happened, in one line of text.
    pub symptom: String,
    /// The cause, if it is a known one.
    pub known_cause: Option<KnownCause>,
    /// The stable code of the error.
    pub code: &'static str,
    /// The remedy that a run prints.
    pub remedy: String,
    /// How severe the failure is.
    pub severity: Severity,
}

impl Evidence {
    /// What is known from the plan of a run, before anything is sent.
    pub fn of_plan(plan: &Plan) -> Self {
        let api = plan.discovery.login();
        let settings = Self::of_settings(&plan.registry);
        let login = match api {
            Some(ApiLogin::Anonymous) => DiscoveryLogin::NoneForApi,
            Some(ApiLogin::Challenged) | None => settings.login,
            Some(_) => DiscoveryLogin::Configured,
        };
        Self { login, allow_empty: plan.judge.allow_empty, ..settings }
    }

    /// What is known from the settings of the registry.
    pub fn of_settings(settings: &RegistrySettings) -> Self {
        let login = match &settings.auth {
            Auth::Token(login) => login.as_ref(),
            Auth::Basic(login) => Some(login),
            Auth::Bearer(_) | Auth::Identity(_) | Auth::Docker(_) | Auth::None => None,
        };
        let is_anonymous = matches!(settings.auth, Auth::None | Auth::Token(None));
        Self {
            is_quay: settings.kind.or_else(|| RegistryKind::of_url(&settings.url)) == Some(RegistryKind::Quay),
            username: login.map(|login| login.username.clone()),
            login: if is_anonymous { DiscoveryLogin::None } else { DiscoveryLogin::Configured },
            allow_empty: false,
            scopes: settings.scope.clone(),
            exchanges: Vec::new(),
            failures: Vec::new(),
            names: None,
            kind: None,
        }
    }

    /// The exchanges with one purpose, in order.
    pub fn about(&self, about: ExchangePurpose) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.about == about)
    }

    /// The response to `/v2/` without credentials.
    pub fn ping(&self) -> Option<&Reply> {
        self.about(ExchangePurpose::Ping).next()?.answer()
    }

    /// The tokens received, in order, each with its exchange.
    pub fn tokens(&self) -> impl DoubleEndedIterator<Item = (&Exchange, &TokenFacts)> {
        self.about(ExchangePurpose::Token).filter_map(|exchange| Some((exchange, exchange.answer()?.token.as_ref()?)))
    }

    /// The last challenge with this scheme, from any server.
    pub fn offer(&self, scheme: &str) -> Option<&Offer> {
        self.exchanges.iter().rev().find_map(|exchange| exchange.answer()?.offers(scheme))
    }

    /// Whether the request for the list of names failed.
    pub fn list_failed(&self) -> bool {
        self.failures.iter().any(|failure| failure.step == CheckStep::Page)
    }

    /// The failure with this cause.
    pub fn failure(&self, rule: &str) -> Option<&StepFailure> {
        self.failures
            .iter()
            .find(|failure| failure.known_cause.as_ref().is_some_and(|known_cause| known_cause.id() == rule))
    }
}

impl StepFailure {
    /// The failure for an error of the client. Its step is the one that caused the error, which may differ from the one in which
    /// the error occurred.
    pub fn of(error: &RegistryError) -> Self {
        let (known_cause, fault) = (error.known_cause(), error.fault());
        let step = match error.step() {
            ClientStep::Setup => CheckStep::Configuration,
            ClientStep::Tags(_) | ClientStep::Manifest(_) | ClientStep::Config(_) => CheckStep::Tags,
            at => to_blame(known_cause.as_ref()).unwrap_or(match at {
                ClientStep::Ping if fault.is_authentication() => CheckStep::Login,
                ClientStep::Ping => CheckStep::Ping,
                ClientStep::Token => CheckStep::Login,
                _ => CheckStep::Page,
            }),
        };
        let severity = match step {
            CheckStep::Configuration => Severity::Configuration,
            _ if fault.is_authentication() => Severity::Authentication,
            _ => Severity::Failed,
        };
        Self { step, symptom: chain(error), known_cause, code: fault.as_str(), remedy: error.remedy(), severity }
    }

    /// The failure for a known cause without an error of the client.
    pub fn known(step: CheckStep, known_cause: KnownCause, symptom: String) -> Self {
        let (code, remedy) = (known_cause.id(), known_cause.remedy());
        Self { step, symptom, known_cause: Some(known_cause), code, remedy, severity: Severity::Failed }
    }
}

/// The step at which a cause is reported, whichever step detected it.
fn to_blame(known_cause: Option<&KnownCause>) -> Option<CheckStep> {
    match known_cause? {
        KnownCause::BasicOnApi
        | KnownCause::RobotName
        | KnownCause::CredentialsRefused
        | KnownCause::TokenRefused
        | KnownCause::WrongService { .. }
        | KnownCause::NoIdentity
        | KnownCause::LoginWanted
        | KnownCause::TokenLifetime
        | KnownCause::RealmElsewhere { .. }
        | KnownCause::TokenService(_)
        | KnownCause::Login(_) => Some(CheckStep::Login),
        KnownCause::ScopeUnreadable { .. } | KnownCause::MissingPermission { .. } | KnownCause::CatalogScope { .. } => {
            Some(CheckStep::Scope)
        }
        _ => None,
    }
}
