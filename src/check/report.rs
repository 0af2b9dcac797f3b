//! The result of a check as data and as JSON: the steps, each with its outcome, its evidence and its diagnoses.

use std::time::Duration;

use serde_json::{Value, json};
use stocktake_sink::RegistryName;

use crate::registry::examine::{Exchange, LifetimeSource, TokenFacts};

/// A step of a check. The variants are in the order in which the steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckStep {
    /// Reads names and settings; sends nothing.
    Configuration,
    /// Resolves the name of the host.
    Dns,
    /// Opens a connection.
    Tcp,
    /// Does the TLS handshake and verifies the certificate.
    Tls,
    /// Requests `/v2/` without credentials.
    Ping,
    /// Sends the credentials, or exchanges them for a token.
    Login,
    /// Compares the scopes that were requested with those that the token grants.
    Scope,
    /// Requests the first page of repository names.
    Page,
    /// Requests the tags of the monitored repositories and of one listed repository.
    Tags,
    /// Does a dry write in one sink.
    Sink,
    /// Does a dry write in the directory of the state.
    State,
}

impl CheckStep {
    /// The steps that concern the registry.
    pub const OF_REGISTRY: [Self; 9] = [
        Self::Configuration,
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Ping,
        Self::Login,
        Self::Scope,
        Self::Page,
        Self::Tags,
    ];

    /// The stable name in reports: `configuration`, `dns`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ping => "ping",
            Self::Login => "login",
            Self::Scope => "scope",
            Self::Page => "page",
            Self::Tags => "tags",
            Self::Sink => "sink",
            Self::State => "state",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The step succeeded.
    Ok,
    /// The step succeeded, and something about it is worth knowing.
    Note,
    /// The step failed.
    Failed,
    /// The step was not done; the evidence says why.
    Skipped,
}

impl StepOutcome {
    /// The stable name in reports: `ok`, `note`, `failed`, `skipped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How severe a failure is, in ascending order. The exit code depends on the highest severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No step failed.
    Good,
    /// A step failed.
    Failed,
    /// A step failed because of the credentials.
    Authentication,
    /// A step failed because of the configuration.
    Configuration,
}

/// An observation: a name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was observed.
    pub what: &'static str,
    /// The observed value; safe to display.
    pub seen: String,
}

impl Fact {
    /// Creates a fact.
    pub fn new(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, seen: seen.into() }
    }
}

/// The symptom, the cause and the remedy of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The stable name of the rule, or the code of the error if no rule recognises it.
    pub rule: &'static str,
    /// The step that this diagnosis explains.
    pub step: CheckStep,
    /// What happened.
    pub symptom: String,
    /// Why it happened.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// The observations from which the diagnosis was derived.
    pub evidence: Vec<Fact>,
}

/// The result of one step, which may have been skipped.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The step.
    pub step: CheckStep,
    /// The name of the sink; none for other steps.
    pub subject: Option<String>,
    /// How the step ended.
    pub outcome: StepOutcome,
    /// What was observed. For a skipped step, the reason.
    pub evidence: Vec<Fact>,
    /// How long the step took.
    pub took: Duration,
    /// The diagnoses of this step; empty if nothing is wrong.
    pub diagnoses: Vec<Diagnosis>,
    /// How severe the failure is; [`Severity::Good`] if the step did not fail.
    pub severity: Severity,
}

/// The result of the check of one registry.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The registry.
    pub registry: RegistryName,
    /// Its URL.
    pub url: String,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// All requests with their responses.
    pub exchanges: Vec<Exchange>,
}

impl CheckReport {
    /// The highest severity of all steps.
    pub fn severity(&self) -> Severity {
        self.steps.iter().map(|step| step.severity).max().unwrap_or(Severity::Good)
    }

    /// All diagnoses, in the order of their steps.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        self.steps.iter().flat_map(|step| &step.diagnoses)
    }

    /// The JSON object that the documentation of [`check`](super) describes.
    pub fn to_json(&self, trace: bool) -> Value {
        let mut json = json!({
            "name": self.registry.as_str(),
            "url": self.url,
            "ok": self.severity() == Severity::Good,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        });
        if trace {
            json["exchanges"] = self.exchanges.iter().map(exchange).collect();
        }
        json
    }
}

fn step(report: &StepReport) -> Value {
    json!({
        "step": report.step.as_str(),
        "sink": report.subject,
        "outcome": report.outcome.as_str(),
        "evidence": facts(&report.evidence),
        "took_ms": milliseconds(report.took),
        "diagnosis": report.diagnoses.iter().map(diagnosis).collect::<Vec<_>>(),
    })
}

fn diagnosis(diagnosis: &Diagnosis) -> Value {
    json!({
        "rule": diagnosis.rule,
        "symptom": diagnosis.symptom,
        "cause": diagnosis.cause,
        "remedy": diagnosis.remedy,
        "evidence": facts(&diagnosis.evidence),
    })
}

fn facts(facts: &[Fact]) -> Value {
    facts.iter().map(|fact| json!({"what": fact.what, "seen": fact.seen})).collect()
}

fn exchange(exchange: &Exchange) -> Value {
    let mut json = json!({
        "about": exchange.about.as_str(),
        "method": exchange.method,
        "url": exchange.url,
        "query": pairs(&exchange.query),
        "headers": pairs(&exchange.headers),
        "form": pairs(&exchange.form),
        "took_ms": milliseconds(exchange.took),
    });
    match &exchange.reply {
        Err(why) => json["failure"] = why.as_str().into(),
        Ok(reply) => {
            json["answer"] = json!({
                "status": reply.status,
                "headers": pairs(&reply.headers),
                "challenges": reply.offers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "link": reply.link.as_ref().map(ToString::to_string),
                "said": reply.said,
                "bytes": reply.bytes,
                "token": reply.token.as_ref().map(token),
                "clock_ahead_s": reply.ahead_s,
            });
        }
    }
    json
}

fn token(token: &TokenFacts) -> Value {
    let claims = token.claims.as_ref().map(|claims| {
        json!({
            "sub": claims.sub, "aud": claims.aud, "access": claims.access,
            "iat": claims.iat, "nbf": claims.nbf, "exp": claims.exp,
        })
    });
    json!({
        "fields": token.fields,
        "bytes": token.bytes,
        "expires_in": token.expires_in,
        "issued_at": token.issued_at,
        "lifetime_s": token.lifetime.as_secs(),
        "lifetime_from": lifetime_source(token.source),
        "claims": claims,
    })
}

/// Pairs of a name and a value. A name may occur more than once.
fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| json!([name, value])).collect()
}

/// Where the lifetime of a token comes from.
pub(super) const fn lifetime_source(source: LifetimeSource) -> &'static str {
    match source {
        LifetimeSource::Stated => "expires_in",
        LifetimeSource::Claimed => "exp of the token",
        LifetimeSource::Assumed => "assumed: not stated",
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
