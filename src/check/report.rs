//! What a check tells: steps, each with its outcome and evidence, and a diagnosis where one is known. Data, and its JSON.

use std::time::Duration;

use serde_json::{Value, json};
use stocktake_sink::RegistryName;

use crate::registry::examine::{Exchange, TokenFacts};

/// The steps, in the order in which they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Names and settings; nothing is sent.
    Configuration,
    /// The host's addresses.
    Dns,
    /// A connection.
    Tcp,
    /// A handshake, and whether the certificate is trusted.
    Tls,
    /// `/v2/` without credentials.
    Ping,
    /// Credentials, or a token in return for them.
    Login,
    /// What the token is good for.
    Scope,
    /// The first page of names.
    Page,
    /// One repository's tags.
    Tags,
    /// A dry write in one sink.
    Sink,
}

impl Step {
    /// Those that concern the registry.
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

    /// A stable word: `configuration`, `dns`, …
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
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// Well, with something to know.
    Note,
    /// Badly.
    Failed,
    /// It was not done; the evidence says why.
    Skipped,
}

impl Outcome {
    /// A stable word: `ok`, `note`, `failed`, `skipped`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The worst thing to be said of a registry, from good to bad; what the exit code is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Every step that could be done went well.
    Good,
    /// A step failed.
    Failed,
    /// A credential is to blame.
    Authentication,
    /// The configuration is to blame.
    Configuration,
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is.
    pub what: &'static str,
    /// What was seen of it, fit to be shown.
    pub seen: String,
}

impl Fact {
    /// A fact.
    pub fn new(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, seen: seen.into() }
    }
}

/// What is wrong, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// A stable word for the rule that fired, or for the kind of failure where no rule knows it.
    pub rule: &'static str,
    /// The step that it explains.
    pub step: Step,
    /// What was met.
    pub symptom: String,
    /// What lies behind it.
    pub cause: String,
    /// What to do.
    pub remedy: String,
    /// What it is concluded from.
    pub evidence: Vec<Fact>,
}

/// One step, done or not.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Which.
    pub step: Step,
    /// The sink, where it is one's.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen; of a step that was skipped, why.
    pub evidence: Vec<Fact>,
    /// How long it took.
    pub took: Duration,
    /// What is wrong, where something is.
    pub diagnoses: Vec<Diagnosis>,
    /// How bad a failure it is.
    pub severity: Severity,
}

/// What was found out about one registry.
#[derive(Clone, Debug)]
pub struct Report {
    /// The registry.
    pub registry: RegistryName,
    /// Its URL.
    pub url: String,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// What went over the wire.
    pub exchanges: Vec<Exchange>,
}

impl Report {
    /// The worst of its steps.
    pub fn severity(&self) -> Severity {
        self.steps.iter().map(|step| step.severity).max().unwrap_or(Severity::Good)
    }

    /// All diagnoses, in the order of their steps.
    pub fn diagnoses(&self) -> impl Iterator<Item = &Diagnosis> {
        self.steps.iter().flat_map(|step| &step.diagnoses)
    }

    /// See the room's documentation for the shape.
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
        "lifetime_from": super::lifetime_source(token.source),
        "claims": claims,
    })
}

/// Pairs of a name and a value: a name may occur again.
fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| json!([name, value])).collect()
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
