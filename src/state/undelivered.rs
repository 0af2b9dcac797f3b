//! Which sinks lack which snapshots. A change feed with a missing night is worth nothing, so snapshots are kept until
//! each sink has them, within a bound.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::{Receipt, SnapshotId};

use super::history::LostNight;
use super::pointer::{LastSnapshot, StateFile};

/// A snapshot that is not the newest one, and that some sinks do not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UndeliveredSnapshot {
    pub(super) id: SnapshotId,
    /// The configured names of the sinks; never none.
    pub(super) owed_to: BTreeSet<String>,
}

/// A snapshot that a sink will never get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The configured name of the sink.
    pub sink: String,
    /// The snapshot.
    pub id: SnapshotId,
}

impl StateFile {
    /// What a sink does not have, the oldest first.
    pub(super) fn owed(&self, sink: &str) -> Vec<SnapshotId> {
        let older = self.undelivered.iter().filter(|snapshot| snapshot.owed_to.contains(sink));
        let newest = self.last.iter().filter(|last| !last.delivered.contains_key(sink));
        older.map(|snapshot| snapshot.id.clone()).chain(newest.map(|last| last.id.clone())).collect()
    }

    /// Puts a new snapshot in the place of the newest one, which stays for those of the keepers that lack it.
    pub(super) fn supersede(&mut self, next: LastSnapshot, keepers: &[String], most: usize) -> Vec<GivenUp> {
        if let Some(before) = self.last.replace(next) {
            let owed_to = keepers.iter().filter(|sink| !before.delivered.contains_key(*sink)).cloned().collect();
            self.undelivered.push(UndeliveredSnapshot { id: before.id, owed_to });
        }
        let mut given_up = Vec::new();
        for sink in keepers {
            // The newest is owed as well.
            let older = self.undelivered.iter().filter(|snapshot| snapshot.owed_to.contains(sink)).count();
            let too_many = (older + 1).saturating_sub(most.max(1));
            let oldest = self.undelivered.iter_mut().filter(|snapshot| snapshot.owed_to.contains(sink)).take(too_many);
            for snapshot in oldest {
                snapshot.owed_to.remove(sink);
                given_up.push(GivenUp { sink: sink.clone(), id: snapshot.id.clone() });
            }
        }
        self.drop_delivered();
        given_up
    }

    /// Notes in the history what sinks will never get.
    pub(super) fn note_lost(&mut self, given_up: &[GivenUp], at: DateTime<Utc>) {
        for GivenUp { sink, id } in given_up {
            let lost = LostNight { run_id: id.run_id(), at };
            self.history.sinks.entry(sink.clone()).or_default().lost = Some(lost);
        }
    }

    pub(super) fn received(&mut self, id: &SnapshotId, sink: &str, receipt: Receipt) {
        match &mut self.last {
            Some(last) if last.id == *id => drop(last.delivered.insert(sink.to_owned(), receipt)),
            _ => drop(self.release(id, sink)),
        }
    }

    pub(super) fn release(&mut self, id: &SnapshotId, sink: &str) -> bool {
        let found = self.undelivered.iter_mut().find(|snapshot| snapshot.id == *id);
        let was_owed = found.is_some_and(|snapshot| snapshot.owed_to.remove(sink));
        self.drop_delivered();
        was_owed
    }

    pub(super) fn forget_other_sinks(&mut self, keepers: &[String]) -> BTreeMap<String, usize> {
        let mut forgotten = BTreeMap::new();
        for snapshot in &mut self.undelivered {
            let others: Vec<_> = snapshot.owed_to.extract_if(.., |sink| !keepers.contains(sink)).collect();
            for sink in others {
                *forgotten.entry(sink).or_default() += 1;
            }
        }
        self.drop_delivered();
        forgotten
    }

    fn drop_delivered(&mut self) {
        self.undelivered.retain(|snapshot| !snapshot.owed_to.is_empty());
    }
}
