//! The JSON of a manifest and of the pointer to the newest one. Readers depend on these fields: add, never rename.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::clock::FAR_AHEAD;
use stocktake_sink::{RegistryName, RunRecord, SCHEMA_VERSION, SinkError, SinkErrorKind, SnapshotId, Table, Verdict};

use crate::names;

/// The list of the objects of a snapshot. The snapshot exists if its manifest exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotManifest {
    /// Registry and slot in one word.
    pub run_id: String,
    /// 1, or higher where a person forced the slot again; readers take the highest.
    pub generation: i32,
    /// The registry.
    pub registry: RegistryName,
    /// The slot.
    pub scheduled_at: DateTime<Utc>,
    /// When the snapshot was sealed.
    pub finished_at: DateTime<Utc>,
    /// The judgement; one that may not be published has only an object of table `runs`.
    pub verdict: Verdict,
    /// The version of all tables.
    pub schema_version: i32,
    /// The version of stocktake.
    pub exporter_version: String,
    /// What the objects are: the end of their names, without the leading dot.
    pub format: String,
    /// In a bucket: what the names of the objects have before their ends. It tells the walks of one slot apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// The objects, in the order of the tables.
    pub objects: Vec<ManifestObject>,
}

/// One object of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestObject {
    /// The table.
    pub table: Table,
    /// The path from the root, `v1/…`, so that a whole root may be moved.
    pub key: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
}

impl SnapshotManifest {
    /// The manifest of a run whose objects are these. `seal` is for targets without locks.
    pub fn new(record: &RunRecord, format: &str, seal: Option<String>, objects: Vec<ManifestObject>) -> Self {
        let id = record.id.clone();
        Self {
            run_id: id.run_id(),
            generation: id.generation,
            scheduled_at: id.scheduled_at,
            registry: id.registry,
            finished_at: record.finished_at,
            verdict: record.verdict,
            schema_version: SCHEMA_VERSION,
            exporter_version: record.exporter_version.clone(),
            format: format.to_owned(),
            seal,
            objects,
        }
    }

    /// The manifest in these bytes of an object at `location`.
    ///
    /// # Errors
    /// [`SinkErrorKind::Invalid`] if they are no manifest.
    pub(crate) fn parse(bytes: &[u8], location: &str) -> Result<Self, SinkError> {
        serde_json::from_slice(bytes)
            .map_err(|e| SinkError::new(SinkErrorKind::Invalid, format!("cannot read {location}")).with_source(e))
    }

    /// The identity of the snapshot.
    pub fn id(&self) -> SnapshotId {
        SnapshotId { registry: self.registry.clone(), scheduled_at: self.scheduled_at, generation: self.generation }
    }
}

/// The pointer to a registry's newest published run. Advisory: it is written after the manifest, and a process killed
/// between the two leaves it one run behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestPointer {
    /// The slot.
    pub scheduled_at: DateTime<Utc>,
    /// The generation.
    pub generation: i32,
    /// Registry and slot in one word.
    pub run_id: String,
    /// `complete` or `gaps`.
    pub verdict: Verdict,
    /// The manifest, as a path from the root.
    pub manifest: String,
}

impl LatestPointer {
    pub(crate) fn of(manifest: &SnapshotManifest) -> Self {
        Self {
            scheduled_at: manifest.scheduled_at,
            generation: manifest.generation,
            run_id: manifest.run_id.clone(),
            verdict: manifest.verdict,
            manifest: names::manifest(&manifest.id()),
        }
    }

    /// Whether this pointer replaces another one: its slot is later, or its generation of the same slot is higher, or the
    /// slot of the other one is far in the future, because a clock was wrong.
    pub(crate) fn replaces(&self, other: &Self, now: DateTime<Utc>) -> bool {
        (self.scheduled_at, self.generation) > (other.scheduled_at, other.generation)
            || other.scheduled_at - now > FAR_AHEAD
    }
}
