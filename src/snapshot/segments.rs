//! The segments of one table. Rows that follow the open segment are appended to it; other rows begin a new one; too
//! many are merged. Segments that a checkpoint names stay on disk until the next checkpoint is written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::error::ArrowError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stocktake_sink::Table;

use super::columns::{Columns, spooled_schema};
use super::disk_retry::DiskRetry;
use super::files::{segment_file, table_file};
use super::keys::{RowKey, RowKeys};
use super::merge::Merge;
use super::segment::{self, SegmentWriter};

/// Segments read at once. Merging has all of them open, with a batch of each in memory: their number must not grow with
/// the registry either.
pub(super) const MOST_SEGMENTS: usize = 256;

/// Segments that a merge reads without waiting for those of other walks.
const NARROW: usize = 16;

/// One wide merge at a time in the whole process: many walks that end together would have thousands of files open, and
/// take gigabytes of memory.
static WIDE_MERGE: Mutex<()> = Mutex::new(());

/// Files that a walk has open in its spool at most, unless it holds `WIDE_MERGE`: two tables' open segments, the
/// segments of a merge of the third and what it writes to, and one that is being synced or named.
pub const MOST_FILES: u64 = 2 + NARROW as u64 + 1 + 2;

/// Files that the one wide merge of the process reads.
pub const WIDE_MERGE_FILES: u64 = MOST_SEGMENTS as u64;

/// What those batches may take together before segments are merged, however few: with rows of 4 MiB a dozen would do.
const MOST_BYTES: usize = 48 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Segments {
    table: Table,
    directory: PathBuf,
    disk_retry: DiskRetry,
    /// The earliest first.
    closed: Vec<ClosedSegment>,
    open: Option<OpenSegment>,
    created: u64,
    /// Merged into others, and perhaps still named by a checkpoint.
    outlived: Vec<ClosedSegment>,
}

/// A segment that will not be written to any more, as a checkpoint names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClosedSegment {
    number: u64,
    /// About how many bytes its largest batch takes in memory.
    widest: usize,
    /// Whether a checkpoint may name it: then it is durable, and must stay.
    #[serde(skip)]
    settled: bool,
}

#[derive(Debug)]
struct OpenSegment {
    number: u64,
    writer: SegmentWriter,
    /// The key of its last row.
    end: (Vec<u8>, Vec<u8>),
}

impl Segments {
    pub(super) fn new(table: Table, directory: &Path, disk_retry: DiskRetry) -> Self {
        let (closed, outlived) = (Vec::new(), Vec::new());
        Self { table, directory: directory.to_owned(), disk_retry, closed, open: None, created: 0, outlived }
    }

    pub(super) fn table(&self) -> Table {
        self.table
    }

    /// The segments that a checkpoint names.
    ///
    /// # Errors
    /// If one of them is not whole.
    pub(super) fn resume(
        table: Table,
        directory: &Path,
        named: Vec<ClosedSegment>,
        disk_retry: DiskRetry,
    ) -> Result<Self, ArrowError> {
        let mut segments = Self::new(table, directory, disk_retry);
        segments.closed = named.into_iter().map(|segment| ClosedSegment { settled: true, ..segment }).collect();
        for segment in &segments.closed {
            // Reads only the footer, which is written last.
            let reader = segment::read(&segments.path(segment.number))?;
            if reader.schema() != spooled_schema(table) {
                return Err(ArrowError::SchemaError(format!("a segment of {table} with other columns")));
            }
            segments.created = segments.created.max(segment.number.saturating_add(1));
        }
        Ok(segments)
    }

    /// The greatest key of the open segment.
    pub(super) fn end(&self) -> Option<RowKey<'_>> {
        self.open.as_ref().map(|open| (open.end.0.as_slice(), open.end.1.as_slice()))
    }

    /// Appends all rows, sorted first unless they ascend already, to the open segment if they follow it, else to a new
    /// one.
    pub(super) fn append(&mut self, columns: &mut impl Columns) -> Result<(), ArrowError> {
        if columns.follow(self.end()) && self.open.is_some() {
            let end = columns.last().map(|(first, second)| (first.to_vec(), second.to_vec()));
            let batch = columns.take()?;
            if let (Some(open), Some(end)) = (&mut self.open, end) {
                open.writer.append(&batch)?;
                open.end = end;
            }
            return Ok(());
        }
        let batch = columns.take()?;
        let keys = RowKeys::of(self.table, &batch)?;
        let order = keys.order();
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else { return Ok(()) };
        if self.end().is_some_and(|end| end >= keys.at(first as usize)) {
            self.close()?;
        }
        if self.open.is_none() {
            let (number, writer) = self.create()?;
            self.open = Some(OpenSegment { number, writer, end: Default::default() });
        }
        if let Some(open) = &mut self.open {
            open.writer.append_in_order(&batch, &order)?;
            let (first, second) = keys.at(last as usize);
            open.end = (first.to_vec(), second.to_vec());
        }
        Ok(())
    }

    fn create(&mut self) -> Result<(u64, SegmentWriter), ArrowError> {
        // An entry of another program may have the name.
        while fs::symlink_metadata(self.path(self.created)).is_ok() {
            self.created += 1;
        }
        let number = self.created;
        self.created += 1;
        Ok((number, SegmentWriter::create(&self.path(number), &spooled_schema(self.table), &self.disk_retry)?))
    }

    /// Closes the open segment; merges all where there are too many.
    fn close(&mut self) -> Result<(), ArrowError> {
        if let Some(OpenSegment { number, writer, .. }) = self.open.take() {
            self.close_as(number, writer)?;
        }
        let bytes: usize = self.closed.iter().map(|segment| segment.widest).sum();
        if self.closed.len() < MOST_SEGMENTS && (bytes < MOST_BYTES || self.closed.len() < 2) {
            return Ok(());
        }
        let (number, mut writer) = self.create()?;
        self.drain_into(&mut writer)?;
        self.close_as(number, writer)
    }

    fn close_as(&mut self, number: u64, writer: SegmentWriter) -> Result<(), ArrowError> {
        let widest = writer.widest();
        writer.finish()?;
        self.closed.push(ClosedSegment { number, widest, settled: false });
        Ok(())
    }

    /// Moves the rows of all closed segments to another file.
    fn drain_into(&mut self, writer: &mut SegmentWriter) -> Result<(), ArrowError> {
        let paths: Vec<_> = self.closed.iter().map(|segment| self.path(segment.number)).collect();
        let is_wide = paths.len() > NARROW;
        let _turn = is_wide.then(|| WIDE_MERGE.lock());
        let open = || Merge::open(self.table, paths.iter().map(PathBuf::as_path));
        for batch in self.disk_retry.during(&self.directory, open)? {
            writer.append(&batch?)?;
        }
        for (segment, path) in self.closed.drain(..).zip(paths) {
            if segment.settled {
                self.outlived.push(segment);
            } else {
                // What cannot be removed now is removed when the walk is sealed or begins anew.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    /// Shows the first key column of every row, in no order and perhaps twice.
    pub(super) fn visit(&mut self, mut seen: impl FnMut(&str)) -> Result<(), ArrowError> {
        self.close()?;
        for segment in &self.closed {
            let path = self.path(segment.number);
            for batch in self.disk_retry.during(&path, || segment::read(&path))? {
                let batch = batch?;
                let names = batch.column_by_name("repository").and_then(|c| c.as_string_opt::<i32>());
                names.into_iter().flatten().flatten().for_each(&mut seen);
            }
        }
        Ok(())
    }

    /// Closes and makes durable what there is, for a checkpoint to name.
    pub(super) fn settle(&mut self) -> Result<Vec<ClosedSegment>, ArrowError> {
        self.close()?;
        for at in 0..self.closed.len() {
            if !self.closed[at].settled {
                let path = self.path(self.closed[at].number);
                // Not synced again if that fails: the system may have thrown the bytes away, and says so once.
                self.disk_retry.during(&path, || File::open(&path))?.sync_all()?;
                // From here on: where the checkpoint is written and that cannot be told for certain, both stay whole.
                self.closed[at].settled = true;
            }
        }
        Ok(self.closed.clone())
    }

    /// A checkpoint names what [`Segments::settle`] gave, and nothing else any more.
    pub(super) fn named(&mut self) {
        for segment in std::mem::take(&mut self.outlived) {
            // What cannot be removed now is removed when the walk is resumed or sealed.
            let _ = fs::remove_file(self.path(segment.number));
        }
    }

    /// One durable file with all rows; returns how many. What a checkpoint names remains beside it.
    pub(super) fn merge(&mut self) -> Result<u64, ArrowError> {
        let target = self.directory.join(table_file(self.table));
        if self.closed.is_empty()
            && let Some(open) = self.open.take()
        {
            let rows = open.writer.finish_durably()?;
            // The name becomes durable when the table is sealed.
            self.disk_retry.during(&target, || fs::rename(self.path(open.number), &target))?;
            return Ok(rows);
        }
        self.close()?;
        let mut writer = SegmentWriter::create(&target, &spooled_schema(self.table), &self.disk_retry)?;
        self.drain_into(&mut writer)?;
        writer.finish_durably()
    }

    /// The names of the files that a checkpoint of these would keep.
    pub(super) fn files(&self) -> impl Iterator<Item = String> + '_ {
        self.closed.iter().map(|segment| segment_file(self.table, segment.number))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(segment_file(self.table, number))
    }
}
