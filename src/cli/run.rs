//! `stocktake run`: the configured registries, several at once, until all are done or a signal comes.

use futures::{StreamExt, stream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::progress::Bars;
use super::{Exit, complain, summary};
use crate::config::Config;
use crate::plans::{PlanError, plans};
use crate::run::{Plan, Run, RunReport, chain};

pub(super) async fn run(config: &Config, wanted: &[String], dry_run: bool, bars: &Bars) -> Exit {
    let plans = match plans(config, wanted) {
        Ok(plans) => plans,
        Err(e) => return no_plan(&e),
    };
    let stop = stop_on_signals();
    let reports = all(&plans, config.concurrency.get(), dry_run, bars, &stop).await;
    complain(&summary::of(&reports));
    if stop.is_cancelled() { Exit::Interrupted } else { Exit::of(&reports) }
}

/// Runs every plan, at most `concurrency` at once; reports come in the order of the plans.
pub(super) async fn all(
    plans: &[Plan],
    concurrency: usize,
    dry_run: bool,
    bars: &Bars,
    stop: &CancellationToken,
) -> Vec<RunReport> {
    let one = |plan| async move {
        let run = Run::new(plan);
        let (name, watch) = (plan.registry.name.as_str(), run.watch());
        if dry_run {
            bars.during(name, watch, run.rehearse(stop)).await
        } else {
            bars.during(name, watch, run.publish(stop)).await
        }
    };
    stream::iter(plans).map(one).buffered(concurrency).collect().await
}

pub(super) fn no_plan(error: &PlanError) -> Exit {
    complain(&chain(error));
    match error {
        PlanError::UnknownRegistry { .. } => Exit::Usage,
        PlanError::Sink { .. } => Exit::Configuration,
    }
}

/// A token that SIGINT or SIGTERM cancels. A second signal ends the process at once.
pub(super) fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        info!("stopping; what is unpublished is discarded, a second signal ends at once");
        cancelled.cancel();
        next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    stop
}
