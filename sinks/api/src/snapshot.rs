//! A sealed snapshot: an identity, a record of its run, and sorted rows.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::{RunRecord, SnapshotId, Table};

/// Sorted batches of one table; each has exactly the columns of [`Table::schema`].
pub type BatchIter<'a> = Box<dyn Iterator<Item = Result<RecordBatch, SnapshotError>> + Send + 'a>;

/// The sealed rows could not be read. After this error, no part of the snapshot may be committed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the sealed rows of table {table}")]
pub struct SnapshotError {
    table: Table,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl SnapshotError {
    /// An error while rows of `table` were read.
    pub fn new(table: Table, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { table, source: source.into() }
    }
}

/// The sealed rows of one table. May be read any number of times, from several threads.
pub trait Rows: fmt::Debug + Send + Sync {
    /// The exact number of rows that [`Rows::batches`] gives.
    fn count(&self) -> u64;

    /// All rows, sorted and unique by [`Table::sort_key`], in batches of bounded size.
    fn batches(&self) -> BatchIter<'_>;
}

/// Rows held in memory: the `runs` row, and small tables in tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryRows(Vec<RecordBatch>);

impl MemoryRows {
    /// Batches that are already sorted.
    pub fn new(batches: Vec<RecordBatch>) -> Self {
        Self(batches)
    }
}

impl Rows for MemoryRows {
    fn count(&self) -> u64 {
        self.0.iter().map(|b| b.num_rows() as u64).sum()
    }

    fn batches(&self) -> BatchIter<'_> {
        Box::new(self.0.iter().cloned().map(Ok))
    }
}

/// A sealed snapshot. It never changes, and reading it needs no network.
#[derive(Clone, Debug)]
pub struct Snapshot {
    record: RunRecord,
    tables: BTreeMap<Table, Arc<dyn Rows>>,
}

impl Snapshot {
    /// A snapshot of the given rows; the table `runs` is made from the record.
    ///
    /// If the verdict may not be published, the snapshot has only the table `runs`, and `tables` is ignored.
    ///
    /// # Errors
    /// If the record does not fit the schema of `runs`.
    pub fn new(record: RunRecord, tables: BTreeMap<Table, Arc<dyn Rows>>) -> Result<Self, ArrowError> {
        let mut tables = if record.verdict.is_publishable() { tables } else { BTreeMap::new() };
        tables.insert(Table::Runs, Arc::new(MemoryRows::new(vec![record.to_batch()?])));
        Ok(Self { record, tables })
    }

    /// Registry, slot and generation.
    pub fn id(&self) -> &SnapshotId {
        &self.record.id
    }

    /// What the run did, with its verdict.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// The tables to publish, in order; always with [`Table::Runs`].
    pub fn tables(&self) -> impl Iterator<Item = Table> + '_ {
        self.tables.keys().copied()
    }

    /// The exact number of rows of a table; 0 if the snapshot does not have the table.
    pub fn rows(&self, table: Table) -> u64 {
        self.tables.get(&table).map_or(0, |rows| rows.count())
    }

    /// The rows of a table, sorted; empty if the snapshot does not have the table.
    pub fn batches(&self, table: Table) -> BatchIter<'_> {
        match self.tables.get(&table) {
            Some(rows) => rows.batches(),
            None => Box::new(std::iter::empty()),
        }
    }
}
