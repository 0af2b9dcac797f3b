//! The long-running job: turns once a second, starts the runs that are due, and answers signals and the listener. All
//! decisions are made in one loop, `Daemon::turn_until_stopped`; runs are tasks that report back to it.
//!
//! `loaded` is a configuration ready to run, `roster` what is known of each registry and whose turn it is, `memory` what
//! outlives a restart, `tower` what the listener sees, `ticker`, `notify` and `signals` the world outside.

mod loaded;
mod memory;
mod notify;
mod observer;
mod roster;
mod signals;
mod start;
mod ticker;
mod tower;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock;
use crate::metrics::Metrics;
use crate::run::{Plan, Run, RunReport, Severity};
use crate::web::{RunAccepted, RunRefused};
use loaded::Loaded;
use memory::Memory;
pub use memory::MemoryError;
use notify::Supervisor;
use roster::{Order, Roster};
use signals::{Signal, Signals};
pub use start::{DaemonError, Options};
use start::{Serving, Window};
use ticker::Ticker;
use tower::Tower;

/// How long runs have to notice that they are to stop. With all that comes after, a stop takes less than ten seconds.
const PATIENCE: Duration = Duration::from_secs(7);
/// What begins in one go is spread over so much time.
const SPREAD: Duration = Duration::from_millis(900);
/// Until then the listener says that we stop; its own end may take three seconds.
const LAST_ANSWERS: Duration = Duration::from_secs(4);

/// Somebody's wish for a run of one registry now.
#[derive(Debug)]
struct Wish {
    registry: String,
    answer: oneshot::Sender<Result<RunAccepted, RunRefused>>,
}

/// Runs until a signal ends it.
///
/// # Errors
/// Only before it is ready: the configuration, the state directory or the listener cannot be used.
pub async fn daemon(options: Options) -> Result<(), DaemonError> {
    let mut signals = Signals::listen()?;
    let ticker = Ticker::start().await?;
    let prepared = tokio::select! {
        biased;
        () = signals.stop() => {
            info!("stopped before it was ready");
            return Ok(());
        }
        prepared = Daemon::prepare(options) => prepared,
    };
    let mut daemon = prepared?;
    daemon.turn_until_stopped(ticker, signals).await;
    daemon.end().await;
    Ok(())
}

struct Daemon {
    options: Options,
    loaded: Arc<Loaded>,
    metrics: Metrics,
    tower: Arc<Tower>,
    roster: Roster,
    memory: Memory,
    serving: Serving,
    window: Arc<Window>,
    supervisor: Supervisor,
    wishes: mpsc::Receiver<Wish>,
    runs: JoinSet<RunReport>,
    /// What they are for.
    orders: HashMap<Id, Order>,
    stop: CancellationToken,
    observing: CancellationToken,
    ticked: Instant,
}

impl Daemon {
    async fn turn_until_stopped(&mut self, mut ticker: Ticker, mut signals: Signals) {
        self.tick(clock::now());
        self.supervisor.ready();
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Stop => break,
                    Signal::Reload => if self.reload(&mut signals, &mut ticker).await.is_break() { break },
                    Signal::RunAll => self.run_all(),
                },
                Some(ended) = self.runs.join_next_with_id(), if !self.runs.is_empty() => self.ended(ended),
                Some(wish) = self.wishes.recv() => self.grant(wish),
                () = ticker.tick() => self.tick(clock::now()),
            }
            self.start_what_may();
            self.tower.follow(&self.roster);
        }
        // Whoever asks once more does not want to wait.
        signals.exit_at_the_next();
        ticker.stop().await;
    }

    /// One turn of the loop: what is due is ordered, and the supervisor hears that we are alive.
    fn tick(&mut self, now: DateTime<Utc>) {
        let slept = self.ticked.elapsed();
        self.ticked = Instant::now();
        self.tower.ticked(now);
        let turn = self.roster.order_what_is_due(now, slept);
        for skipped in &turn.skipped {
            self.metrics.skipped(&skipped.registry, skipped.why, skipped.count);
        }
        self.keep(&turn.changed);
        self.start_what_may();
        self.tower.follow(&self.roster);
        self.supervisor.alive(|| self.tower.summary());
    }

    /// Writes down what is to be remembered of these.
    fn keep(&self, changed: &[RegistryName]) {
        for name in changed {
            if let Some(past) = self.roster.past(name) {
                self.memory.keep(name, self.loaded.schedules.get(name), past);
            }
        }
    }

    /// Begins as many runs as `concurrency` allows. What begins in one go is spread over a second, so that slots that many
    /// registries share leave the processor to others in between.
    fn start_what_may(&mut self) {
        let room = self.loaded.concurrency.get().saturating_sub(self.orders.len());
        let orders: Vec<_> = std::iter::from_fn(|| self.roster.next()).take(room).collect();
        let count = u32::try_from(orders.len()).unwrap_or(u32::MAX).max(1);
        for (nth, order) in (0..).zip(orders) {
            self.begin(order, SPREAD * nth / count);
        }
    }

    fn begin(&mut self, order: Order, wait: Duration) {
        let Some(plan) = self.loaded.plans.get(&order.registry).cloned() else {
            self.roster.ended(&order.registry, order.slot);
            return;
        };
        let (registry, stop, tower) = (order.registry.clone(), self.stop.clone(), Arc::clone(&self.tower));
        tower.begins(&registry);
        let slot = order.slot;
        let task = self.runs.spawn(async move { Box::pin(one(&plan, slot, wait, &tower, &stop)).await });
        self.orders.insert(task.id(), order);
    }

    fn ended(&mut self, ended: Result<(Id, RunReport), JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(e) => {
                self.metrics.panicked();
                (e.id(), None)
            }
        };
        let Some(Order { registry, slot }) = self.orders.remove(&id) else { return };
        // One that was told to stop, as it walked or as sinks took it, takes its slot again when the daemon is back.
        let is_over = report.as_ref().is_none_or(|report| report.severity() != Severity::Interrupted);
        self.roster.ended(&registry, slot.filter(|_| is_over));
        self.keep(std::slice::from_ref(&registry));
        let Some(report) = report else {
            error!(%registry, "the run of {registry} came to an end by a fault of stocktake's own; please report it");
            self.tower.ended(&registry, None);
            return;
        };
        report.log();
        self.metrics.run_ended(&report);
        self.tower.ended(&registry, Some(&report));
    }

    fn run_all(&mut self) {
        let now: Vec<_> = self.loaded.plans.keys().filter(|name| self.roster.order_now(name)).collect();
        info!("runs of {} registries are asked for by a signal", now.len());
    }

    fn grant(&mut self, wish: Wish) {
        let known = self.loaded.plans.keys().find(|name| name.as_str() == wish.registry);
        let is_room = self.orders.len() < self.loaded.concurrency.get();
        let answer = match known {
            None => Err(RunRefused::NoSuchRegistry),
            Some(name) if self.roster.order_now(name) => {
                Ok(if is_room { RunAccepted::Started } else { RunAccepted::Queued })
            }
            Some(_) => Ok(RunAccepted::AlreadyRunning),
        };
        // Whoever asked may have gone; the run takes place.
        let _ = wish.answer.send(answer);
    }

    /// Takes the configuration as it is now, as a whole; or keeps the one there is, and says why. A disk that does not
    /// answer keeps neither the schedule waiting nor whoever wants to stop.
    async fn reload(&mut self, signals: &mut Signals, ticker: &mut Ticker) -> ControlFlow<()> {
        self.supervisor.reloading();
        let loading = start::load(self.options.file.clone());
        tokio::pin!(loading);
        let loaded = loop {
            tokio::select! {
                biased;
                () = signals.stop() => return ControlFlow::Break(()),
                loaded = &mut loading => break loaded,
                Some(ended) = self.runs.join_next_with_id(), if !self.runs.is_empty() => self.ended(ended),
                () = ticker.tick() => self.tick(clock::now()),
            }
            self.start_what_may();
        };
        let taken = tokio::select! {
            biased;
            () = signals.stop() => return ControlFlow::Break(()),
            taken = async { self.take(loaded?).await } => taken,
        };
        match taken {
            Ok(()) => {
                info!(file = %self.loaded.file.display(), "the configuration is reloaded: {} registries", self.loaded.plans.len());
                // Before anybody looks: until then nothing is known of the next slots.
                self.tick(clock::now());
            }
            Err(e) => {
                warn!("the configuration is not reloaded, the one before stays in use: {e}");
                self.tower.not_reloaded(e);
            }
        }
        self.supervisor.ready();
        ControlFlow::Continue(())
    }

    /// Tells all runs to stop, and waits for them a little.
    async fn end(mut self) {
        self.tower.stopping();
        self.supervisor.stopping(&self.tower.summary());
        self.stop.cancel();
        // Nobody waits for an answer that the loop does not give any more.
        self.wishes.close();
        while self.wishes.try_recv().is_ok() {}
        let (deadline, last_answers) = (tokio::time::sleep(PATIENCE), tokio::time::sleep(LAST_ANSWERS));
        tokio::pin!(deadline, last_answers);
        loop {
            tokio::select! {
                biased;
                ended = self.runs.join_next_with_id() => match ended {
                    Some(ended) => self.ended(ended),
                    None => break,
                },
                () = &mut last_answers, if !self.serving.is_stopping() => self.serving.stop(),
                () = &mut deadline => {
                    warn!("{} runs do not stop in time and are cut off; what they began is gone on with, or swept", self.orders.len());
                    break;
                }
            }
        }
        self.observing.cancel();
        self.serving.close().await;
        self.memory.close().await;
        info!("stopped; nothing unfinished was published");
    }
}

/// One run, watched.
async fn one(
    plan: &Plan,
    slot: Option<DateTime<Utc>>,
    wait: Duration,
    tower: &Tower,
    stop: &CancellationToken,
) -> RunReport {
    // A stop is the run's own to notice.
    let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    let run = slot.map_or_else(|| Run::new(plan), |slot| Run::scheduled(plan, slot));
    tower.watch(&plan.registry.name, run.watch());
    Box::pin(run.publish(stop)).await
}
