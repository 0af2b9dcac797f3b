//! A sealed snapshot on disk: one file per table and `sealed.json`, written last. Without that file there is no
//! snapshot; with it, every byte is durable.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use stocktake_sink::{BatchIter, Rows, RunRecord, Snapshot, SnapshotError, Table, durable};

use super::checkpoint;
use super::columns::RunIdColumn;
use super::disk_retry::DiskRetry;
use super::files::{CARRIED_REPOSITORIES, CARRIED_TAGS, SEAL, table_file};
use super::own;
use super::segment;
use super::{ChangeCounts, Scope};

/// A snapshot could not be sealed, or a sealed one could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A file or directory of the state.
    #[error("cannot seal the snapshot in {}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A sealed file is not what was written.
    #[error("cannot read the sealed file {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArrowError,
    },
    /// The record does not fit its table.
    #[error("cannot make the row of table runs")]
    Record(#[source] ArrowError),
}

/// The finished tables of a walk that has not been judged yet.
#[derive(Debug)]
pub struct Unsealed {
    directory: PathBuf,
    rows: BTreeMap<Table, u64>,
    scope: Option<Scope>,
    changes: ChangeCounts,
}

/// What `sealed.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Seal {
    record: RunRecord,
    rows: BTreeMap<Table, u64>,
    /// None from a version that did not note it.
    #[serde(default)]
    scope: Option<Scope>,
    #[serde(default)]
    changes: ChangeCounts,
}

/// A sealed snapshot and its directory.
#[derive(Debug)]
pub struct Sealed {
    /// Its directory.
    pub directory: PathBuf,
    /// The snapshot that sinks get.
    pub snapshot: Snapshot,
    /// What it covers; `None` from a version that did not note it.
    pub scope: Option<Scope>,
    /// How many changes it has of each kind.
    pub changes: ChangeCounts,
}

impl Unsealed {
    pub(super) fn new(directory: PathBuf, rows: BTreeMap<Table, u64>) -> Self {
        Self { directory, rows, scope: None, changes: ChangeCounts::default() }
    }

    /// The directory of the sorted tables.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The exact number of rows of a table.
    pub fn rows(&self, table: Table) -> u64 {
        self.rows.get(&table).copied().unwrap_or(0)
    }

    /// Notes what the tables cover, and that the table `changes` was written with so many rows.
    pub fn compared(&mut self, scope: Scope, counts: ChangeCounts) {
        self.rows.insert(Table::Changes, counts.total());
        (self.scope, self.changes) = (Some(scope), counts);
    }

    /// Moves the tables to `directory`, replacing files of stocktake there, and seals them. Foreign entries of the
    /// walk's directory stay where they are.
    ///
    /// # Errors
    /// If the disk fails; `directory` must then be [discarded](super::discard).
    pub fn seal(self, record: RunRecord, directory: &Path) -> Result<Sealed, SealError> {
        let disk = |source| SealError::Disk { path: directory.to_owned(), source };
        let seal = Seal { record, rows: self.rows, scope: self.scope, changes: self.changes };
        let json = serde_json::to_vec_pretty(&seal).map_err(|e| disk(e.into()))?;
        let disk_retry = DiskRetry::default();
        let sealed = || -> io::Result<()> {
            // A damaged snapshot of this very run may stand there: a seal beside other tables would be a lie.
            own::discard(directory)?;
            disk_retry.during(directory, || durable::create_dirs(directory))?;
            for table in seal.rows.keys().copied().map(table_file) {
                let (from, to) = (self.directory.join(&table), directory.join(&table));
                disk_retry.during(&to, || durable::rename(&from, &to))?;
            }
            for (from, to) in
                [CARRIED_REPOSITORIES, CARRIED_TAGS].map(|file| (self.directory.join(file), directory.join(file)))
            {
                if from.try_exists()? {
                    disk_retry.during(&to, || durable::rename(&from, &to))?;
                }
            }
            // The checkpoint and what it names: from here on the walk is whole, or it is lost. One that remained would
            // be gone on with, and be published again as another night's.
            checkpoint::remove(&self.directory)?;
            let path = directory.join(SEAL);
            disk_retry.during(&path, || durable::write(&path, &json))
        };
        sealed().map_err(disk)?;
        // What cannot be removed now is removed when the next walk begins.
        let _ = own::discard(&self.directory);
        Sealed::from_seal(directory, seal)
    }
}

impl Sealed {
    /// Opens a sealed snapshot.
    ///
    /// # Errors
    /// If the seal or a table's file is missing or damaged.
    pub fn open(directory: &Path) -> Result<Self, SealError> {
        let path = directory.join(SEAL);
        let disk = |source| SealError::Disk { path: path.clone(), source };
        let seal = serde_json::from_slice(&fs::read(&path).map_err(disk)?).map_err(|e| disk(e.into()))?;
        Self::from_seal(directory, seal)
    }

    fn from_seal(directory: &Path, seal: Seal) -> Result<Self, SealError> {
        let run_id = seal.record.id.run_id();
        let mut tables: BTreeMap<Table, Arc<dyn Rows>> = BTreeMap::new();
        for (table, rows) in seal.rows {
            let path = directory.join(table_file(table));
            // Reads only the footer; a file that was cut off is noticed now and not in a sink.
            segment::read(&path).map_err(|source| SealError::Damaged { path: path.clone(), source })?;
            tables.insert(table, Arc::new(SealedRows { table, path, rows, run_id: run_id.clone() }));
        }
        let snapshot = Snapshot::new(seal.record, tables).map_err(SealError::Record)?;
        Ok(Self { directory: directory.to_owned(), snapshot, scope: seal.scope, changes: seal.changes })
    }
}

#[derive(Debug)]
struct SealedRows {
    table: Table,
    path: PathBuf,
    rows: u64,
    run_id: String,
}

impl Rows for SealedRows {
    fn count(&self) -> u64 {
        self.rows
    }

    fn batches(&self) -> BatchIter<'_> {
        let damaged = |e: ArrowError| SnapshotError::new(self.table, e);
        match segment::read(&self.path) {
            Err(e) => Box::new(std::iter::once(Err(damaged(e)))),
            Ok(reader) => {
                let mut run_id = RunIdColumn::new(self.table, self.run_id.clone());
                Box::new(reader.map(move |batch| batch.and_then(|b| run_id.add_to(&b)).map_err(damaged)))
            }
        }
    }
}
