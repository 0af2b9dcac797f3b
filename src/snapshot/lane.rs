//! Buffers the rows of one table until they make a batch, within a bound on memory.

use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::columns::Columns;
use super::limit::{BatchLimit, ORDERED_BATCH};
use super::segments::Segments;

/// How much of a table is held in memory before it is sorted and written. Repositories take about 6 MiB, tags 8,
/// manifests 16 at most: of a million manifests that is some 140 segments, of ten million tags 250, so that both are
/// merged once.
pub(super) fn buffer(table: Table) -> BatchLimit {
    const MIB: usize = 1024 * 1024;
    match table {
        Table::Tags => BatchLimit { rows: 65_536, bytes: 8 * MIB },
        Table::Repositories | Table::Manifests | Table::Changes | Table::Runs => {
            BatchLimit { rows: 65_536, bytes: 16 * MIB }
        }
    }
}

#[derive(Debug)]
pub(super) struct Lane<C> {
    columns: C,
    segments: Segments,
    buffer: BatchLimit,
    /// When to look next whether the rows can go.
    look: BatchLimit,
}

impl<C: Columns> Lane<C> {
    /// A lane that adds to these segments.
    pub(super) fn new(segments: Segments, buffer: BatchLimit) -> Self {
        Self { columns: C::new(), segments, buffer, look: first_look(buffer) }
    }

    pub(super) fn push(&mut self, row: &C::Row<'_>) -> Result<(), ArrowError> {
        self.columns.push(row);
        if self.columns.rows() < self.look.rows && self.columns.bytes() < self.look.bytes {
            return Ok(());
        }
        self.look()
    }

    /// Rows in order need not wait to be sorted among many; others wait until the buffer is full.
    fn look(&mut self) -> Result<(), ArrowError> {
        let (rows, bytes) = (self.columns.rows(), self.columns.bytes());
        let full = rows >= self.buffer.rows || bytes >= self.buffer.bytes;
        if full || self.columns.follow(self.segments.end()) {
            return self.flush();
        }
        let BatchLimit { rows: more_rows, bytes: more_bytes } = ORDERED_BATCH;
        self.look = BatchLimit {
            rows: (rows + more_rows).min(self.buffer.rows),
            bytes: (bytes + more_bytes).min(self.buffer.bytes),
        };
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), ArrowError> {
        self.look = first_look(self.buffer);
        if self.columns.rows() == 0 {
            return Ok(());
        }
        self.segments.append(&mut self.columns)
    }

    /// The segments with all rows in them.
    pub(super) fn flushed(&mut self) -> Result<&mut Segments, ArrowError> {
        self.flush()?;
        Ok(&mut self.segments)
    }
}

fn first_look(buffer: BatchLimit) -> BatchLimit {
    BatchLimit { rows: ORDERED_BATCH.rows.min(buffer.rows), bytes: ORDERED_BATCH.bytes.min(buffer.bytes) }
}
