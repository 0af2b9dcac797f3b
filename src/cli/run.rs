//! `stocktake run`: the configured registries, several at once, until all are done or a signal comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use stocktake_sink::Sink;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::progress::Bars;
use super::{Exit, complain, summary};
use crate::config::{self, Config};
use crate::run::{Plan, Run, RunReport, chain};

pub(super) async fn run(config: &Config, wanted: &[String], dry_run: bool, bars: &Bars) -> Exit {
    let plans = match plans(config, wanted) {
        Ok(plans) => plans,
        Err((exit, message)) => {
            complain(&message);
            return exit;
        }
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

/// The plans of the registries asked for, their sinks built once and shared.
pub(super) fn plans(config: &Config, wanted: &[String]) -> Result<Vec<Plan>, (Exit, String)> {
    let known: Vec<&str> = config.registries.iter().map(|r| r.client.name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = config::suggest(unknown, &known);
        let hint = hint.map_or_else(String::new, |name| format!(" Did you mean `{name}`?"));
        let message = format!("no registry is named `{unknown}`; there are: {}.{hint}", known.join(", "));
        return Err((Exit::Usage, message));
    }
    let mut sinks: BTreeMap<&str, Arc<dyn Sink>> = BTreeMap::new();
    for (name, settings) in &config.sinks {
        let built = settings.build();
        let sink = built.map_err(|e| (Exit::Configuration, format!("sink {name}: {} ({})", chain(&e), e.kind().remedy())))?;
        sinks.insert(name, sink);
    }
    let chosen = config.registries.iter().filter(|r| wanted.is_empty() || wanted.iter().any(|w| w == r.client.name.as_str()));
    let plan = |registry: &config::RegistryConfig| Plan {
        registry: registry.client.clone(),
        walk: registry.walk.clone(),
        judge: registry.judge,
        sinks: registry.sinks.iter().filter_map(|s| Some((s.clone(), Arc::clone(sinks.get(s.as_str())?)))).collect(),
        state: config.state.clone(),
        config_sha256: config.sha256.clone(),
    };
    Ok(chosen.map(plan).collect())
}

/// A token that SIGINT or SIGTERM cancels. A second signal ends the process at once.
pub(super) fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
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
