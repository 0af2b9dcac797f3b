//! Reads the rows of a snapshot for the formats.

use std::io;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use stocktake_sink::{Abandoned, Snapshot, SnapshotError, Table};

/// Why a snapshot could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error(transparent)]
    Rows(#[from] SnapshotError),
    #[error(transparent)]
    Encode(#[from] ArrowError),
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Reads the rows of a snapshot, as often as a format needs them, and counts them.
pub(crate) struct SnapshotReader<'a> {
    pub(crate) snapshot: &'a Snapshot,
    abandoned: &'a Abandoned,
}

impl<'a> SnapshotReader<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, abandoned: &'a Abandoned) -> Self {
        Self { snapshot, abandoned }
    }

    /// Calls `each` with every batch of `table`, and checks that exactly the sealed rows came.
    pub(crate) fn read(
        &self,
        table: Table,
        mut each: impl FnMut(&RecordBatch) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        let (mut seen, sealed) = (0, self.snapshot.rows(table));
        for batch in self.snapshot.batches(table) {
            let batch = batch?;
            if self.abandoned.is_set() {
                return Err(SnapshotError::new(table, "this publish was abandoned").into());
            }
            seen += batch.num_rows() as u64;
            if seen > sealed {
                break;
            }
            each(&batch)?;
        }
        if seen == sealed {
            return Ok(());
        }
        Err(SnapshotError::new(table, format!("{sealed} rows were sealed, {seen} or more came")).into())
    }
}
