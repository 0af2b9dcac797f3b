//! Stores the rows of a walk in sorted segments on disk, so that memory does not grow with the registry.
//!
//! A table whose rows arrive in order has one segment. Any other table has one segment per full buffer; segments are
//! merged into one file when the walk ends, and earlier if there are too many.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use serde::Serialize;
use serde_json::Value;
use stocktake_sink::Table;
use tracing::warn;

use super::checkpoint::Checkpoint;
use super::columns::{Columns, ManifestColumns, RepositoryColumns, TagColumns};
use super::disk_retry::DiskRetry;
use super::files;
use super::lane::{self, Lane};
use super::limit::BatchLimit;
use super::own;
use super::sealed::Unsealed;
use super::segments::{ClosedSegment, Segments};
use super::{ManifestRow, RepositoryRow, TagRow};

/// The spool could not be written or read: nearly always because of the disk of the state directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep rows in {}", directory.display())]
pub struct SpoolError {
    directory: PathBuf,
    #[source]
    source: ArrowError,
}

/// The rows of one run so far.
#[derive(Debug)]
pub struct Spool {
    /// Dropped first, so that dropping the lanes does not retry.
    disk_retry: StopRetryingOnDrop,
    directory: PathBuf,
    repositories: Option<Box<Lane<RepositoryColumns>>>,
    tags: Option<Box<Lane<TagColumns>>>,
    manifests: Option<Box<Lane<ManifestColumns>>>,
    /// Why rows are missing, if a write or a read failed. Such a spool takes no rows, writes no checkpoint and cannot
    /// be finished.
    broken: Option<String>,
}

impl Spool {
    /// An empty spool of these tables in `directory`; files of an earlier walk are removed. Each table is sealed, even
    /// without rows; `runs` is not spooled.
    ///
    /// # Errors
    /// If the directory cannot be emptied or created.
    pub fn create(directory: &Path, tables: &[Table]) -> Result<Self, SpoolError> {
        Self::create_with(directory, tables, lane::buffer)
    }

    pub(super) fn create_with(
        directory: &Path,
        tables: &[Table],
        buffer: impl Fn(Table) -> BatchLimit,
    ) -> Result<Self, SpoolError> {
        let foreign = own::create_or_empty(directory).map_err(|e| error(directory, e.into()))?;
        warn_of(&foreign, directory);
        let disk_retry = DiskRetry::default();
        let segments =
            tables.iter().map(|&table| (table, Segments::new(table, directory, disk_retry.clone()))).collect();
        Ok(Self::of(directory, segments, disk_retry, buffer))
    }

    fn of(
        directory: &Path,
        mut segments: BTreeMap<Table, Segments>,
        disk_retry: DiskRetry,
        buffer: impl Fn(Table) -> BatchLimit,
    ) -> Self {
        let repositories = lane(segments.remove(&Table::Repositories), buffer(Table::Repositories));
        let tags = lane(segments.remove(&Table::Tags), buffer(Table::Tags));
        let manifests = lane(segments.remove(&Table::Manifests), buffer(Table::Manifests));
        let (disk_retry, directory) = (StopRetryingOnDrop(disk_retry), directory.to_owned());
        Self { disk_retry, directory, repositories, tags, manifests, broken: None }
    }

    /// Resumes from the last checkpoint in `directory`; returns the note stored with it. Newer rows are removed. If
    /// there is no checkpoint, or none that can be read, nothing is changed and the result is `None`.
    ///
    /// # Errors
    /// If the newer rows cannot be removed.
    pub fn resume(directory: &Path) -> Result<Option<(Self, Value)>, SpoolError> {
        Self::resume_with(directory, lane::buffer)
    }

    fn resume_with(
        directory: &Path,
        buffer: impl Fn(Table) -> BatchLimit,
    ) -> Result<Option<(Self, Value)>, SpoolError> {
        let Some(Checkpoint { tables, note, .. }) = Checkpoint::read(directory) else { return Ok(None) };
        let disk_retry = DiskRetry::default();
        let open = |(table, named)| Ok((table, Segments::resume(table, directory, named, disk_retry.clone())?));
        let opened: Result<BTreeMap<_, _>, ArrowError> = tables.into_iter().map(open).collect();
        let Ok(segments) = opened else { return Ok(None) };
        let mut kept: BTreeSet<String> = segments.values().flat_map(Segments::files).collect();
        kept.insert(files::CHECKPOINT.to_owned());
        let foreign = own::remove_all_but(&kept, directory).map_err(|e| error(directory, e.into()))?;
        warn_of(&foreign, directory);
        Ok(Some((Self::of(directory, segments, disk_retry, buffer), note)))
    }

    /// The note of the checkpoint in `directory`, if it can be read. Changes nothing.
    pub fn peek(directory: &Path) -> Option<Value> {
        Checkpoint::read(directory).map(|checkpoint| checkpoint.note)
    }

    /// Makes all rows so far durable, and `note` with them. A spool that is resumed later has exactly these rows. Waits
    /// for the disk and begins new segments, so it is not for every row.
    ///
    /// # Errors
    /// If the rows cannot be written, or any write before failed: then the spool is [broken](Self::is_broken). If the
    /// checkpoint itself cannot be written, no row is lost, and it may be tried again. The checkpoint before remains.
    pub fn checkpoint(&mut self, note: &impl Serialize) -> Result<(), SpoolError> {
        let note = serde_json::to_value(note).map_err(|e| error(&self.directory, io::Error::from(e).into()))?;
        let tables = self.settle()?;
        self.name(tables, &note)?;
        self.forget()
    }

    /// Whether rows are missing, so that this spool cannot be used any more.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// All rows into durable segments.
    fn settle(&mut self) -> Result<Checkpointed, SpoolError> {
        self.of_each(Segments::settle)
    }

    /// The one step that counts: until here the checkpoint before stands, from here on this one.
    fn name(&self, tables: Checkpointed, note: &Value) -> Result<(), SpoolError> {
        let checkpoint = Checkpoint::new(tables, note.clone());
        let written = self.disk_retry.0.during(&self.directory, || checkpoint.write(&self.directory));
        written.map_err(|e| error(&self.directory, e.into()))
    }

    /// Removes what only the checkpoint before named.
    fn forget(&mut self) -> Result<(), SpoolError> {
        self.of_each(|segments| {
            segments.named();
            Ok(())
        })
        .map(drop)
    }

    /// Adds a row; of equal repositories the one added first stays.
    ///
    /// # Errors
    /// If a full buffer cannot be written, or the spool was made without this table.
    pub fn push(&mut self, row: &RepositoryRow<'_>) -> Result<(), SpoolError> {
        self.is_whole()?;
        let pushed = push(self.repositories.as_deref_mut(), row);
        self.remember(pushed)
    }

    /// Adds a row; of equal tags of a repository the one added first stays.
    ///
    /// # Errors
    /// As for [`Spool::push`].
    pub fn push_tag(&mut self, row: &TagRow<'_>) -> Result<(), SpoolError> {
        self.is_whole()?;
        let pushed = push(self.tags.as_deref_mut(), row);
        self.remember(pushed)
    }

    /// Adds a row; of equal digests in a repository the one added first stays.
    ///
    /// # Errors
    /// As for [`Spool::push`].
    pub fn push_manifest(&mut self, row: &ManifestRow) -> Result<(), SpoolError> {
        self.is_whole()?;
        let pushed = push(self.manifests.as_deref_mut(), row);
        self.remember(pushed)
    }

    /// Whether every one of these repositories has been added already. Reads all of them.
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

    /// Calls `seen` for every repository added so far, in no order and perhaps twice. Reads all of them.
    ///
    /// # Errors
    /// If the spool cannot be written or read back.
    pub fn visit(&mut self, seen: impl FnMut(&str)) -> Result<(), SpoolError> {
        self.is_whole()?;
        let Some(lane) = &mut self.repositories else { return Ok(()) };
        let visited = lane.flushed().and_then(|segments| segments.visit(seen));
        self.remember(visited)
    }

    /// Ends the walk: writes one durable file per table, sorted and unique, with exact counts. The checkpoint remains
    /// until the result is sealed, so that an interrupted walk can be resumed.
    ///
    /// # Errors
    /// If the files cannot be written or read back, or any write before failed.
    pub fn finish(mut self) -> Result<Unsealed, SpoolError> {
        // One after the other, so that only one merge at a time takes memory.
        let rows = self.of_each(Segments::merge)?;
        Ok(Unsealed::new(self.directory, rows))
    }

    /// Does something with the segments of each table, when all rows are in them.
    fn of_each<T>(
        &mut self,
        mut work: impl FnMut(&mut Segments) -> Result<T, ArrowError>,
    ) -> Result<BTreeMap<Table, T>, SpoolError> {
        self.is_whole()?;
        let all = [
            self.repositories.as_mut().map(|lane| lane.flushed()),
            self.tags.as_mut().map(|lane| lane.flushed()),
            self.manifests.as_mut().map(|lane| lane.flushed()),
        ];
        let all = all.into_iter().flatten().map(|segments| segments.and_then(|s| Ok((s.table(), work(s)?))));
        let done = all.collect();
        self.remember(done)
    }

    /// # Errors
    /// Why rows are missing, if they are.
    fn is_whole(&self) -> Result<(), SpoolError> {
        let Some(why) = &self.broken else { return Ok(()) };
        let lost = io::Error::other(format!("rows are missing, because an earlier write failed: {why}"));
        Err(error(&self.directory, lost.into()))
    }

    /// Remembers a failure.
    fn remember<T>(&mut self, result: Result<T, ArrowError>) -> Result<T, SpoolError> {
        if let (None, Err(e)) = (&self.broken, &result) {
            self.broken = Some(e.to_string());
            self.disk_retry.0.end();
        }
        result.map_err(|e| error(&self.directory, e))
    }
}

/// Ends retrying when it is dropped.
#[derive(Debug)]
struct StopRetryingOnDrop(DiskRetry);

impl Drop for StopRetryingOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a checkpoint is about to name.
type Checkpointed = BTreeMap<Table, Vec<ClosedSegment>>;

fn lane<C: Columns>(segments: Option<Segments>, buffer: BatchLimit) -> Option<Box<Lane<C>>> {
    segments.map(|segments| Box::new(Lane::new(segments, buffer)))
}

fn push<C: Columns>(lane: Option<&mut Lane<C>>, row: &C::Row<'_>) -> Result<(), ArrowError> {
    let none = || ArrowError::InvalidArgumentError(format!("this spool was made without a table {}", C::TABLE));
    lane.ok_or_else(none)?.push(row)
}

fn warn_of(foreign: &[String], directory: &Path) {
    if !foreign.is_empty() {
        warn!(
            "{} contains entries that stocktake did not create, and leaves alone: {}",
            directory.display(),
            foreign.join(", ")
        );
    }
}

fn error(directory: &Path, source: ArrowError) -> SpoolError {
    SpoolError { directory: directory.to_owned(), source }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "resume_tests.rs"]
mod resume_tests;
