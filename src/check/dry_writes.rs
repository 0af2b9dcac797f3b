//! The last steps: a dry write in each sink and in the directory of the state. They leave no files.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::report::{CheckStep, Diagnosis, Fact, Severity, StepOutcome, StepReport};
use super::rules;
use crate::registry::chain;
use crate::run::Plan;
use crate::state::{self, StateError};

/// The timeout of a dry write.
const DRY_WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The steps of the sinks, in their order, and that of the state.
pub(super) async fn all(plan: &Plan) -> Vec<StepReport> {
    let mut steps = Vec::new();
    for (name, sink) in &plan.sinks {
        let begun = Instant::now();
        let failed = match timeout(DRY_WRITE_TIMEOUT, sink.probe()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(rules::of_sink(chain(&error), error.kind().remedy())),
            Err(_) => Some(rules::of_sink(no_response(), "check the target of the sink")),
        };
        steps.push(report(CheckStep::Sink, Some(name.clone()), begun, failed));
    }
    steps.push(in_state(plan).await);
    steps
}

async fn in_state(plan: &Plan) -> StepReport {
    let begun = Instant::now();
    let (root, name) = (plan.state.clone(), plan.name.clone());
    let probed = tokio::task::spawn_blocking(move || state::probe(&root, &name));
    let failed = match timeout(DRY_WRITE_TIMEOUT, probed).await {
        Ok(Ok(Ok(()))) => None,
        // Only the daemon writes there; root has asked for the registry.
        Ok(Ok(Err(error @ StateError::DynamicUser { .. }))) => return skipped(begun, &error),
        Ok(Ok(Err(error))) => Some(rules::of_state(chain(&error))),
        // The task never panics.
        Ok(Err(_)) | Err(_) => Some(rules::of_state(no_response())),
    };
    report(CheckStep::State, None, begun, failed)
}

fn skipped(begun: Instant, error: &StateError) -> StepReport {
    let evidence = vec![Fact::new("why", chain(error))];
    StepReport { outcome: StepOutcome::Skipped, evidence, ..report(CheckStep::State, None, begun, None) }
}

fn no_response() -> String {
    format!("no response within {} s", DRY_WRITE_TIMEOUT.as_secs())
}

fn report(step: CheckStep, subject: Option<String>, begun: Instant, failed: Option<Diagnosis>) -> StepReport {
    let good = || vec![Fact::new("dry write", "succeeded; its files were removed")];
    let (outcome, severity, evidence) = match &failed {
        None => (StepOutcome::Ok, Severity::Good, good()),
        Some(_) => (StepOutcome::Failed, Severity::Failed, Vec::new()),
    };
    let (took, diagnoses) = (begun.elapsed(), failed.into_iter().collect());
    StepReport { step, subject, outcome, evidence, took, diagnoses, severity }
}
