//! What `state.json` holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::{Receipt, SnapshotId};

use super::history::History;
use super::undelivered::UndeliveredSnapshot;
use crate::snapshot::Extent;

/// How the name of a sealed snapshot's directory begins.
pub(super) const SEALED_PREFIX: &str = "sealed-";

/// What `state.json` holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct StateFile {
    pub(super) last_slot: Option<DateTime<Utc>>,
    /// The last one that the schedule took.
    #[serde(default)]
    pub(super) scheduled: Option<ScheduledSlot>,
    pub(super) last: Option<LastSnapshot>,
    /// Older ones that sinks do not have, the oldest first.
    #[serde(default)]
    pub(super) undelivered: Vec<UndeliveredSnapshot>,
    #[serde(default)]
    pub(super) history: History,
}

/// A slot of the schedule, and the time that its run stands for: the same, unless that was another run's already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScheduledSlot {
    pub(super) slot: DateTime<Utc>,
    pub(super) stands_for: DateTime<Utc>,
}

/// The newest snapshot that could be published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LastSnapshot {
    pub(super) id: SnapshotId,
    /// Kept here too, so that the guard against shrinkage outlives a damaged snapshot.
    pub(super) rows_repositories: u64,
    #[serde(default)]
    pub(super) rows_tags: Option<u64>,
    /// The counts that the next run is compared with; `None` if an earlier version wrote the file.
    #[serde(default)]
    pub(super) extent: Option<Extent>,
    pub(super) delivered: BTreeMap<String, Receipt>,
}

/// The facts of the newest snapshot that the next one is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSnapshot {
    /// The time it stands for.
    pub scheduled_at: DateTime<Utc>,
    /// Its counts.
    pub extent: Extent,
    /// The directory of its tables, which may have been lost.
    pub directory: PathBuf,
}

impl LastSnapshot {
    pub(super) fn previous(&self, directory: &Path) -> PreviousSnapshot {
        let known = Extent { repositories: self.rows_repositories, tags: self.rows_tags, ..Extent::default() };
        let extent = self.extent.unwrap_or(known);
        let (scheduled_at, directory) = (self.id.scheduled_at, directory.join(sealed_name(&self.id)));
        PreviousSnapshot { scheduled_at, extent, directory }
    }
}

impl StateFile {
    /// The names of the directories of snapshots that are kept.
    pub(super) fn kept(&self) -> BTreeSet<String> {
        let last = self.last.iter().map(|last| &last.id);
        last.chain(self.undelivered.iter().map(|snapshot| &snapshot.id)).map(sealed_name).collect()
    }
}

/// The name of the directory of a sealed snapshot.
pub(super) fn sealed_name(id: &SnapshotId) -> String {
    format!("{SEALED_PREFIX}{id}")
}
