//! One run of one registry, from slot to report. Never returns `Err`: failure is data, and everything that went wrong
//! stands in the report, which whoever asked for the run shows and counts.

mod cause;
mod deliver;
mod report;
mod verdict;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{Sink, Snapshot, SnapshotId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use cause::Cause;
pub use deliver::{DeliveryError, SinkOutcome};
pub use report::{JudgedRun, Outcome, RunReport, Severity};

use crate::clock;
use crate::discovery::{self, DiscoverySettings};
pub use crate::registry::chain;
use crate::registry::{self, Client, Meter, RegistryError};
use crate::snapshot::{JudgeSettings, Known, Spool};
use crate::state::{self, RegistryState, StateError};
use crate::walk::{Depth, Ended, NotResumed, Progress, Sources, Start, Unfinished, WalkSettings, walk};
use verdict::{Judged, Walk};

/// Runs by hand in quick succession stand a few seconds ahead; more than this, and the clock was set back.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// Everything one run needs to know: the configuration of a registry, with its sinks built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The registry.
    pub registry: registry::Settings,
    /// Where the names of its repositories come from.
    pub discovery: DiscoverySettings,
    /// What to keep of it.
    pub walk: WalkSettings,
    /// How sceptical to be.
    pub judge: JudgeSettings,
    /// Where snapshots go, by their configured names.
    pub sinks: Vec<(String, Arc<dyn Sink>)>,
    /// The state directory of all registries.
    pub state: PathBuf,
    /// SHA-256 of the configuration, hex.
    pub config_sha256: String,
    /// Who counts requests.
    pub meter: Arc<dyn Meter>,
}

/// What an observer may look at while a run goes on.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Pages and names.
    pub progress: Arc<Progress>,
    /// The protocol's counters and token; none if the registry's settings do not make a client.
    pub client: Option<Client>,
}

/// One run of one registry, prepared: nothing has been sent or written yet.
#[derive(Debug)]
pub struct Run<'a> {
    plan: &'a Plan,
    client: Result<Client, RegistryError>,
    progress: Arc<Progress>,
    started_at: DateTime<Utc>,
    /// The same on a clock that nobody sets.
    begun: Instant,
}

impl<'a> Run<'a> {
    /// Prepares a run.
    pub fn new(plan: &'a Plan) -> Self {
        let client = Client::metered(plan.registry.clone(), Arc::clone(&plan.meter));
        Self { plan, client, progress: Arc::default(), started_at: clock::now(), begun: Instant::now() }
    }

    /// What to look at while it goes on.
    pub fn watch(&self) -> Watch {
        Watch { progress: Arc::clone(&self.progress), client: self.client.as_ref().ok().cloned() }
    }

    /// Walks, seals and publishes.
    pub async fn publish(self, stop: &CancellationToken) -> RunReport {
        let (root, name) = (self.plan.state.clone(), self.plan.registry.name.clone());
        match on_disk(move || RegistryState::lock(&root, &name)).await {
            Ok(state) => self.publish_locked(state, stop).await,
            Err(e @ StateError::Locked { .. }) => self.report(Outcome::Skipped(Cause::of_state(&e))),
            Err(e) => self.report(Outcome::NotBegun(Cause::of_state(&e))),
        }
    }

    async fn publish_locked(self, mut state: RegistryState, stop: &CancellationToken) -> RunReport {
        let unfinished = self.unfinished(&state);
        self.redeliver(&mut state, stop).await;
        let id = match state.take_slot(self.started_at) {
            Ok(slot) => self.identity(slot),
            Err(e) => return self.report(Outcome::NotBegun(Cause::of_state(&e))),
        };
        info!(registry = %id.registry, run_id = %id.run_id(), "{} begins", id.run_id());
        let known = self.known(&state);
        let walked = self.walk_or_resume(unfinished, &state.walk_directory(), known, stop).await;
        let judged = match verdict::judge(&self, walked, id, state.last_extent()).await {
            Ok(judged) => judged,
            Err(interrupted) => {
                if !interrupted.resumable {
                    state.discard_walk();
                }
                return self.report(Outcome::Interrupted { resumable: interrupted.resumable });
            }
        };
        let resumable = judged.resumable;
        let (judged, snapshot, mut state) = on_disk(move || seal(judged, state)).await;
        let sinks = match &snapshot {
            Some(snapshot) => deliver::to_all(&self.plan.sinks, snapshot, stop).await,
            None => Vec::new(),
        };
        if judged.record.verdict.is_publishable() {
            self.note_receipts(&mut state, &sinks);
        }
        if !resumable {
            state.discard_walk();
        }
        RunReport { sinks, ..self.report(judged.into()) }
    }

    /// Walks and judges, and writes nothing that remains: no slot, no state, no sink.
    pub async fn rehearse(self, stop: &CancellationToken) -> RunReport {
        let previous = match state::last_extent(&self.plan.state, &self.plan.registry.name) {
            Ok(previous) => previous,
            Err(e) => return self.report(Outcome::NotBegun(Cause::of_state(&e))),
        };
        let scratch = match tempfile::tempdir() {
            Ok(scratch) => scratch,
            Err(e) => return self.report(Outcome::NotBegun(Cause::of_scratch(&e))),
        };
        let walked = self.walk_anew(&scratch.path().join("walk"), None, None, stop).await;
        let id = SnapshotId::new(self.plan.registry.name.clone(), self.started_at);
        match verdict::judge(&self, walked, id, previous).await {
            Ok(judged) => RunReport { dry_run: true, ..self.report(judged.into()) },
            Err(_) => self.report(Outcome::Interrupted { resumable: false }),
        }
    }

    fn identity(&self, slot: DateTime<Utc>) -> SnapshotId {
        let id = SnapshotId::new(self.plan.registry.name.clone(), slot);
        if slot > self.started_at + AHEAD {
            let run_id = id.run_id();
            warn!(registry = %id.registry, %run_id, "{run_id} is ahead of the clock, as the run before it was: was the clock set back?");
        }
        id
    }

    /// A walk that was cut off, if this run is to go on with it; what is left of any other is removed.
    fn unfinished(&self, state: &RegistryState) -> Option<Unfinished> {
        let (within, fingerprint) = (self.plan.walk.resume_within, &self.plan.config_sha256);
        match Unfinished::find(&state.walk_directory(), fingerprint, within, self.started_at) {
            Ok(unfinished) => return Some(unfinished),
            Err(NotResumed::Nothing) => {}
            Err(why) => {
                let registry = &self.plan.registry.name;
                info!(%registry, "begins anew and not where the last walk was cut off: {}", chain(&why));
                state.discard_walk();
            }
        }
        None
    }

    /// What the last snapshot holds, where manifests are to be read.
    fn known(&self, state: &RegistryState) -> Option<Arc<Known>> {
        if self.plan.walk.depth < Depth::Manifests {
            return None;
        }
        let known = state.last()?.and_then(|sealed| Known::open(&sealed));
        let known = known.unwrap_or_else(|e| {
            warn!(registry = %self.plan.registry.name, "all manifests are fetched anew, as the last snapshot cannot be read: {}", chain(&e));
            None
        });
        known.map(Arc::new)
    }

    async fn walk_or_resume(
        &self,
        unfinished: Option<Unfinished>,
        directory: &Path,
        known: Option<Arc<Known>>,
        stop: &CancellationToken,
    ) -> Walk {
        let registry = &self.plan.registry.name;
        if let Some(unfinished) = unfinished {
            let described = unfinished.described();
            info!(%registry, "goes on with {described}");
            let walk = self.walk(Start::Unfinished(Box::new(unfinished)), known.clone(), stop).await;
            let Walk::Done { walked, .. } = walk else { return walk };
            let Ended::Stale(error) = &walked.ended else { return Walk::Done { walked, resumed: Some(described) } };
            info!(%registry, "begins anew, as there is no going on from there: {}", chain(error));
        }
        let resumable = !self.plan.walk.resume_within.is_zero();
        let fingerprint = resumable.then(|| self.plan.config_sha256.clone());
        self.walk_anew(directory, known, fingerprint, stop).await
    }

    async fn walk_anew(
        &self,
        directory: &Path,
        known: Option<Arc<Known>>,
        fingerprint: Option<String>,
        stop: &CancellationToken,
    ) -> Walk {
        match Spool::create(directory, &self.plan.walk.tables()) {
            Ok(spool) => self.walk(Start::Fresh { spool, fingerprint }, known, stop).await,
            Err(e) => Walk::NoSpool(e),
        }
    }

    async fn walk(&self, start: Start, known: Option<Arc<Known>>, stop: &CancellationToken) -> Walk {
        let Ok(client) = &self.client else { return Walk::NoClient };
        let discovery = discovery::of(&self.plan.discovery, client);
        let concurrency = self.plan.registry.concurrency;
        let sources = Sources { discovery: &*discovery, contents: client, known, concurrency };
        let walking = walk(&sources, start, &self.plan.walk, &self.progress, stop);
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
        Walk::Done { walked: Box::new(walked), resumed: None }
    }

    /// A snapshot that a killed run, or a failing sink, left undelivered goes out first: sinks are idempotent, so those
    /// that have it change nothing.
    async fn redeliver(&self, state: &mut RegistryState, stop: &CancellationToken) {
        let is_missing = |(name, sink): &&(String, Arc<dyn Sink>)| sink.keeps() && !state.is_delivered(name);
        let missing: Vec<_> = self.plan.sinks.iter().filter(is_missing).cloned().collect();
        if missing.is_empty() {
            return;
        }
        let sealed = match state.last() {
            Some(Ok(sealed)) => sealed,
            Some(Err(e)) => {
                warn!(registry = %self.plan.registry.name, "the last snapshot is not delivered again: {}", chain(&e));
                return;
            }
            None => return,
        };
        let run_id = sealed.snapshot.id().run_id();
        info!(registry = %self.plan.registry.name, %run_id, "{run_id} goes to the sinks that do not have it yet");
        let outcomes = deliver::to_all(&missing, &sealed.snapshot, stop).await;
        for outcome in outcomes.iter().filter(|o| o.result.is_err()) {
            warn!(registry = %self.plan.registry.name, %run_id, sink = %outcome.sink, "{run_id} is still undelivered: {outcome}");
        }
        self.note_receipts(state, &outcomes);
    }

    fn note_receipts(&self, state: &mut RegistryState, outcomes: &[SinkOutcome]) {
        let receipts = outcomes.iter().filter_map(|o| Some((o.sink.clone(), o.result.as_ref().ok()?.clone())));
        if let Err(e) = state.delivered(receipts) {
            // The next run asks those sinks again, which changes nothing there: no reason to call this run a failure.
            warn!(registry = %self.plan.registry.name, "receipts are not written down: {}", chain(&e));
        }
    }

    /// Never before the time at which it started, however the clock is set meanwhile.
    fn now(&self) -> DateTime<Utc> {
        self.started_at + self.begun.elapsed()
    }

    fn report(&self, outcome: Outcome) -> RunReport {
        RunReport {
            registry: self.plan.registry.name.clone(),
            started_at: self.started_at,
            finished_at: self.now(),
            outcome,
            sinks: Vec::new(),
            dry_run: false,
        }
    }
}

/// Seals what may be published and makes it the newest snapshot; of anything else only the record becomes a snapshot.
fn seal(mut judged: Judged, mut state: RegistryState) -> (Judged, Option<Snapshot>, RegistryState) {
    if let Some(unsealed) = judged.unsealed.take()
        && judged.record.verdict.is_publishable()
    {
        let directory = state.sealed_directory(&judged.record.id);
        let failed = match unsealed.seal(judged.record.clone(), &directory) {
            Ok(sealed) => match state.keep(&sealed, judged.extent) {
                Ok(()) => return (judged, Some(sealed.snapshot), state),
                Err(e) => Cause::of_state(&e),
            },
            Err(e) => Cause::of_disk(&e),
        };
        // The sinks are about to learn that this run failed; it must not be delivered under the same name later.
        state.discard_sealed(&judged.record.id);
        judged.fail(failed);
    }
    let snapshot = Snapshot::new(judged.record.clone(), BTreeMap::new());
    (judged, snapshot.ok(), state)
}

/// Does what waits for the disk aside: the runs of other registries go on meanwhile, on this very thread.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("work on the state does not panic")
}

#[cfg(test)]
mod tests;
