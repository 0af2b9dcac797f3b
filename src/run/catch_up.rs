//! Delivers to each sink the snapshots that it does not have, the oldest first. A sink that fails waits for the next
//! run with all later ones, because a change feed is read in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::blocking::on_disk;
use super::deliver::{self, DeliveryError, SinkOutcome};
use crate::clock;
use crate::registry::chain;
use crate::state::{GivenUp, RegistryState};

type NamedSink = (String, Arc<dyn Sink>);

/// What became of one snapshot at one sink.
struct Delivered {
    id: SnapshotId,
    outcome: SinkOutcome,
}

/// Delivers what is owed to these sinks, and notes in the state what they have got. Of each sink there are the snapshots
/// that it took, and the first that it did not take.
pub(super) async fn catch_up(
    state: RegistryState,
    sinks: &[NamedSink],
    stop: &CancellationToken,
) -> (RegistryState, Vec<SinkOutcome>, Vec<GivenUp>) {
    let owed: Vec<_> = sinks.iter().map(|(name, sink)| (name, sink, state.owed(name))).collect();
    let needed: BTreeSet<_> = owed.iter().flat_map(|(_, _, ids)| ids.iter().cloned()).collect();
    let (mut state, snapshots) = on_disk(move || {
        let open = |id: SnapshotId| {
            let opened = state.open(&id).map(|sealed| sealed.snapshot);
            (id, opened.map_err(|e| chain(&e)))
        };
        let opened: BTreeMap<_, _> = needed.into_iter().map(open).collect();
        (state, opened)
    })
    .await;
    let delivered = join_all(owed.iter().map(|(name, sink, ids)| to_sink(name, sink.as_ref(), ids, &snapshots, stop)));
    let mut outcomes = Vec::new();
    let mut lost = Vec::new();
    for Delivered { id, outcome } in delivered.await.into_iter().flatten() {
        match &outcome.result {
            Ok(receipt) => state.received(&id, &outcome.sink, receipt.clone()),
            Err(e) if e.is_lost() && state.give_up_on(&id, &outcome.sink, clock::now()) => {
                lost.push(GivenUp { sink: outcome.sink.clone(), id });
            }
            Err(_) => {}
        }
        outcomes.push(outcome);
    }
    for outcome in outcomes.iter_mut().filter(|outcome| !outcome.owes.is_empty()) {
        outcome.owes = state.owed_runs(&outcome.sink);
    }
    (state, outcomes, lost)
}

async fn to_sink(
    name: &str,
    sink: &dyn Sink,
    ids: &[SnapshotId],
    snapshots: &BTreeMap<SnapshotId, Result<Snapshot, String>>,
    stop: &CancellationToken,
) -> Vec<Delivered> {
    let mut delivered = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let outcome = match snapshots.get(id) {
            Some(Ok(snapshot)) => deliver::to_one(name, sink, snapshot, stop).await,
            Some(Err(why)) => unreadable(name, id, why),
            None => continue,
        };
        let goes_on = outcome.result.as_ref().map_or_else(DeliveryError::is_lost, |_: &Receipt| true);
        if at + 1 < ids.len() && outcome.result.is_ok() {
            let (registry, run_id) = (&id.registry, id.run_id());
            info!(%registry, %run_id, sink = %name, "{run_id} is delivered to {name}, late");
        }
        delivered.push(Delivered { id: id.clone(), outcome });
        if !goes_on {
            break;
        }
    }
    delivered
}

fn unreadable(sink: &str, id: &SnapshotId, why: &str) -> SinkOutcome {
    let error = SinkError::new(SinkErrorKind::Snapshot, format!("cannot read the sealed snapshot again: {why}"));
    SinkOutcome::not_tried(sink, id.run_id(), error, Vec::new())
}

/// A sink that is not asked again in this run, after it took longer than its deadline.
pub(super) fn overdue(sink: &str, run_id: String, state: &RegistryState) -> SinkOutcome {
    let said = "it took longer than its deadline before the walk, and is not tried again in this run";
    let error = SinkError::new(SinkErrorKind::Overdue, said);
    SinkOutcome::not_tried(sink, run_id, error, state.owed_runs(sink))
}

/// Logs what sinks will never get: readers of a change feed must know.
pub(super) fn log_given_up(given_up: &[GivenUp], why: &str) {
    for GivenUp { sink, id } in given_up {
        let (registry, run_id) = (&id.registry, id.run_id());
        error!(%registry, %run_id, %sink, "{sink} will never get {run_id}, because {why}; a reader of its changes begins anew with the next snapshot that it has");
    }
}

/// Logs what was owed to sinks that are no longer configured.
pub(super) fn log_forgotten(registry: &stocktake_sink::RegistryName, forgotten: &BTreeMap<String, usize>) {
    for (sink, count) in forgotten {
        warn!(%registry, %sink, "{sink} is no longer a sink of {registry}: snapshots that it did not have are dropped ({count})");
    }
}
