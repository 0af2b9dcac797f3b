//! Does the steps in order, and skips those that are impossible after a failure.

use std::time::Duration;

use tokio::time::Instant;

use super::evidence::{Evidence, StepFailure};
use super::report::{CheckStep, Fact, Severity, StepOutcome, StepReport};
use super::{dry_writes, facts, rules};
use crate::discovery;
use crate::registry::chain;
use crate::registry::examine::Examination;
use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::NoConnection;
use crate::registry::{Auth, Fault, KnownCause, Page, RegistryError};
use crate::run::Plan;

/// The maximum number of monitored repositories whose tags are requested, because a person waits for the result.
const MOST_MONITORED: usize = 20;

/// The steps that are done, and what is known so far.
#[derive(Debug)]
pub(super) struct CheckRun<'a> {
    plan: &'a Plan,
    pub(super) evidence: Evidence,
    pub(super) steps: Vec<StepReport>,
    /// The number of monitored repositories whose tags could be listed.
    monitored_read: usize,
}

/// The next steps are impossible. The reason is recorded already.
struct Stopped;

impl<'a> CheckRun<'a> {
    pub(super) async fn of(plan: &'a Plan) -> Self {
        let evidence = Evidence::of_plan(plan);
        let mut run = Self { plan, evidence, steps: Vec::new(), monitored_read: 0 };
        let stopped = run.registry().await.is_err();
        run.skip_rest(stopped);
        run.steps.extend(dry_writes::all(plan).await);
        run
    }

    async fn registry(&mut self) -> Result<(), Stopped> {
        let begun = Instant::now();
        let mut seen = facts::settings(self.plan);
        if !rules::diagnose(&self.evidence).is_empty() {
            self.note_step(
                CheckStep::Configuration,
                StepOutcome::Failed,
                begun.elapsed(),
                seen,
                Severity::Configuration,
            );
            return Err(Stopped);
        }
        let examination = match Examination::new(self.plan.registry.clone()) {
            Ok(examination) => examination,
            Err(error) => return self.fail(begun.elapsed(), seen, StepFailure::of(&error)),
        };
        seen.push(facts::proxy(examination.proxy(&self.plan.registry.url)));
        let outcome =
            if seen.iter().any(|fact| fact.what == facts::WARNING) { StepOutcome::Note } else { StepOutcome::Ok };
        self.note_step(CheckStep::Configuration, outcome, begun.elapsed(), seen, Severity::Good);
        self.connection(&examination).await?;
        let conversed = self.conversation(&examination).await;
        self.evidence.exchanges = examination.exchanges();
        conversed
    }

    /// DNS, TCP and TLS. With a proxy, these steps are skipped, because they may be impossible from this machine.
    async fn connection(&mut self, examination: &Examination) -> Result<(), Stopped> {
        if let Ok(proxy) = examination.proxy(&self.plan.registry.url) {
            let why = format!("{proxy}, does this step");
            for step in [CheckStep::Dns, CheckStep::Tcp, CheckStep::Tls] {
                self.skip(step, &why);
            }
            return Ok(());
        }
        let begun = Instant::now();
        let addresses = match examination.resolve().await {
            Ok(addresses) => addresses,
            Err(error) => return self.no_connection(CheckStep::Dns, begun.elapsed(), &error),
        };
        let found = addresses.iter().map(|address| Fact::new("address", address.ip().to_string())).collect();
        self.good(CheckStep::Dns, begun.elapsed(), found);

        let begun = Instant::now();
        let address = match examination.connect(&addresses).await {
            Ok(address) => address,
            Err(error) => return self.no_connection(CheckStep::Tcp, begun.elapsed(), &error),
        };
        self.good(CheckStep::Tcp, begun.elapsed(), vec![Fact::new("connected to", address.to_string())]);

        if self.plan.registry.url.scheme() != "https" {
            self.skip(CheckStep::Tls, "the url is http: the connection is not encrypted");
            return Ok(());
        }
        let begun = Instant::now();
        match examination.handshake(address).await {
            Err(error) => self.fail(begun.elapsed(), Vec::new(), StepFailure::of(&error)),
            Ok(seen) => {
                let told = facts::handshake(&seen);
                if let Some((known_cause, why)) = seen.refused {
                    return self.fail(begun.elapsed(), told, StepFailure::known(CheckStep::Tls, known_cause, why));
                }
                let outcome = if seen.insecure { StepOutcome::Note } else { StepOutcome::Ok };
                self.note_step(CheckStep::Tls, outcome, begun.elapsed(), told, Severity::Good);
                Ok(())
            }
        }
    }

    fn no_connection(&mut self, step: CheckStep, took: Duration, error: &NoConnection) -> Result<(), Stopped> {
        let known_cause = if step == CheckStep::Dns { KnownCause::UnknownHost } else { KnownCause::Unreachable };
        self.fail(took, Vec::new(), StepFailure::known(step, known_cause, chain(error)))
    }

    /// All steps that use HTTP.
    async fn conversation(&mut self, examination: &Examination) -> Result<(), Stopped> {
        let begun = Instant::now();
        let answered = examination.ping().await;
        self.evidence.exchanges = examination.exchanges();
        let mut seen = facts::ping(&self.evidence);
        // The token service may be on another host, which is reached in another way.
        seen.extend(examination.realms().iter().map(|realm| facts::proxy_of(realm, examination.proxy(realm))));
        if let Err(error) = answered {
            let failure = StepFailure { step: CheckStep::Ping, ..StepFailure::of(&error) };
            return self.fail(begun.elapsed(), seen, failure);
        }
        self.good(CheckStep::Ping, begun.elapsed(), seen);

        let begun = Instant::now();
        let source = discovery::of(&self.plan.discovery, examination.client());
        let first = source.probe().await;
        self.evidence.exchanges = examination.exchanges();
        let took = begun.elapsed();
        let page = match first {
            Some(Ok(page)) => page,
            Some(Err(error)) => return self.refused(took, StepFailure::of(&error)),
            None => {
                self.skip(CheckStep::Page, "the source of names has no page");
                return Err(Stopped);
            }
        };
        self.evidence.names = Some(page.names.len() as u64 + page.invalid_count);
        self.evidence.kind = examination.kind();
        // If the names come from another source, only the requests for tags show whether the login works.
        let is_login_open = self.evidence.about(ExchangePurpose::Catalog).next().is_none();
        if !is_login_open {
            self.login_and_scope_done();
        }
        let unseen = self.first_page(took, &page)?;
        let read = self.tags(examination, &page, is_login_open).await;
        if let Some(severity) = unseen {
            self.monitored_alone(took, &page, severity);
        }
        self.evidence.kind = examination.kind();
        let was_let_in = read.is_ok() || self.evidence.tokens().next().is_some();
        if is_login_open && was_let_in && !self.steps.iter().any(|done| done.step == CheckStep::Login) {
            self.login_and_scope_done();
        }
        read
    }

    /// Records that the first page, or a request before it, failed. The failure is reported at the step that caused it.
    fn refused(&mut self, took: Duration, failure: StepFailure) -> Result<(), Stopped> {
        let seen = match failure.step {
            CheckStep::Ping => facts::ping(&self.evidence),
            CheckStep::Login => facts::login(&self.evidence),
            CheckStep::Scope => {
                self.login_done();
                facts::scope(&self.evidence)
            }
            CheckStep::Page => {
                // An API has its own login, so its page says nothing about the login at the registry.
                if self.evidence.about(ExchangePurpose::Catalog).next().is_some() {
                    self.login_and_scope_done();
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.fail(took, seen, failure)
    }

    /// Records that login and scope succeeded.
    fn login_and_scope_done(&mut self) {
        self.login_done();
        let scopes = facts::scope(&self.evidence);
        if self.evidence.tokens().next().is_none() {
            self.skip(CheckStep::Scope, "no token was needed");
        } else {
            self.good(CheckStep::Scope, Duration::ZERO, scopes);
        }
    }

    fn login_done(&mut self) {
        let asked: Duration = self.evidence.about(ExchangePurpose::Token).map(|exchange| exchange.took).sum();
        if self.evidence.about(ExchangePurpose::Token).next().is_some() {
            let seen = facts::login(&self.evidence);
            return self.good(CheckStep::Login, asked, seen);
        }
        let sent = self.evidence.exchanges.iter().find_map(Exchange::authorization).map(str::to_owned);
        match sent {
            Some(credentials) => self.good(CheckStep::Login, asked, vec![Fact::new("authorization", credentials)]),
            None if matches!(self.plan.registry.auth, Auth::None | Auth::Token(None)) => {
                self.skip(CheckStep::Login, "no credentials are configured");
            }
            None => self.skip(CheckStep::Login, "the registry did not ask for credentials"),
        }
    }

    /// Records the page. Exception: the page lists nothing, and this is a failure unless monitored repositories can be read.
    /// Then the page is recorded after them, and this function returns the severity of the failure.
    fn first_page(&mut self, took: Duration, page: &Page) -> Result<Option<Severity>, Stopped> {
        let seen = facts::page(&self.evidence, page);
        if let Some(failure) = shortfall(page) {
            // A run continues, and its inventory has gaps. So the next steps are done as well.
            self.note_step(CheckStep::Page, StepOutcome::Failed, took, seen, failure.severity);
            self.evidence.failures.push(failure);
            return Ok(None);
        }
        let unseen = rules::diagnose(&self.evidence).into_iter().find(|diagnosis| diagnosis.step == CheckStep::Page);
        if let Some(unseen) = unseen {
            let is_failure = unseen.rule == KnownCause::NothingListed.id();
            let severity = if is_failure { Severity::Failed } else { Severity::Authentication };
            if !self.plan.walk.monitored.is_empty() {
                return Ok(Some(severity));
            }
            self.note_step(CheckStep::Page, StepOutcome::Failed, took, seen, severity);
            return Err(Stopped);
        }
        let outcome = if page.names.is_empty() { StepOutcome::Note } else { StepOutcome::Ok };
        self.note_step(CheckStep::Page, outcome, took, seen, Severity::Good);
        Ok(None)
    }

    /// Records a page that lists nothing. If any monitored repository can be read, a run publishes the monitored ones.
    fn monitored_alone(&mut self, took: Duration, page: &Page, severity: Severity) {
        let seen = facts::page(&self.evidence, page);
        let (outcome, severity) =
            if self.monitored_read > 0 { (StepOutcome::Note, Severity::Good) } else { (StepOutcome::Failed, severity) };
        self.note_step(CheckStep::Page, outcome, took, seen, severity);
    }

    /// The tags of the monitored repositories and of the first listed one. If `is_login_open`, a failed login is reported at the
    /// step for the login.
    async fn tags(&mut self, examination: &Examination, page: &Page, is_login_open: bool) -> Result<(), Stopped> {
        let plan = self.plan;
        let monitored = &plan.walk.monitored;
        let mut repositories: Vec<&str> = monitored.iter().take(MOST_MONITORED).map(String::as_str).collect();
        let is_monitored = |name: &&str| monitored.iter().any(|known| known.eq_ignore_ascii_case(name));
        repositories.extend(page.names.iter().next().filter(|name| !is_monitored(name)));
        if repositories.is_empty() {
            self.skip(CheckStep::Tags, "the page lists no repository");
            return Ok(());
        }
        let begun = Instant::now();
        let (mut seen, mut outcome, mut failed) = (Vec::new(), StepOutcome::Ok, None);
        for (at, repository) in repositories.into_iter().enumerate() {
            let listed = examination.tags(repository).await;
            self.evidence.exchanges = examination.exchanges();
            seen.push(Fact::new("repository", examination.shown(repository)));
            match listed {
                Ok(count) => {
                    seen.push(Fact::new("tags", count.to_string()));
                    self.monitored_read += usize::from(at < monitored.len());
                }
                Err(error) if is_gone(&error, &self.evidence) => {
                    // The registry `distribution` lists a repository whose last tag has been deleted, and answers 404 for its tags.
                    let why = if at < monitored.len() {
                        "none: the repository does not exist"
                    } else {
                        "none: the repository is listed, but does not exist"
                    };
                    seen.push(Fact::new("tags", why));
                    outcome = StepOutcome::Note;
                }
                Err(error) => {
                    let (fault, failure) = (error.fault(), StepFailure::of(&error));
                    seen.push(Fact::new("tags", fault.as_str()));
                    failed.get_or_insert(failure);
                    // Other repositories would be refused as well, and repeated wrong logins may lock the account.
                    if matches!(fault, Fault::CredentialsRejected | Fault::SecretUnreadable) {
                        break;
                    }
                }
            }
        }
        match failed {
            None => {
                self.note_step(CheckStep::Tags, outcome, begun.elapsed(), seen, Severity::Good);
                Ok(())
            }
            Some(failure) if is_login_open && matches!(failure.step, CheckStep::Login | CheckStep::Scope) => {
                self.refused(begun.elapsed(), failure)
            }
            Some(failure) => self.fail(begun.elapsed(), seen, StepFailure { step: CheckStep::Tags, ..failure }),
        }
    }

    fn good(&mut self, step: CheckStep, took: Duration, evidence: Vec<Fact>) {
        self.note_step(step, StepOutcome::Ok, took, evidence, Severity::Good);
    }

    fn fail(&mut self, took: Duration, evidence: Vec<Fact>, failure: StepFailure) -> Result<(), Stopped> {
        // If the client cannot be created, the configuration step that succeeded is replaced by the failed one.
        self.steps.retain(|done| done.step != failure.step);
        self.note_step(failure.step, StepOutcome::Failed, took, evidence, failure.severity);
        self.evidence.failures.push(failure);
        Err(Stopped)
    }

    fn skip(&mut self, step: CheckStep, why: &str) {
        let evidence = vec![Fact::new("why", why)];
        self.note_step(step, StepOutcome::Skipped, Duration::ZERO, evidence, Severity::Good);
    }

    fn note_step(
        &mut self,
        step: CheckStep,
        outcome: StepOutcome,
        took: Duration,
        evidence: Vec<Fact>,
        severity: Severity,
    ) {
        let (subject, diagnoses) = (None, Vec::new());
        self.steps.push(StepReport { step, subject, outcome, evidence, took, diagnoses, severity });
    }

    /// Adds the steps that were not done, so that every report has all steps in order.
    fn skip_rest(&mut self, stopped: bool) {
        let failed = self.steps.iter().find(|done| done.outcome == StepOutcome::Failed).map(|done| done.step.as_str());
        let why = failed.filter(|_| stopped).map_or("nothing to do".to_owned(), |step| format!("{step} failed"));
        for step in CheckStep::OF_REGISTRY {
            if !self.steps.iter().any(|done| done.step == step) {
                self.skip(step, &why);
            }
        }
        self.steps.sort_by_key(|done| CheckStep::OF_REGISTRY.iter().position(|step| *step == done.step));
    }
}

/// Why the list of names would be incomplete.
fn shortfall(page: &Page) -> Option<StepFailure> {
    let first = page.shortfalls.first()?;
    let known_cause = if first.code == "missing" { KnownCause::OwnerMissing } else { KnownCause::LoginUnproven };
    let told = page.shortfalls.iter().filter(|shortfall| shortfall.code == first.code);
    let symptom = told.map(|shortfall| shortfall.message.as_str()).collect::<Vec<_>>().join("; ");
    Some(StepFailure::known(CheckStep::Page, known_cause, symptom))
}

fn is_gone(error: &RegistryError, evidence: &Evidence) -> bool {
    let answer = evidence.about(ExchangePurpose::Tags).next_back().and_then(Exchange::status);
    answer == Some(404) && matches!(error.fault(), Fault::Protocol | Fault::Gone | Fault::Unsupported)
}
