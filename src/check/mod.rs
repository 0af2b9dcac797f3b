//! `check`: does the steps of a run one by one, from the name resolution of the host to a dry write in each sink and in the state. For each
//! step that fails it reports the symptom, the cause and the remedy. It publishes nothing and leaves no files behind.
//!
//! `registry::examine` does the steps with the client's own code and returns plain data. `evidence` collects that data,
//! `rules` derives the diagnoses from it, and `report` holds the result.
//!
//! # What it cannot see
//!
//! Each request is sent once, without waiting, so an intermittent fault may not occur. If a server refuses a token before
//! the end of its lifetime ("works, then 401 after N minutes"), `check` finds this only in two cases: the times in the
//! token contradict the lifetime that the token endpoint states, or the server calls a new token expired. A run renews
//! such a token and continues. With a proxy, the steps below HTTP are skipped, because they may be impossible from this
//! machine. If the names do not come from the catalog, `check` requests only the first page; with an API, only the first
//! page of each configured list.
//!
//! # JSON
//!
//! ```text
//! {"registries": [{
//!    "name", "url",
//!    "ok":      no step failed
//!    "steps": [{
//!       "step":      configuration | dns | tcp | tls | ping | login | scope | page | tags | sink | state
//!       "sink":      the sink's name, null for other steps
//!       "outcome":   ok | note | failed | skipped
//!       "evidence":  [{"what", "seen"}]; if the step was skipped, "what" is "why"
//!       "took_ms"
//!       "diagnosis": [{"rule", "symptom", "cause", "remedy", "evidence": [{"what", "seen"}]}]; empty if nothing is wrong
//!    }]
//!    "exchanges": only with --trace: [{
//!       "about":     ping | token | catalog | tags | other
//!       "method", "url", "took_ms"
//!       "query", "headers", "form": [[name, value]], secrets removed
//!       "failure":   why there is no response, or
//!       "answer":    {"status", "headers", "challenges", "link", "said", "bytes", "clock_ahead_s",
//!                     "token": {"fields", "bytes", "expires_in", "issued_at", "lifetime_s", "lifetime_from",
//!                               "claims": {"sub", "aud", "access", "iat", "nbf", "exp"}}}
//!    }]
//! }]}
//! ```
//!
//! Fields are added, never renamed. `rule` is the `id` of one of the [`RULES`], `sink`, `state`, or the code of a registry error.

mod dry_writes;
mod evidence;
mod facts;
mod perform;
mod report;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use evidence::{DiscoveryLogin, Evidence, StepFailure};
pub use report::{CheckReport, CheckStep, Diagnosis, Fact, Severity, StepOutcome, StepReport};
pub use rules::{DiagnosisRule, RULES, diagnose};

use crate::registry::examine::Exchange;
use crate::run::Plan;
use perform::CheckRun;

/// Checks one registry and its sinks.
pub async fn check(plan: &Plan) -> CheckReport {
    let CheckRun { evidence, mut steps, .. } = CheckRun::of(plan).await;
    let mut found = diagnose(&evidence);
    for failure in &evidence.failures {
        if !found.iter().any(|diagnosis| diagnosis.step == failure.step) {
            found.push(rules::unknown(&evidence, failure));
        }
    }
    for diagnosis in found {
        // A diagnosis of a successful step becomes a note.
        if let Some(step) = steps.iter_mut().find(|done| done.step == diagnosis.step) {
            if step.outcome == StepOutcome::Ok {
                step.outcome = StepOutcome::Note;
            }
            step.diagnoses.push(diagnosis);
        }
    }
    let (registry, url) = (plan.name.clone(), plan.registry.url.to_string());
    CheckReport { registry, url, steps, exchanges: evidence.exchanges }
}

/// What is known of the token in the response of an exchange; empty if there is none.
pub fn trace(exchange: &Exchange) -> Vec<Fact> {
    let token = exchange.answer().and_then(|reply| reply.token.as_ref());
    token.map_or_else(Vec::new, |token| facts::trace(exchange, token))
}

/// The reports of all registries as one JSON object.
pub fn to_json(reports: &[CheckReport], trace: bool) -> Value {
    json!({"registries": reports.iter().map(|report| report.to_json(trace)).collect::<Vec<_>>()})
}
