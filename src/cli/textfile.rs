//! `stocktake run --textfile FILE`: writes the metrics of runs to a file for the textfile collector of Prometheus' node
//! exporter. For installations without the daemon.

use std::io;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::metrics::{Metrics, write_textfile};
use crate::run::{Plan, RunReport};
use crate::state;
use crate::status::{Activity, RegistryStatus, TokenStatus};

/// The path, if the collector reads files of this name.
pub(super) fn name(text: &str) -> Result<PathBuf, &'static str> {
    let is_read = Path::new(text).extension().is_some_and(|ending| ending == "prom");
    if is_read { Ok(text.into()) } else { Err("the collector reads only files that end in .prom") }
}

/// Counts these runs in the metrics.
pub(super) fn count_in(plans: &mut [Plan], metrics: &Metrics) {
    for plan in plans {
        plan.meter = metrics.registry(&plan.name, &plan.sink_names());
    }
}

/// Writes the results of these runs. The reports are in the order of the plans.
///
/// # Errors
/// If the file cannot be replaced.
pub(super) fn write(path: &Path, metrics: &Metrics, plans: &[Plan], reports: &[RunReport]) -> io::Result<()> {
    for report in reports {
        metrics.run_ended(report);
    }
    let statuses: Vec<_> = plans.iter().zip(reports).map(|(plan, report)| status(plan, report)).collect();
    write_textfile(path, &metrics.expose_runs(&statuses))
}

fn status(plan: &Plan, report: &RunReport) -> RegistryStatus {
    let name = plan.name.clone();
    // If the run ended early, the history has not changed.
    let before = || state::history(&plan.state, &name).unwrap_or_default();
    RegistryStatus {
        url: plan.registry.url.to_string(),
        first_seen_at: clock::now(),
        schedule: None,
        activity: Activity::Idle,
        history: report.history.clone().unwrap_or_else(before),
        trouble: None,
        token: TokenStatus::None,
        concurrency: plan.registry.concurrency.get(),
        sinks: plan.sink_names(),
        name,
    }
}
