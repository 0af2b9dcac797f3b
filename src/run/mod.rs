//! One run of one registry, from slot to report. Never returns `Err`: a failure is part of the report, which the caller
//! shows and counts.

mod account;
mod blocking;
mod catch_up;
mod cause;
mod context;
mod deliver;
mod delivery;
mod outcome;
mod plan;
mod report;
mod scope;
mod seal;
mod sink_deadline;
mod slowed;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::SnapshotId;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use account::{kept, show_all};
pub use cause::Cause;
pub use deliver::{DeliveryError, SinkOutcome};
pub use plan::Plan;
pub use report::{JudgedRun, RunOutcome, RunReport, RunSeverity};
pub use sink_deadline::SinkWithDeadline;

use crate::discovery;
use crate::registry::Client;
use crate::registry::chain;
use crate::snapshot::{SnapshotLookup, Spool};
use crate::state::{self, RegistryState, StateError};
pub use crate::walk::WalkProgress;
use crate::walk::{Depth, NotResumed, Unfinished, WalkEnd, WalkSources, WalkStart, walk};
use blocking::on_disk;
use context::RunContext;
use seal::{Keepers, seal, sealed_before};
use verdict::WalkAttempt;

/// Runs are identified by whole seconds, so manual runs in quick succession get times ahead of the clock. At more than
/// this, the next manual run waits. At more than twice this, it does not wait: the clock was set back.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// What an observer can read during a run.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Counts of pages and names.
    pub progress: Arc<WalkProgress>,
    /// The client, with its counters and its token; `None` if the registry's settings are invalid.
    pub client: Option<Client>,
}

/// One run of one registry, prepared: nothing has been sent or written yet.
#[derive(Debug)]
pub struct Run<'a> {
    context: RunContext<'a>,
    progress: Arc<WalkProgress>,
}

impl<'a> Run<'a> {
    /// Prepares a manual run.
    pub fn new(plan: &'a Plan) -> Self {
        Self { context: RunContext::new(plan, None), progress: Arc::default() }
    }

    /// Prepares a scheduled run. It sends nothing while the credentials are known to be rejected.
    pub fn scheduled(plan: &'a Plan, slot: DateTime<Utc>) -> Self {
        Self { context: RunContext::new(plan, Some(slot)), progress: Arc::default() }
    }

    /// The same run, for which a person accepts that the registry has lost something.
    #[must_use]
    pub fn accepting_loss(mut self, accepts: bool) -> Self {
        self.context.accepts_loss = accepts;
        self
    }

    /// What an observer can read during the run.
    pub fn watch(&self) -> Watch {
        Watch { progress: Arc::clone(&self.progress), client: self.context.client.as_ref().ok().cloned() }
    }

    /// Walks, seals and publishes.
    pub async fn publish(self, stop: &CancellationToken) -> RunReport {
        let (root, name) = (self.context.plan.state.clone(), self.context.plan.name.clone());
        match on_disk(move || RegistryState::lock(&root, &name)).await {
            Ok(state) => self.publish_locked(state, stop).await,
            Err(e @ StateError::Locked { .. }) => self.report(RunOutcome::Skipped(Cause::of_state(&e))),
            Err(e) => self.report(RunOutcome::NotBegun(Cause::of_state(&e))),
        }
    }

    async fn publish_locked(self, state: RegistryState, stop: &CancellationToken) -> RunReport {
        let unfinished = self.unfinished(&state);
        let (state, mut redelivered) = self.redeliver(state, stop).await;
        let report = self.serve(state, unfinished, &mut redelivered, stop).await;
        RunReport { redelivered, ..report }
    }

    /// Takes the slot and runs it. If only the delivery was missing, `redelivered` is its result.
    async fn serve(
        self,
        mut state: RegistryState,
        unfinished: Option<Unfinished>,
        redelivered: &mut Vec<SinkOutcome>,
        stop: &CancellationToken,
    ) -> RunReport {
        match stop.run_until_cancelled(self.hold_back(&state)).await {
            None => return self.report(RunOutcome::Interrupted { resumable: unfinished.is_some() }),
            Some(Some(report)) => return report,
            Some(None) => {}
        }
        if self.waits_for_the_clock(&state, stop).await.is_none() {
            return self.report(RunOutcome::Interrupted { resumable: unfinished.is_some() });
        }
        let id = match self.take_slot(&mut state) {
            Ok(Some(slot)) => self.identity(slot),
            Ok(None) => return self.report(RunOutcome::Skipped(Cause::of_served_slot())),
            Err(e) => return self.report(RunOutcome::NotBegun(Cause::of_state(&e))),
        };
        if let Some(judged) = sealed_before(&state, &id) {
            let is_of_this_run = |outcome: &SinkOutcome| outcome.run_id == id.run_id() || outcome.result.is_err();
            let (sinks, older) = std::mem::take(redelivered).into_iter().partition(is_of_this_run);
            *redelivered = older;
            return self.end(state, judged, sinks).await;
        }
        info!(registry = %id.registry, run_id = %id.run_id(), "{} begins", id.run_id());
        let known = self.known(&state);
        let walked = self.walk_or_resume(unfinished, &state.walk_directory(), known, stop).await;
        let judged = match Box::pin(verdict::judge(&self.context, walked, id, state.previous())).await {
            Ok(judged) => judged,
            Err(interrupted) => {
                if !interrupted.resumable {
                    state.discard_walk();
                }
                return self.report(RunOutcome::Interrupted { resumable: interrupted.resumable });
            }
        };
        let (slot, scope) = (self.context.slot, scope::scope(self.context.plan, judged.list));
        let keepers = Keepers { names: self.keeper_names(), most: self.context.plan.keep_undelivered };
        let (judged, snapshot, state) = on_disk(move || seal(judged, state, slot, scope, &keepers)).await;
        let (state, sinks) = match &snapshot {
            Some(snapshot) => self.deliver(state, snapshot, redelivered, stop).await,
            None => (state, Vec::new()),
        };
        if !judged.resumable {
            state.discard_walk();
        }
        self.end(state, judged.into(), sinks).await
    }

    /// Why nothing is sent now: a scheduled run does not send credentials again that were rejected too often.
    async fn hold_back(&self, state: &RegistryState) -> Option<RunReport> {
        self.context.slot?;
        let refusals = state.history().refusals.as_ref().filter(|refusals| refusals.is_suspended())?;
        let is_held_back = refusals.is_too_soon(self.context.started_at)
            || refusals.is_of_one_secret()
                && outcome::is_same_secret(refusals, self.context.client.as_ref().ok()?).await;
        is_held_back.then(|| self.report(RunOutcome::Suspended(Cause::of_refusals(refusals))))
    }

    /// Waits until the clock has nearly reached the time of a manual run; `None` if the run is told to stop meanwhile.
    async fn waits_for_the_clock(&self, state: &RegistryState, stop: &CancellationToken) -> Option<()> {
        let ahead = state.ahead_of(self.context.now());
        if self.context.slot.is_none() && ahead > AHEAD && ahead <= AHEAD * 2 {
            let pause = (ahead - AHEAD).to_std().unwrap_or_default();
            return stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        Some(())
    }

    fn take_slot(&self, state: &mut RegistryState) -> Result<Option<DateTime<Utc>>, StateError> {
        match self.context.slot {
            Some(slot) => state.take_scheduled(slot),
            None => state.take_slot(self.context.started_at).map(Some),
        }
    }

    /// Stores how the run ended.
    async fn end(self, mut state: RegistryState, judged: JudgedRun, sinks: Vec<SinkOutcome>) -> RunReport {
        let (slot, now) = (self.context.slot, self.context.now());
        let mut history = outcome::remembered(&state, slot, &judged, &sinks, &self.keeper_names(), now);
        if let Ok(client) = &self.context.client {
            history.refusals = outcome::refusals(history.refusals.as_ref(), client, self.context.now()).await;
        }
        let kept = history.clone();
        let (state, written) = on_disk(move || {
            let written = state.ended(kept);
            (state, written)
        })
        .await;
        if let Err(e) = written {
            // The next run asks those sinks again, which changes nothing there: no reason to call this run a failure.
            warn!(registry = %self.context.plan.name, "how this run ended cannot be stored: {}", chain(&e));
        }
        drop(state);
        RunReport { sinks, history: Some(history), ..self.report(RunOutcome::Judged(Box::new(judged))) }
    }

    /// Walks and judges without writing anything that remains: no slot, no state, no sink.
    pub async fn rehearse(self, stop: &CancellationToken) -> RunReport {
        let previous = match state::previous(&self.context.plan.state, &self.context.plan.name) {
            Ok(previous) => previous,
            Err(e) => return self.report(RunOutcome::NotBegun(Cause::of_state(&e))),
        };
        let scratch = match tempfile::tempdir() {
            Ok(scratch) => scratch,
            Err(e) => return self.report(RunOutcome::NotBegun(Cause::of_scratch(&e))),
        };
        let walked = self.walk_anew(&scratch.path().join("walk"), None, None, stop).await;
        let id = SnapshotId::new(self.context.plan.name.clone(), self.context.started_at);
        match Box::pin(verdict::judge(&self.context, walked, id, previous)).await {
            Ok(judged) => RunReport { dry_run: true, ..self.report(RunOutcome::Judged(Box::new(judged.into()))) },
            Err(_) => self.report(RunOutcome::Interrupted { resumable: false }),
        }
    }

    fn identity(&self, slot: DateTime<Utc>) -> SnapshotId {
        let id = SnapshotId::new(self.context.plan.name.clone(), slot);
        if slot > self.context.now() + AHEAD * 2 {
            let run_id = id.run_id();
            warn!(registry = %id.registry, %run_id, "{run_id} is ahead of the clock, like the run before it; was the clock set back?");
        }
        id
    }

    /// The interrupted walk that this run resumes; the files of any other walk are removed.
    fn unfinished(&self, state: &RegistryState) -> Option<Unfinished> {
        let (within, fingerprint) = (self.context.plan.walk.resume_within, &self.context.plan.config_sha256);
        match Unfinished::find(&state.walk_directory(), fingerprint, within, self.context.started_at) {
            Ok(unfinished) => return Some(unfinished),
            Err(NotResumed::Nothing) => {}
            Err(why) => {
                let registry = &self.context.plan.name;
                info!(%registry, "the interrupted walk is not resumed: {}", chain(&why));
                state.discard_walk();
            }
        }
        None
    }

    /// The last snapshot, if manifests are to be read.
    fn known(&self, state: &RegistryState) -> Option<Arc<SnapshotLookup>> {
        if self.context.plan.walk.depth < Depth::Manifests {
            return None;
        }
        let known = state.last()?.and_then(|sealed| SnapshotLookup::open(&sealed));
        let known = known.unwrap_or_else(|e| {
            warn!(registry = %self.context.plan.name, "all manifests are fetched again, because the last snapshot cannot be read: {}", chain(&e));
            None
        });
        known.map(Arc::new)
    }

    async fn walk_or_resume(
        &self,
        unfinished: Option<Unfinished>,
        directory: &Path,
        known: Option<Arc<SnapshotLookup>>,
        stop: &CancellationToken,
    ) -> WalkAttempt {
        let registry = &self.context.plan.name;
        if let Some(unfinished) = unfinished {
            let described = unfinished.described();
            info!(%registry, "resumes {described}");
            let walk = self.walk(WalkStart::Unfinished(Box::new(unfinished)), known.clone(), stop).await;
            let WalkAttempt::Done { walked, .. } = walk else { return walk };
            let WalkEnd::Stale(error) = &walked.ended else {
                return WalkAttempt::Done { walked, resumed: Some(described) };
            };
            info!(%registry, "starts again from the first page, as the walk cannot be resumed: {}", chain(error));
        }
        let resumable = !self.context.plan.walk.resume_within.is_zero();
        let fingerprint = resumable.then(|| self.context.plan.config_sha256.clone());
        self.walk_anew(directory, known, fingerprint, stop).await
    }

    async fn walk_anew(
        &self,
        directory: &Path,
        known: Option<Arc<SnapshotLookup>>,
        fingerprint: Option<String>,
        stop: &CancellationToken,
    ) -> WalkAttempt {
        match Spool::create(directory, &self.context.plan.walk.tables()) {
            Ok(spool) => self.walk(WalkStart::Fresh { spool, fingerprint }, known, stop).await,
            Err(e) => WalkAttempt::NoSpool(e),
        }
    }

    async fn walk(
        &self,
        start: WalkStart,
        known: Option<Arc<SnapshotLookup>>,
        stop: &CancellationToken,
    ) -> WalkAttempt {
        let Ok(client) = &self.context.client else { return WalkAttempt::NoClient };
        let discovery = discovery::of(&self.context.plan.discovery, client);
        let concurrency = self.context.plan.registry.concurrency;
        let sources = WalkSources { discovery: &*discovery, contents: client, known, concurrency };
        let walking = Box::pin(walk(&sources, start, &self.context.plan.walk, &self.progress, stop));
        // Beside the walk, so that no request waits for a token.
        let ended = CancellationToken::new();
        let (walked, ()) = tokio::join!(
            async {
                let walked = walking.await;
                ended.cancel();
                walked
            },
            client.keep_fresh(ended.clone())
        );
        WalkAttempt::Done { walked: Box::new(walked), resumed: None }
    }

    fn report(&self, outcome: RunOutcome) -> RunReport {
        RunReport {
            registry: self.context.plan.name.clone(),
            started_at: self.context.started_at,
            finished_at: self.context.now(),
            outcome,
            sinks: Vec::new(),
            redelivered: Vec::new(),
            trigger: self.context.trigger(),
            history: None,
            dry_run: false,
        }
    }
}

#[cfg(test)]
mod tests;
