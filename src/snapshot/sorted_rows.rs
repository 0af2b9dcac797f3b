//! Reads a file of sorted rows one by one.

use std::fmt;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::SealError;
use super::segment::SegmentReader;

/// Makes a row of a batch and an index.
type MakeRow<T> = fn(&RecordBatch, usize) -> Result<T, ArrowError>;

/// The rows of a file, each as a `T`.
pub(super) struct SortedRows<T> {
    path: PathBuf,
    /// `None`: there is no file, and so no row.
    reader: Option<SegmentReader>,
    batch: Option<RecordBatch>,
    at: usize,
    row: MakeRow<T>,
}

impl<T> SortedRows<T> {
    /// The rows of what was opened at this path, if it could be.
    pub(super) fn of(
        opened: Result<Option<SegmentReader>, ArrowError>,
        path: PathBuf,
        row: MakeRow<T>,
    ) -> Result<Self, SealError> {
        match opened {
            Ok(reader) => Ok(Self { path, reader, batch: None, at: 0, row }),
            Err(source) => Err(SealError::Damaged { path, source }),
        }
    }

    /// The next row, in order.
    pub(super) fn next(&mut self) -> Result<Option<T>, SealError> {
        self.read().map_err(|source| SealError::Damaged { path: self.path.clone(), source })
    }

    fn read(&mut self) -> Result<Option<T>, ArrowError> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            let Some(batch) = reader.next() else { return Ok(None) };
            (self.batch, self.at) = (Some(batch?), 0);
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let row = (self.row)(batch, self.at)?;
        self.at += 1;
        Ok(Some(row))
    }
}

impl<T> fmt::Debug for SortedRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedRows").field("path", &self.path).finish_non_exhaustive()
    }
}
