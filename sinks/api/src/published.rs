//! What a sink has published, read back: its runs, their rows, whether the objects are whole; and the removal of old runs.
//!
//! A sink that keeps whole objects implements [`PublishedFiles`], and its kind hands it out with
//! [`ConfiguredSink::published`](crate::ConfiguredSink::published). The commands that read inventories know nothing else, so
//! they know neither formats nor targets.

use std::collections::BTreeSet;
use std::fmt;

use arrow::array::RecordBatch;
use chrono::{DateTime, Utc};

use crate::{RegistryName, SinkError, SnapshotId, Table, Verdict};

/// The rows of a published object, in its order. After an error no row follows.
pub type PublishedRows = Box<dyn Iterator<Item = Result<RecordBatch, SinkError>> + Send>;

/// A target of published objects. All methods block, so they are called on threads that may wait.
pub trait PublishedFiles: fmt::Debug + Send + Sync {
    /// Where the target is, for messages.
    fn location(&self) -> String;

    /// The registries of which anything was published, sorted.
    fn registries(&self) -> Result<Vec<RegistryName>, SinkError>;

    /// The runs of a registry by their manifests. What no manifest names is not published.
    fn runs(&self, registry: &RegistryName) -> Result<PublishedRuns, SinkError>;

    /// The rows of an object, with these columns of its table in the order of [`Table::schema`].
    fn rows(&self, object: &PublishedObject, columns: &[&str]) -> Result<PublishedRows, SinkError>;

    /// Reads the whole object and says in what it differs from its manifest: size, SHA-256, its own structure, rows.
    fn damage(&self, id: &SnapshotId, object: &PublishedObject) -> Result<Option<Damage>, SinkError>;

    /// Whether the newest object of a table, under the name that stays the same every night, has the bytes of one of these.
    fn damage_of_latest(
        &self,
        registry: &RegistryName,
        any_of: &[&PublishedObject],
    ) -> Result<Option<Damage>, SinkError>;

    /// Removes runs of a registry with their objects, while no process publishes it. What readers take for the newest
    /// is never removed, also if it is asked for.
    ///
    /// # Errors
    /// [`SinkErrorKind::Unavailable`](crate::SinkErrorKind::Unavailable) if a process publishes; else if an object cannot be
    /// removed. A later call for any run of the registry completes what was begun.
    fn remove(&self, registry: &RegistryName, runs: &[SnapshotId]) -> Result<Vec<SnapshotId>, SinkError>;
}

/// The runs of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedRuns {
    /// By slot and generation, the oldest first.
    pub runs: Vec<PublishedRun>,
    /// Manifests that cannot be read.
    pub unreadable: Vec<Damage>,
    /// The run that the target says is the newest.
    pub latest: Option<SnapshotId>,
}

impl PublishedRuns {
    /// The runs that readers take for the newest: the one that the target names, and of each table the newest published one.
    /// A run that read less than the one before leaves the other tables below `latest/` as they are.
    pub fn newest(&self) -> BTreeSet<&SnapshotId> {
        let of_tables = Table::ALL.into_iter().filter_map(|table| self.newest_with(table));
        self.latest.iter().chain(of_tables.map(|run| &run.id)).collect()
    }

    /// The newest published run that has this table.
    pub fn newest_with(&self, table: Table) -> Option<&PublishedRun> {
        self.runs.iter().rfind(|run| run.verdict.is_publishable() && run.object(table).is_some())
    }
}

/// One run, as its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRun {
    /// Registry, slot and generation.
    pub id: SnapshotId,
    /// The judgement; one that may not be published has table `runs` alone.
    pub verdict: Verdict,
    /// When the snapshot was sealed.
    pub finished_at: DateTime<Utc>,
    /// The version of stocktake.
    pub exporter_version: String,
    /// The version of the tables.
    pub schema_version: i32,
    /// What the objects are, such as `parquet`.
    pub format: String,
    /// Where the manifest is.
    pub location: String,
    /// The objects, in the order of the tables.
    pub objects: Vec<PublishedObject>,
}

impl PublishedRun {
    /// The object of a table, if the run has that table.
    pub fn object(&self, table: Table) -> Option<&PublishedObject> {
        self.objects.iter().find(|object| object.table == table)
    }

    /// The sizes of all objects together.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

/// One object of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedObject {
    /// The table that it holds.
    pub table: Table,
    /// Its path below the target.
    pub key: String,
    /// Where it is, for people.
    pub location: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
}

/// Something at the target that is not as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which object, for people.
    pub location: String,
    /// What is wrong with it, as `it is gone` or `12 bytes, and 14 were written`.
    pub what: String,
}

impl Damage {
    /// Damage of the object at this place.
    pub fn new(location: impl Into<String>, what: impl Into<String>) -> Self {
        Self { location: location.into(), what: what.into() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.what)
    }
}
