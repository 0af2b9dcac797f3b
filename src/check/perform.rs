//! Does the steps, one after the other, and leaves out those that make no sense any more.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::evidence::{Evidence, Failure};
use super::report::{Fact, Outcome, Severity, Step, StepReport};
use super::{facts, rules};
use crate::discovery;
use crate::error_chain::chain;
use crate::registry::examine::Examination;
use crate::registry::examine::Exchange;
use crate::registry::examine::ExchangePurpose;
use crate::registry::examine::NoConnection;
use crate::registry::{Auth, Fault, KnownCause, Page, RegistryError};
use crate::run::Plan;

/// Bound on a sink's dry write.
const SINK: Duration = Duration::from_secs(30);

/// Most monitored repositories that are asked for their tags: a person waits for the answer.
const MOST_MONITORED: usize = 20;

/// The steps done so far, and what was seen.
#[derive(Debug)]
pub(super) struct Performance<'a> {
    plan: &'a Plan,
    pub(super) evidence: Evidence,
    pub(super) steps: Vec<StepReport>,
    /// Monitored repositories whose tags could be listed.
    monitored_read: usize,
}

/// What follows cannot be done; why was said.
struct Stopped;

impl<'a> Performance<'a> {
    pub(super) async fn of(plan: &'a Plan) -> Self {
        let evidence = Evidence::of_plan(plan);
        let mut performance = Self { plan, evidence, steps: Vec::new(), monitored_read: 0 };
        let stopped = performance.registry().await.is_err();
        performance.skip_rest(stopped);
        performance.sinks().await;
        performance
    }

    async fn registry(&mut self) -> Result<(), Stopped> {
        let begun = Instant::now();
        let seen = facts::settings(self.plan);
        if !rules::diagnose(&self.evidence).is_empty() {
            self.note_step(Step::Configuration, Outcome::Failed, begun.elapsed(), seen, Severity::Configuration);
            return Err(Stopped);
        }
        let examination = match Examination::new(self.plan.registry.clone()) {
            Ok(examination) => examination,
            Err(error) => return self.fail(begun.elapsed(), seen, Failure::of(&error)),
        };
        let outcome = if seen.iter().any(|fact| fact.what == "beware") { Outcome::Note } else { Outcome::Ok };
        self.note_step(Step::Configuration, outcome, begun.elapsed(), seen, Severity::Good);
        self.connection(&examination).await?;
        let conversed = self.conversation(&examination).await;
        self.evidence.exchanges = examination.exchanges();
        conversed
    }

    /// DNS, TCP and TLS. Behind a proxy they need not work from here: nothing is concluded from them.
    async fn connection(&mut self, examination: &Examination) -> Result<(), Stopped> {
        if let Some(variable) = examination.proxy() {
            let why = format!("${variable} is set: a proxy may do this for us");
            for step in [Step::Dns, Step::Tcp, Step::Tls] {
                self.skip(step, &why);
            }
            return Ok(());
        }
        let begun = Instant::now();
        let addresses = match examination.resolve().await {
            Ok(addresses) => addresses,
            Err(error) => return self.no_connection(Step::Dns, begun.elapsed(), &error),
        };
        let found = addresses.iter().map(|address| Fact::new("address", address.ip().to_string())).collect();
        self.good(Step::Dns, begun.elapsed(), found);

        let begun = Instant::now();
        let address = match examination.connect(&addresses).await {
            Ok(address) => address,
            Err(error) => return self.no_connection(Step::Tcp, begun.elapsed(), &error),
        };
        self.good(Step::Tcp, begun.elapsed(), vec![Fact::new("connected to", address.to_string())]);

        if self.plan.registry.url.scheme() != "https" {
            self.skip(Step::Tls, "the url is http: nothing is encrypted");
            return Ok(());
        }
        let begun = Instant::now();
        match examination.handshake(address).await {
            Err(error) => self.fail(begun.elapsed(), Vec::new(), Failure::of(&error)),
            Ok(seen) => {
                let told = facts::handshake(&seen);
                if let Some((finding, why)) = seen.refused {
                    return self.fail(begun.elapsed(), told, Failure::known(Step::Tls, finding, why));
                }
                let outcome = if seen.insecure { Outcome::Note } else { Outcome::Ok };
                self.note_step(Step::Tls, outcome, begun.elapsed(), told, Severity::Good);
                Ok(())
            }
        }
    }

    fn no_connection(&mut self, step: Step, took: Duration, error: &NoConnection) -> Result<(), Stopped> {
        let finding = if step == Step::Dns { KnownCause::UnknownHost } else { KnownCause::Unreachable };
        self.fail(took, Vec::new(), Failure::known(step, finding, chain(error)))
    }

    /// Everything over HTTP.
    async fn conversation(&mut self, examination: &Examination) -> Result<(), Stopped> {
        let begun = Instant::now();
        let answered = examination.ping().await;
        self.evidence.exchanges = examination.exchanges();
        let seen = facts::ping(&self.evidence);
        if let Err(error) = answered {
            let failure = Failure { step: Step::Ping, ..Failure::of(&error) };
            return self.fail(begun.elapsed(), seen, failure);
        }
        self.good(Step::Ping, begun.elapsed(), seen);

        let begun = Instant::now();
        let source = discovery::of(&self.plan.discovery, examination.client());
        let first = source.probe().await;
        self.evidence.exchanges = examination.exchanges();
        let took = begun.elapsed();
        let page = match first {
            Some(Ok(page)) => page,
            Some(Err(error)) => return self.refused(took, Failure::of(&error)),
            None => {
                self.skip(Step::Page, "the source of names has no page");
                return Err(Stopped);
            }
        };
        self.evidence.names = Some(page.names.len() as u64 + page.invalid_count);
        self.evidence.kind = examination.kind();
        // Names of another source say nothing of the login here: the tags will.
        let untold = self.evidence.about(ExchangePurpose::Catalog).next().is_none();
        if !untold {
            self.entered();
        }
        let unseen = self.first_page(took, &page)?;
        let read = self.tags(examination, &page, untold).await;
        if let Some(severity) = unseen {
            self.monitored_alone(took, &page, severity);
        }
        self.evidence.kind = examination.kind();
        let was_let_in = read.is_ok() || self.evidence.tokens().next().is_some();
        if untold && was_let_in && !self.steps.iter().any(|done| done.step == Step::Login) {
            self.entered();
        }
        read
    }

    /// The first page was refused, or the way to it was: told at the step to blame.
    fn refused(&mut self, took: Duration, failure: Failure) -> Result<(), Stopped> {
        let seen = match failure.step {
            Step::Ping => facts::ping(&self.evidence),
            Step::Login => facts::login(&self.evidence),
            Step::Scope => {
                self.login_done();
                facts::scope(&self.evidence)
            }
            Step::Page => {
                // An API has a login of its own.
                if self.evidence.about(ExchangePurpose::Catalog).next().is_some() {
                    self.entered();
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.fail(took, seen, failure)
    }

    /// Login and scope, where both went well.
    fn entered(&mut self) {
        self.login_done();
        let scopes = facts::scope(&self.evidence);
        if self.evidence.tokens().next().is_none() {
            self.skip(Step::Scope, "no token was needed");
        } else {
            self.good(Step::Scope, Duration::ZERO, scopes);
        }
    }

    fn login_done(&mut self) {
        let asked: Duration = self.evidence.about(ExchangePurpose::Token).map(|exchange| exchange.took).sum();
        if self.evidence.about(ExchangePurpose::Token).next().is_some() {
            let seen = facts::login(&self.evidence);
            return self.good(Step::Login, asked, seen);
        }
        let sent = self.evidence.exchanges.iter().find_map(Exchange::authorization).map(str::to_owned);
        match sent {
            Some(credentials) => self.good(Step::Login, asked, vec![Fact::new("authorization", credentials)]),
            None if matches!(self.plan.registry.auth, Auth::None | Auth::Token(None)) => {
                self.skip(Step::Login, "no credentials are configured");
            }
            None => self.skip(Step::Login, "the registry asked for none"),
        }
    }

    /// The page is told. Where it lists nothing, and that is a failure unless monitored repositories can be read, it is
    /// told after them: how severe it is then.
    fn first_page(&mut self, took: Duration, page: &Page) -> Result<Option<Severity>, Stopped> {
        let seen = facts::page(&self.evidence, page);
        if let Some(failure) = shortfall(page) {
            // A run goes on and has gaps: so do the steps after this one.
            self.note_step(Step::Page, Outcome::Failed, took, seen, failure.severity);
            self.evidence.failures.push(failure);
            return Ok(None);
        }
        let unseen = rules::diagnose(&self.evidence).into_iter().find(|diagnosis| diagnosis.step == Step::Page);
        if let Some(unseen) = unseen {
            let is_failure = unseen.rule == KnownCause::NothingListed.id();
            let severity = if is_failure { Severity::Failed } else { Severity::Authentication };
            if !self.plan.walk.monitored.is_empty() {
                return Ok(Some(severity));
            }
            self.note_step(Step::Page, Outcome::Failed, took, seen, severity);
            return Err(Stopped);
        }
        let outcome = if page.names.is_empty() { Outcome::Note } else { Outcome::Ok };
        self.note_step(Step::Page, outcome, took, seen, Severity::Good);
        Ok(None)
    }

    /// A page that lists nothing: a run publishes the monitored repositories alone, if any of them can be read.
    fn monitored_alone(&mut self, took: Duration, page: &Page, severity: Severity) {
        let seen = facts::page(&self.evidence, page);
        let (outcome, severity) =
            if self.monitored_read > 0 { (Outcome::Note, Severity::Good) } else { (Outcome::Failed, severity) };
        self.note_step(Step::Page, outcome, took, seen, severity);
    }

    /// The tags of the monitored repositories and of the first one that is listed. With the login `untold`, what is wrong
    /// with it is told at its own step.
    async fn tags(&mut self, examination: &Examination, page: &Page, untold: bool) -> Result<(), Stopped> {
        let plan = self.plan;
        let monitored = &plan.walk.monitored;
        let mut repositories: Vec<&str> = monitored.iter().take(MOST_MONITORED).map(String::as_str).collect();
        let is_monitored = |name: &&str| monitored.iter().any(|known| known.eq_ignore_ascii_case(name));
        repositories.extend(page.names.iter().next().filter(|name| !is_monitored(name)));
        if repositories.is_empty() {
            self.skip(Step::Tags, "the page names no repository");
            return Ok(());
        }
        let begun = Instant::now();
        let (mut seen, mut outcome, mut failed) = (Vec::new(), Outcome::Ok, None);
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
                    // distribution lists a repository whose last tag has been deleted, and then does not know it.
                    let why = if at < monitored.len() {
                        "none: it is not there"
                    } else {
                        "none: it is listed, and not there"
                    };
                    seen.push(Fact::new("tags", why));
                    outcome = Outcome::Note;
                }
                Err(error) => {
                    let (fault, failure) = (error.fault(), Failure::of(&error));
                    seen.push(Fact::new("tags", fault.as_str()));
                    failed.get_or_insert(failure);
                    // Nothing fares better with credentials that are refused, and they are not to be sent often.
                    if matches!(fault, Fault::CredentialsRejected | Fault::SecretUnreadable) {
                        break;
                    }
                }
            }
        }
        match failed {
            None => {
                self.note_step(Step::Tags, outcome, begun.elapsed(), seen, Severity::Good);
                Ok(())
            }
            Some(failure) if untold && matches!(failure.step, Step::Login | Step::Scope) => {
                self.refused(begun.elapsed(), failure)
            }
            Some(failure) => self.fail(begun.elapsed(), seen, Failure { step: Step::Tags, ..failure }),
        }
    }

    async fn sinks(&mut self) {
        for (name, sink) in &self.plan.sinks {
            let begun = Instant::now();
            let probed = timeout(SINK, sink.probe()).await;
            let (outcome, severity, evidence, failed) = match probed {
                Ok(Ok(())) => {
                    (Outcome::Ok, Severity::Good, vec![Fact::new("dry write", "done, and nothing left")], None)
                }
                Ok(Err(error)) => {
                    (Outcome::Failed, Severity::Failed, Vec::new(), Some((chain(&error), error.kind().remedy())))
                }
                Err(_) => {
                    let symptom = format!("no answer within {} s", SINK.as_secs());
                    (Outcome::Failed, Severity::Failed, Vec::new(), Some((symptom, "look at the target")))
                }
            };
            let diagnoses = failed.map(|(symptom, remedy)| rules::of_sink(symptom, remedy)).into_iter().collect();
            let (step, subject, took) = (Step::Sink, Some(name.clone()), begun.elapsed());
            self.steps.push(StepReport { step, subject, outcome, evidence, took, diagnoses, severity });
        }
    }

    fn good(&mut self, step: Step, took: Duration, evidence: Vec<Fact>) {
        self.note_step(step, Outcome::Ok, took, evidence, Severity::Good);
    }

    fn fail(&mut self, took: Duration, evidence: Vec<Fact>, failure: Failure) -> Result<(), Stopped> {
        // A client that cannot be made, though the configuration was read: that step is redone as the one that failed.
        self.steps.retain(|done| done.step != failure.step);
        self.note_step(failure.step, Outcome::Failed, took, evidence, failure.severity);
        self.evidence.failures.push(failure);
        Err(Stopped)
    }

    fn skip(&mut self, step: Step, why: &str) {
        let evidence = vec![Fact::new("why", why)];
        self.note_step(step, Outcome::Skipped, Duration::ZERO, evidence, Severity::Good);
    }

    fn note_step(&mut self, step: Step, outcome: Outcome, took: Duration, evidence: Vec<Fact>, severity: Severity) {
        let (subject, diagnoses) = (None, Vec::new());
        self.steps.push(StepReport { step, subject, outcome, evidence, took, diagnoses, severity });
    }

    /// Adds the steps that were not done, so that every report has them all, in order.
    fn skip_rest(&mut self, stopped: bool) {
        let failed = self.steps.iter().find(|done| done.outcome == Outcome::Failed).map(|done| done.step.as_str());
        let why = failed.filter(|_| stopped).map_or("nothing to do".to_owned(), |step| format!("{step} failed"));
        for step in Step::OF_REGISTRY {
            if !self.steps.iter().any(|done| done.step == step) {
                self.skip(step, &why);
            }
        }
        self.steps.sort_by_key(|done| Step::OF_REGISTRY.iter().position(|step| *step == done.step));
    }
}

/// Why the list of names would not be whole.
fn shortfall(page: &Page) -> Option<Failure> {
    let first = page.shortfalls.first()?;
    let finding = if first.code == "missing" { KnownCause::OwnerMissing } else { KnownCause::LoginUnproven };
    let told = page.shortfalls.iter().filter(|shortfall| shortfall.code == first.code);
    let symptom = told.map(|shortfall| shortfall.message.as_str()).collect::<Vec<_>>().join("; ");
    Some(Failure::known(Step::Page, finding, symptom))
}

fn is_gone(error: &RegistryError, evidence: &Evidence) -> bool {
    let answer = evidence.about(ExchangePurpose::Tags).next_back().and_then(Exchange::status);
    answer == Some(404) && matches!(error.fault(), Fault::Protocol | Fault::Gone | Fault::Unsupported)
}
