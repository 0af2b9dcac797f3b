//! `check`: goes the way of a run step by step, from the name of the host to a dry write in each sink, and says of
//! whatever fails what it is, why, and what to do. It publishes nothing and leaves nothing behind.
//!
//! `registry::examine` does the steps with the client's own code and gives plain data; `evidence` gathers it, `rules`
//! draw the conclusions, `report` is what comes out.
//!
//! # What it cannot see
//!
//! Each request is sent once, and nobody waits: a fault that comes and goes may not come. A server that refuses a token
//! which by all it says is alive ("works, then 401 after N minutes") is found only where the token's own times
//! contradict its stated lifetime, or where a token is said to have expired as soon as it came; a run renews such a token
//! and goes on. Behind a proxy, the steps below HTTP are left out: they need not work from here. Of a source of names
//! that is not the catalog, the first page is all that is tried; of an API, the first page of each list that is configured.
//!
//! # JSON
//!
//! ```text
//! {"registries": [{
//!    "name", "url",
//!    "ok":      no step failed
//!    "steps": [{
//!       "step":      configuration | dns | tcp | tls | ping | login | scope | page | tags | sink
//!       "sink":      the sink's name, null for other steps
//!       "outcome":   ok | note | failed | skipped
//!       "evidence":  [{"what", "seen"}]; of a step that was skipped, "what" is "why"
//!       "took_ms"
//!       "diagnosis": [{"rule", "symptom", "cause", "remedy", "evidence": [{"what", "seen"}]}]; empty where all is well
//!    }]
//!    "exchanges": with --trace alone: [{
//!       "about":     ping | token | catalog | tags | other
//!       "method", "url", "took_ms"
//!       "query", "headers", "form": [[name, value]], secrets cut
//!       "failure":   why there is no answer, or
//!       "answer":    {"status", "headers", "challenges", "link", "said", "bytes", "clock_ahead_s",
//!                     "token": {"fields", "bytes", "expires_in", "issued_at", "lifetime_s", "lifetime_from",
//!                               "claims": {"sub", "aud", "access", "iat", "nbf", "exp"}}}
//!    }]
//! }]}
//! ```
//!
//! Fields are added, never renamed. `rule` is a word of [`RULES`], `sink`, or a registry's kind of failure.

mod evidence;
mod facts;
mod perform;
mod report;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use evidence::{Evidence, Failure, Login};
pub use report::{Diagnosis, Fact, Outcome, Report, Severity, Step, StepReport};
pub use rules::{RULES, Rule, diagnose};

use crate::registry::examine::Exchange;
use crate::run::Plan;
use facts::lifetime_source;
use perform::Performance;

/// Checks one registry and its sinks.
pub async fn check(plan: &Plan) -> Report {
    let Performance { evidence, mut steps, .. } = Performance::of(plan).await;
    let mut found = diagnose(&evidence);
    for failure in &evidence.failures {
        if !found.iter().any(|diagnosis| diagnosis.step == failure.step) {
            found.push(rules::unknown(&evidence, failure));
        }
    }
    for diagnosis in found {
        // Of a step that went well, it is something to know.
        if let Some(step) = steps.iter_mut().find(|done| done.step == diagnosis.step) {
            if step.outcome == Outcome::Ok {
                step.outcome = Outcome::Note;
            }
            step.diagnoses.push(diagnosis);
        }
    }
    let (registry, url) = (plan.name.clone(), plan.registry.url.to_string());
    Report { registry, url, steps, exchanges: evidence.exchanges }
}

/// What an exchange brought, where that was a token.
pub fn trace(exchange: &Exchange) -> Vec<Fact> {
    let token = exchange.answer().and_then(|reply| reply.token.as_ref());
    token.map_or_else(Vec::new, |token| facts::trace(exchange, token))
}

/// All registries as one object.
pub fn to_json(reports: &[Report], trace: bool) -> Value {
    json!({"registries": reports.iter().map(|report| report.to_json(trace)).collect::<Vec<_>>()})
}
