//! Where rows wait while the walk goes on: sorted segments on disk, so that memory does not grow with the registry.
//!
//! A registry that lists in order yields one segment, written straight through. Any other yields one per
//! [`BUFFERED_ROWS`], merged into one file when the walk has ended, and before that as often as there are too many.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use stocktake_sink::{Table, durable};

use super::ORDERED_BATCH_ROWS;
use super::columns::{RepositoryColumns, RepositoryRow, spooled_schema};
use super::keys::Keys;
use super::merge::Merge;
use super::sealed::Unsealed;
use super::segment::{self, SegmentWriter};

/// Rows held in memory before they are sorted and written: about 6 MiB of repositories.
const BUFFERED_ROWS: usize = 65_536;

/// Segments read at once. Merging has all of them open, with a batch of each in memory: their number must not grow with
/// the registry either.
const MOST_SEGMENTS: usize = 256;

/// The spool could not be written or read back: nearly always the disk of the state directory.
#[derive(Debug, thiserror::Error)]
#[error("spool rows in {}", directory.display())]
pub struct SpoolError {
    directory: PathBuf,
    #[source]
    source: ArrowError,
}

/// The rows of one run so far.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    columns: RepositoryColumns,
    segments: Segments,
    buffered_rows: usize,
}

impl Spool {
    /// An empty spool in `directory`; what an earlier, killed walk left there is removed.
    ///
    /// # Errors
    /// If the directory cannot be emptied or created.
    pub fn create(directory: &Path) -> Result<Self, SpoolError> {
        Self::with_buffer(directory, BUFFERED_ROWS)
    }

    fn with_buffer(directory: &Path, buffered_rows: usize) -> Result<Self, SpoolError> {
        let fresh = || -> io::Result<()> {
            match fs::remove_dir_all(directory) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => durable::create_dirs(directory),
            }
        };
        fresh().map_err(|e| SpoolError { directory: directory.to_owned(), source: e.into() })?;
        Ok(Self {
            directory: directory.to_owned(),
            columns: RepositoryColumns::new(),
            segments: Segments::new(Table::Repositories, directory),
            buffered_rows,
        })
    }

    /// Adds a row; of equal repositories the one added first stays.
    ///
    /// # Errors
    /// If a full buffer cannot be written.
    pub fn push(&mut self, row: &RepositoryRow<'_>) -> Result<(), SpoolError> {
        self.columns.push(row);
        let rows = self.columns.len();
        // Rows in order need not wait to be sorted among many.
        let ordered = rows.is_multiple_of(ORDERED_BATCH_ROWS) && self.columns.follow(self.segments.end());
        if ordered || rows >= self.buffered_rows {
            self.flush().map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    /// Whether every one of these repositories has been added already. Reads the whole spool.
    ///
    /// # Errors
    /// If the spool cannot be written or read back.
    pub fn holds_all<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<bool, SpoolError> {
        let mut missing: HashSet<&str> = names.collect();
        self.visit(|name| {
            missing.remove(name);
        })?;
        Ok(missing.is_empty())
    }

    /// Shows every repository added so far, in no order and perhaps twice. Reads the whole spool.
    ///
    /// # Errors
    /// If the spool cannot be written or read back.
    pub fn visit(&mut self, seen: impl FnMut(&str)) -> Result<(), SpoolError> {
        self.flush().and_then(|()| self.segments.visit(seen)).map_err(|e| self.error(e))
    }

    /// Ends the walk: one durable file per table, sorted and unique, with exact counts.
    ///
    /// # Errors
    /// If the files cannot be written or read back.
    pub fn finish(mut self) -> Result<Unsealed, SpoolError> {
        let rows = self.flush().and_then(|()| self.segments.merge()).map_err(|e| self.error(e))?;
        Ok(Unsealed::new(self.directory, BTreeMap::from([(Table::Repositories, rows)])))
    }

    fn flush(&mut self) -> Result<(), ArrowError> {
        if self.columns.len() == 0 {
            return Ok(());
        }
        let ascend = self.columns.follow(None);
        self.segments.append(self.columns.take()?, ascend)
    }

    fn error(&self, source: ArrowError) -> SpoolError {
        SpoolError { directory: self.directory.clone(), source }
    }
}

/// The segments of one table.
#[derive(Debug)]
struct Segments {
    table: Table,
    directory: PathBuf,
    /// The earliest first.
    closed: Vec<PathBuf>,
    open: Option<Open>,
    created: usize,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    writer: SegmentWriter,
    /// The batch whose last row is the greatest of this segment.
    end: Keys,
    end_row: usize,
}

impl Segments {
    fn new(table: Table, directory: &Path) -> Self {
        Self { table, directory: directory.to_owned(), closed: Vec::new(), open: None, created: 0 }
    }

    /// The greatest first key of the open segment.
    fn end(&self) -> Option<&[u8]> {
        self.open.as_ref().and_then(|open| open.end.first_column(open.end_row))
    }

    /// Appends a batch, sorted first unless its rows `ascend` already, to the open segment if it follows, else to a new
    /// one.
    fn append(&mut self, batch: RecordBatch, ascend: bool) -> Result<(), ArrowError> {
        let mut keys = Keys::of(self.table, &batch)?;
        let sorted = if ascend {
            batch
        } else {
            let sorted = take_record_batch(&batch, &UInt32Array::from(keys.order()))?;
            keys = Keys::of(self.table, &sorted)?;
            sorted
        };
        let end_row = sorted.num_rows() - 1;
        let mut open = match self.open.take() {
            Some(open) if open.end.compare(open.end_row, &keys, 0).is_lt() => open,
            earlier => {
                self.close(earlier)?;
                let (path, writer) = self.create()?;
                Open { path, writer, end: keys.clone(), end_row }
            }
        };
        open.writer.append(&sorted)?;
        (open.end, open.end_row) = (keys, end_row);
        self.open = Some(open);
        Ok(())
    }

    fn create(&mut self) -> Result<(PathBuf, SegmentWriter), ArrowError> {
        let path = self.directory.join(format!("{}.{}.segment", self.table, self.created));
        self.created += 1;
        let writer = SegmentWriter::create(&path, &spooled_schema(self.table))?;
        Ok((path, writer))
    }

    fn close(&mut self, open: Option<Open>) -> Result<(), ArrowError> {
        if let Some(open) = open {
            open.writer.finish()?;
            self.closed.push(open.path);
        }
        if self.closed.len() < MOST_SEGMENTS {
            return Ok(());
        }
        let (path, mut writer) = self.create()?;
        self.drain_into(&mut writer)?;
        writer.finish()?;
        self.closed.push(path);
        Ok(())
    }

    /// Moves the rows of all closed segments to another file.
    fn drain_into(&mut self, writer: &mut SegmentWriter) -> Result<(), ArrowError> {
        for batch in Merge::open(self.table, self.closed.iter().map(PathBuf::as_path))? {
            writer.append(&batch?)?;
        }
        for path in self.closed.drain(..) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn visit(&mut self, mut seen: impl FnMut(&str)) -> Result<(), ArrowError> {
        let open = self.open.take();
        self.close(open)?;
        for path in &self.closed {
            for batch in segment::read(path)? {
                let batch = batch?;
                let names = batch.column_by_name("repository").and_then(|c| c.as_string_opt::<i32>());
                names.into_iter().flatten().flatten().for_each(&mut seen);
            }
        }
        Ok(())
    }

    /// One durable file with all rows; returns how many.
    fn merge(&mut self) -> Result<u64, ArrowError> {
        let target = self.directory.join(table_file(self.table));
        if self.closed.is_empty()
            && let Some(open) = self.open.take()
        {
            let rows = open.writer.finish_durably()?;
            // The name becomes durable together with the seal's, which is in the same directory.
            fs::rename(open.path, target)?;
            return Ok(rows);
        }
        let open = self.open.take();
        self.close(open)?;
        let mut writer = SegmentWriter::create(&target, &spooled_schema(self.table))?;
        self.drain_into(&mut writer)?;
        writer.finish_durably()
    }
}

/// The name of a table's file in a sealed snapshot.
pub(super) fn table_file(table: Table) -> String {
    format!("{table}.arrow")
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
