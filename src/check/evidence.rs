//! What the rules look at: everything that was seen, as plain data.

use crate::error_chain::chain;
use crate::registry::Auth;
use crate::registry::KnownCause;
use crate::registry::RegistryError;
use crate::registry::RegistryKind;
use crate::registry::RegistrySettings;
use crate::registry::Step as At;
use crate::registry::api::ApiLogin;
use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::Offer;
use crate::registry::examine::Reply;
use crate::registry::examine::TokenFacts;
use crate::run::Plan;

use super::report::{Severity, Step};

/// All that is known when the rules are asked: before anything was sent, and again at the end.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Whether the configuration itself says that this is Quay.
    pub is_quay: bool,
    /// The user name, where one is configured.
    pub username: Option<String>,
    /// With what the names are asked for.
    pub login: Login,
    /// Whether an empty list is accepted.
    pub allow_empty: bool,
    /// The scopes that are configured.
    pub scopes: Vec<String>,
    /// What went over the wire.
    pub exchanges: Vec<Exchange>,
    /// What failed; of the registry, at most one in a row of steps.
    pub failures: Vec<Failure>,
    /// How many names the first page has, readable or not.
    pub names: Option<u64>,
    /// The registry's kind and how that is known.
    pub kind: Option<(RegistryKind, &'static str)>,
}

/// With what the names of repositories are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Credentials or a token.
    Configured,
    /// Nothing, and the registry may need nothing.
    None,
    /// Nothing, of an API that lists by owner and so knows accounts.
    NoneForApi,
}

/// A step that failed, and what the client made of it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step to blame.
    pub step: Step,
    /// What happened, in one line.
    pub symptom: String,
    /// The cause, where it is a known one.
    pub finding: Option<KnownCause>,
    /// The kind.
    pub code: &'static str,
    /// What a run would print.
    pub remedy: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Evidence {
    /// What is known from the configuration alone.
    pub fn of_plan(plan: &Plan) -> Self {
        let api = plan.discovery.login();
        let settings = Self::of_settings(&plan.registry);
        let login = match api {
            Some(ApiLogin::Anonymous) => Login::NoneForApi,
            Some(ApiLogin::Challenged) | None => settings.login,
            Some(_) => Login::Configured,
        };
        Self { login, allow_empty: plan.judge.allow_empty, ..settings }
    }

    /// What is known from the settings of the registry alone.
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
            login: if is_anonymous { Login::None } else { Login::Configured },
            allow_empty: false,
            scopes: settings.scope.clone(),
            exchanges: Vec::new(),
            failures: Vec::new(),
            names: None,
            kind: None,
        }
    }

    /// The exchanges of one kind, in order.
    pub fn about(&self, about: ExchangePurpose) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.exchanges.iter().filter(move |exchange| exchange.about == about)
    }

    /// What `/v2/` answered to nobody.
    pub fn ping(&self) -> Option<&Reply> {
        self.about(ExchangePurpose::Ping).next()?.answer()
    }

    /// The tokens that were got, in order, each with the exchange that brought it.
    pub fn tokens(&self) -> impl DoubleEndedIterator<Item = (&Exchange, &TokenFacts)> {
        self.about(ExchangePurpose::Token).filter_map(|exchange| Some((exchange, exchange.answer()?.token.as_ref()?)))
    }

    /// The last offer of a scheme, by whomever.
    pub fn offer(&self, scheme: &str) -> Option<&Offer> {
        self.exchanges.iter().rev().find_map(|exchange| exchange.answer()?.offers(scheme))
    }

    /// Whether something is known to be wrong with the list of names itself.
    pub fn list_failed(&self) -> bool {
        self.failures.iter().any(|failure| failure.step == Step::Page)
    }

    /// The failure with this cause.
    pub fn failure(&self, rule: &str) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.finding.as_ref().is_some_and(|finding| finding.id() == rule))
    }
}

impl Failure {
    /// A client's error. It is told at the step that is to blame, which need not be the one that noticed.
    pub fn of(error: &RegistryError) -> Self {
        let (finding, fault) = (error.known_cause(), error.fault());
        let step = match error.step() {
            At::Setup => Step::Configuration,
            At::Tags(_) | At::Manifest(_) | At::Config(_) => Step::Tags,
            at => to_blame(finding.as_ref()).unwrap_or(match at {
                At::Ping if fault.is_authentication() => Step::Login,
                At::Ping => Step::Ping,
                At::Token => Step::Login,
                _ => Step::Page,
            }),
        };
        let severity = match step {
            Step::Configuration => Severity::Configuration,
            _ if fault.is_authentication() => Severity::Authentication,
            _ => Severity::Failed,
        };
        Self { step, symptom: chain(error), finding, code: fault.as_str(), remedy: error.remedy(), severity }
    }

    /// A known cause that no error tells.
    pub fn known(step: Step, finding: KnownCause, symptom: String) -> Self {
        let (code, remedy) = (finding.id(), finding.remedy());
        Self { step, symptom, finding: Some(finding), code, remedy, severity: Severity::Failed }
    }
}

/// The step at which a cause is told, wherever it was noticed.
fn to_blame(finding: Option<&KnownCause>) -> Option<Step> {
    match finding? {
        KnownCause::BasicOnApi
        | KnownCause::RobotName
        | KnownCause::CredentialsRefused
        | KnownCause::TokenRefused
        | KnownCause::WrongService { .. }
        | KnownCause::NoIdentity
        | KnownCause::LoginWanted
        | KnownCause::TokenLifetime
        | KnownCause::RealmElsewhere { .. } => Some(Step::Login),
        KnownCause::ScopeUnreadable { .. } | KnownCause::MissingPermission { .. } | KnownCause::CatalogScope { .. } => {
            Some(Step::Scope)
        }
        _ => None,
    }
}
