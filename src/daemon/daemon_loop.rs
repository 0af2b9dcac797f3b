//! The loop of the daemon: one task that starts runs and receives their reports, signals, and requests of the listener.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::announce;
use super::backend::{DaemonBackend, RunRequest};
use super::loaded::LoadedConfig;
use super::run_queue::{QueuedRun, RunQueue};
use super::running_listener::RunningListener;
use super::service_manager::ServiceManager;
use super::signals::{Signal, Signals};
use super::slot_store::SlotStore;
use super::status_board::StatusBoard;
use super::ticker::Ticker;
use crate::clock;
use crate::metrics::Metrics;
use crate::run::{Plan, Run, RunReport, RunSeverity};
use crate::web::{RunAccepted, RunRefused};
use crate::words::counted;

/// The time that runs have to stop. With everything after it, a stop takes less than ten seconds.
const RUNS_STOP: Duration = Duration::from_secs(7);
/// The time over which runs that start together are spread.
const SPREAD: Duration = Duration::from_millis(900);
/// For this time the listener still answers that the daemon is stopping. To end, it may take three seconds more.
const LISTENER_STOPS_AFTER: Duration = Duration::from_secs(4);

/// The state of the loop.
pub(super) struct DaemonLoop {
    /// The file of the configuration; none for the usual places.
    pub(super) file: Option<PathBuf>,
    pub(super) loaded: Arc<LoadedConfig>,
    pub(super) metrics: Metrics,
    pub(super) board: Arc<StatusBoard>,
    pub(super) queue: RunQueue,
    pub(super) store: SlotStore,
    pub(super) listener: RunningListener,
    pub(super) backend: Arc<DaemonBackend>,
    pub(super) service_manager: ServiceManager,
    pub(super) requests: mpsc::Receiver<RunRequest>,
    pub(super) runs: JoinSet<RunReport>,
    /// The runs in progress by their tasks.
    pub(super) started: HashMap<Id, QueuedRun>,
    pub(super) stop: CancellationToken,
    pub(super) observing: CancellationToken,
    pub(super) ticked: Instant,
}

impl DaemonLoop {
    /// Runs until a signal asks for a stop.
    pub(super) async fn run(&mut self, mut ticker: Ticker, mut signals: Signals) {
        self.tick(clock::now());
        announce::next(&self.loaded, &self.queue, &self.board.status());
        self.service_manager.ready();
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Stop => break,
                    Signal::Reload => if self.reload(&mut signals, &mut ticker).await.is_break() { break },
                    Signal::RunAll => self.run_all(),
                },
                Some(ended) = self.runs.join_next_with_id(), if !self.runs.is_empty() => self.ended(ended),
                Some(request) = self.requests.recv() => self.reply_to(request),
                () = ticker.tick() => self.tick(clock::now()),
            }
            self.start_runs();
            self.board.follow(&self.queue);
        }
        // A second signal to stop means that the operator does not want to wait.
        signals.exit_at_the_next();
        ticker.stop().await;
    }

    /// Queues the runs that are due, and tells the service manager that the loop is running.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) {
        let slept = self.ticked.elapsed();
        self.ticked = Instant::now();
        self.board.ticked(now);
        let tick = self.queue.queue_due_runs(now, slept);
        for skipped in &tick.skipped {
            self.metrics.skipped(&skipped.registry, skipped.reason, skipped.count);
        }
        self.store_slots(&tick.changed);
        self.start_runs();
        self.board.follow(&self.queue);
        self.service_manager.alive(|| self.board.summary());
    }

    /// Writes the slots of these registries to the store.
    pub(super) fn store_slots(&self, changed: &[RegistryName]) {
        for name in changed {
            if let Some(past) = self.queue.past(name) {
                self.store.keep(name, self.loaded.schedules.get(name), past);
            }
        }
    }

    /// Starts as many queued runs as `concurrency` allows. Their starts are spread over almost a second, so that slots that many
    /// registries share leave processor time for other tasks.
    pub(super) fn start_runs(&mut self) {
        let free = self.loaded.concurrency.get().saturating_sub(self.started.len());
        let runs: Vec<_> = std::iter::from_fn(|| self.queue.next()).take(free).collect();
        let count = u32::try_from(runs.len()).unwrap_or(u32::MAX).max(1);
        for (nth, run) in (0..).zip(runs) {
            self.start(run, SPREAD * nth / count);
        }
    }

    fn start(&mut self, queued: QueuedRun, wait: Duration) {
        let Some(plan) = self.loaded.plans.get(&queued.registry).cloned() else {
            self.queue.ended(&queued.registry, queued.slot);
            return;
        };
        let (stop, board) = (self.stop.clone(), Arc::clone(&self.board));
        board.begins(&queued.registry);
        let asked = queued.clone();
        let task = self.runs.spawn(async move { Box::pin(run(&plan, &asked, wait, &board, &stop)).await });
        self.started.insert(task.id(), queued);
    }

    pub(super) fn ended(&mut self, ended: Result<(Id, RunReport), JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(e) => {
                self.metrics.panicked();
                (e.id(), None)
            }
        };
        let Some(QueuedRun { registry, slot, .. }) = self.started.remove(&id) else { return };
        // A run that was told to stop takes its slot again after a restart.
        let is_over = report.as_ref().is_none_or(|report| report.severity() != RunSeverity::Interrupted);
        self.queue.ended(&registry, slot.filter(|_| is_over));
        self.store_slots(std::slice::from_ref(&registry));
        let Some(report) = report else {
            error!(%registry, "the run of {registry} failed because of a bug in stocktake; please report it");
            self.board.ended(&registry, None);
            return;
        };
        report.log();
        self.metrics.run_ended(&report);
        self.board.ended(&registry, Some(&report));
    }

    fn run_all(&mut self) {
        let queued: Vec<_> = self.loaded.plans.keys().filter(|name| self.queue.queue_now(name)).collect();
        info!("a signal requested runs of {}", counted(queued.len(), "registry", "registries"));
    }

    fn reply_to(&mut self, request: RunRequest) {
        let known = self.loaded.plans.keys().find(|name| name.as_str() == request.registry);
        let is_free = self.started.len() < self.loaded.concurrency.get();
        let reply = match known {
            None => Err(RunRefused::NoSuchRegistry),
            Some(name) if self.queue.queue_requested(name, request.accepts_loss) => {
                Ok(if is_free { RunAccepted::Started } else { RunAccepted::Queued })
            }
            Some(_) => Ok(RunAccepted::AlreadyRunning),
        };
        // The client may have disconnected; the run takes place all the same.
        let _ = request.reply.send(reply);
    }

    /// Tells all runs to stop, and waits for them for a limited time.
    pub(super) async fn end(mut self) {
        self.board.stopping();
        self.service_manager.stopping(&self.board.summary());
        self.stop.cancel();
        // The loop does not reply any more: waiting requests are refused.
        self.requests.close();
        while self.requests.try_recv().is_ok() {}
        let deadline = tokio::time::sleep(RUNS_STOP);
        let listener_stops = tokio::time::sleep(LISTENER_STOPS_AFTER);
        tokio::pin!(deadline, listener_stops);
        loop {
            tokio::select! {
                biased;
                ended = self.runs.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended),
                    None => break,
                },
                () = &mut listener_stops, if !self.listener.is_stopping() => self.listener.stop(),
                () = &mut deadline => {
                    let count = self.started.len();
                    let runs = counted(count, "run does", "runs do");
                    warn!("{runs} not stop in time; the next run continues the aborted work, or removes it");
                    break;
                }
            }
        }
        self.observing.cancel();
        self.listener.close().await;
        self.store.close().await;
        info!("stopped; nothing unfinished was published");
    }
}

/// One run, whose progress the status board shows.
async fn run(
    plan: &Plan,
    asked: &QueuedRun,
    wait: Duration,
    board: &StatusBoard,
    stop: &CancellationToken,
) -> RunReport {
    // After a stop the run still has to make its report.
    let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    let run = asked.slot.map_or_else(|| Run::new(plan), |slot| Run::scheduled(plan, slot));
    let run = run.accepting_loss(asked.accepts_loss);
    board.watch(&plan.name, run.watch());
    Box::pin(run.publish(stop)).await
}
