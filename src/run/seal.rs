//! Turns a judged walk into what sinks get: the sealed snapshot, or only the record of a run that must not be
//! published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use stocktake_sink::{RunRecord, Snapshot, SnapshotId, Verdict};
use tracing::warn;

use super::verdict::Judged;
use super::{Cause, JudgedRun, catch_up};
use crate::registry::{Fault, chain};
use crate::snapshot::{ChangesError, Night, Scope, SealError, UnreadRepositories, UnreadRepository, Unsealed, compare};
use crate::state::RegistryState;

/// The snapshot that a run of this ID had sealed before it was killed. It was delivered at the start of this run.
pub(super) fn sealed_before(state: &RegistryState, id: &SnapshotId) -> Option<JudgedRun> {
    let sealed = state.last()?.ok().filter(|sealed| sealed.snapshot.id() == id)?;
    let record = sealed.snapshot.record().clone();
    let why = record.errors.first().filter(|_| record.verdict != Verdict::Complete);
    let cause = why.map(|error| Cause::of_judgement(record.verdict, error.message.clone(), None));
    let unread = unread(&record);
    let changes = record.previous_run_id.is_some().then_some(sealed.changes);
    Some(JudgedRun { cause, unread, changes, ..JudgedRun::of(record) })
}

/// The repositories that the killed run could not read, as far as its row names them.
fn unread(record: &RunRecord) -> UnreadRepositories {
    let is_gap = |code: &str| Fault::ALL.iter().any(|fault| *fault != Fault::Gone && fault.as_str() == code);
    let mut unread = UnreadRepositories::default();
    for error in record.errors.iter().filter(|error| record.verdict == Verdict::Gaps && is_gap(&error.code)) {
        let Some(repository) = error.repository.clone() else { continue };
        let (code, message) = (error.code.clone(), error.message.clone());
        let remedy = "the run was interrupted after this was seen; the next run says what to do".to_owned();
        unread.add(&error.code, UnreadRepository { repository, code, message }, remedy);
    }
    unread
}

/// The sinks that snapshots are kept for.
pub(super) struct Keepers {
    /// Their configured names.
    pub(super) names: Vec<String>,
    /// The most snapshots that are kept for each.
    pub(super) most: usize,
}

/// Seals what may be published and makes it the newest snapshot. Of anything else only the record becomes a snapshot,
/// and its slot is given up first: a run that is killed later must not come again under a name that sinks know as
/// failed.
pub(super) fn seal(
    mut judged: Judged,
    mut state: RegistryState,
    slot: Option<DateTime<Utc>>,
    scope: Scope,
    keepers: &Keepers,
) -> (Judged, Option<Snapshot>, RegistryState) {
    if let Some(unsealed) = judged.unsealed.take()
        && judged.record.verdict.is_publishable()
    {
        let directory = state.sealed_directory(&judged.record.id);
        let sealed = add_changes(&mut judged, unsealed, &state, scope)
            .and_then(|unsealed| unsealed.seal(judged.record.clone(), &directory).map_err(|e| Cause::of_disk(&e)));
        let kept = sealed.and_then(|sealed| {
            let given_up = state.keep(&sealed, judged.extent, &keepers.names, keepers.most);
            let given_up = given_up.map_err(|e| Cause::of_state(&e))?;
            catch_up::log_given_up(&given_up, "`keep_undelivered` allows no more snapshots to wait for a sink");
            Ok(sealed.snapshot)
        });
        let failed = match kept {
            Ok(snapshot) => return (judged, Some(snapshot), state),
            Err(cause) => cause,
        };
        // The sinks are about to learn that this run failed; it must not be delivered under the same name later.
        state.discard_sealed(&judged.record.id);
        judged.fail(failed);
    }
    if let Some(Err(e)) = slot.map(|slot| state.give_up(slot)) {
        let (registry, run_id) = (&judged.record.id.registry, judged.record.id.run_id());
        warn!(%registry, %run_id, "cannot tell the sinks that {run_id} failed: {}", chain(&e));
        return (judged, None, state);
    }
    let snapshot = Snapshot::new(judged.record.clone(), BTreeMap::new());
    (judged, snapshot.ok(), state)
}

/// Compares the night with what was known before it, and writes the table `changes`.
fn add_changes(
    judged: &mut Judged,
    mut unsealed: Unsealed,
    state: &RegistryState,
    scope: Scope,
) -> Result<Unsealed, Cause> {
    let record = &mut judged.record;
    let run_id = record.id.run_id();
    let directory = unsealed.directory().to_owned();
    let night = Night { directory: &directory, scope: &scope, run_id: &run_id, detected_at: record.finished_at };
    // Without a snapshot that notes what it covers, this is the first night of a new series.
    let begins_anew = |e: &SealError| {
        let registry = &record.id.registry;
        warn!(%registry, %run_id, "what was known before cannot be read, so {run_id} has no changes, and the next run is compared with it: {}", chain(e));
    };
    let last = match state.last() {
        Some(Ok(last)) => Some(last).filter(|last| last.scope.is_some()),
        Some(Err(e)) => {
            begins_anew(&e);
            None
        }
        None => None,
    };
    let (counts, last) = match compare(last.as_ref(), &night) {
        Err(ChangesError::Baseline(e)) => {
            begins_anew(&e);
            (compare(None, &night), None)
        }
        compared => (compared, last),
    };
    let counts = counts.map_err(|e| Cause::of_disk(&e))?;
    record.rows_changes = counts.total();
    record.previous_run_id = last.map(|last| last.snapshot.id().run_id());
    judged.changes = record.previous_run_id.is_some().then_some(counts);
    unsealed.compared(scope, counts);
    Ok(unsealed)
}
