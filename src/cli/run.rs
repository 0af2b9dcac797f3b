//! `stocktake run`: runs the configured registries, several at a time, until all are done or a signal stops them.

use std::path::PathBuf;

use futures::{StreamExt, stream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::exit::Exit;
use super::logging::LogFormat;
use super::output::{complain, tell};
use super::progress::Bars;
use super::{summary, terminal, textfile};
use crate::config::Config;
use crate::descriptors;
use crate::metrics::Metrics;
use crate::plans::{PlanError, plans};
use crate::registry::chain;
use crate::run::{Plan, Run, RunReport};

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct RunArguments {
    /// Registries by their configured names [default: all]
    #[arg(value_name = "REGISTRY")]
    registries: Vec<String>,
    /// Walk and count, but write nothing
    #[arg(long)]
    dry_run: bool,
    /// Publish for once even though the registry has lost more than `shrink_limit` allows, or everything; name the
    /// registries
    #[arg(long, requires = "registries")]
    accept_shrink: bool,
    /// Write metrics of these runs to this file, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE.prom", conflicts_with = "dry_run", value_parser = textfile::name)]
    textfile: Option<PathBuf>,
}

pub(super) async fn run(
    config: &Config,
    arguments: &RunArguments,
    metrics: &Metrics,
    format: LogFormat,
    bars: &Bars,
) -> Exit {
    for note in &config.notes {
        info!("{}", note.to_string().replace("\n    ", "; "));
    }
    let mut plans = match plans(config, &arguments.registries) {
        Ok(plans) => plans,
        Err(e) => return no_plan(&e),
    };
    if let Some(exit) = unusable_proxies(&plans) {
        return exit;
    }
    textfile::count_in(&mut plans, metrics);
    let stop = stop_on_signals();
    let concurrency = descriptors::at_once(config.concurrency, &plans, false);
    let manner = RunManner { dry_run: arguments.dry_run, accepts_loss: arguments.accept_shrink };
    let reports = all(&plans, concurrency.get(), manner, bars, &stop).await;
    // In the JSON log, events have all of this.
    if format == LogFormat::Text {
        tell(&summary::of(&reports, terminal::width_of_stderr()));
    }
    let exit = Exit::of(&reports);
    let Some(path) = &arguments.textfile else { return exit };
    match textfile::write(path, metrics, &plans, &reports) {
        Ok(()) => exit,
        Err(e) => {
            complain(&format!("cannot write the metrics to {}: {e}", path.display()));
            if exit == Exit::Good { Exit::Failed } else { exit }
        }
    }
}

/// How runs by hand are made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunManner {
    /// Write nothing.
    pub(super) dry_run: bool,
    /// Publish although the registry has lost something.
    pub(super) accepts_loss: bool,
}

/// Names the variables of the environment that name no usable proxy: such a proxy is part of the configuration.
fn unusable_proxies(plans: &[Plan]) -> Option<Exit> {
    let wrong: Vec<_> = plans.iter().filter_map(|plan| Some((plan, plan.registry.check_proxy().err()?))).collect();
    for (plan, error) in &wrong {
        complain(&format!("{}: {}\n  what to do: {}", plan.name.as_str(), chain(error), error.remedy()));
    }
    (!wrong.is_empty()).then_some(Exit::Configuration)
}

/// Runs every plan, at most `concurrency` at the same time. Reports are in the order of the plans.
pub(super) async fn all(
    plans: &[Plan],
    concurrency: usize,
    manner: RunManner,
    bars: &Bars,
    stop: &CancellationToken,
) -> Vec<RunReport> {
    let one = |(at, plan)| async move {
        let run = Run::new(plan).accepting_loss(manner.accepts_loss);
        let (name, watch) = (plan.name.as_str(), run.watch());
        let report = if manner.dry_run {
            bars.during(name, watch, Box::pin(run.rehearse(stop))).await
        } else {
            bars.during(name, watch, Box::pin(run.publish(stop))).await
        };
        report.log();
        (at, report)
    };
    // `buffered` would start no new run while the first one is slow and the others are done.
    let runs = stream::iter(plans.iter().enumerate()).map(one).buffer_unordered(concurrency);
    let mut reports: Vec<(usize, RunReport)> = runs.collect().await;
    reports.sort_by_key(|(at, _)| *at);
    reports.into_iter().map(|(_, report)| report).collect()
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
        info!("stopping; nothing more is published; a second signal stops at once");
        cancelled.cancel();
        next().await;
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    stop
}
