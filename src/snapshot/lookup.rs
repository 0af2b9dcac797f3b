//! Looks up single repositories in a sealed snapshot, so that the next run does not fetch their manifests again. A
//! lookup reads only the batches that may hold the repository, which the file's footer tells.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use parking_lot::Mutex;
use stocktake_sink::Table;

use super::columns::spooled_schema;
use super::files::table_file;
use super::segment::{self, SegmentReader};
use super::{KnownTag, ManifestRow, SealError, Sealed, cells};

/// Decoded batches that are kept per table: enough for the repositories that a concurrent walk has in hand at a time,
/// so that one in sorted order decodes each batch once. At least the last two are kept, whatever their size.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A sealed snapshot in which repositories are looked up. Lookups wait for the disk.
#[derive(Debug)]
pub struct SnapshotLookup {
    tags: Option<TableIndex>,
    manifests: TableIndex,
}

/// The tags and manifests of one repository; none if the snapshot does not list it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownRepository {
    /// Its tags by name, without those that have no digest.
    pub tags: HashMap<String, KnownTag>,
    /// Its manifests by digest; `observed_at` is that of the snapshot.
    pub manifests: HashMap<String, ManifestRow>,
}

impl SnapshotLookup {
    /// Opens a snapshot; `None` if it has no manifests, or comes from a version without an index in its files or
    /// without notes, which read less of a manifest and did not say so.
    ///
    /// # Errors
    /// If a file cannot be opened.
    pub fn open(sealed: &Sealed) -> Result<Option<Self>, SealError> {
        let index = |table| {
            let is_there = sealed.snapshot.tables().any(|sealed| sealed == table);
            let path = is_there.then(|| sealed.directory.join(table_file(table)));
            path.map_or(Ok(None), |path| TableIndex::open(table, path))
        };
        let Some(manifests) = index(Table::Manifests)? else { return Ok(None) };
        Ok(Some(Self { tags: index(Table::Tags)?, manifests }))
    }

    /// The tags and manifests of one repository.
    ///
    /// # Errors
    /// If a file cannot be read, or is not as it was written.
    pub fn of(&self, repository: &str) -> Result<KnownRepository, SealError> {
        let mut known = KnownRepository::default();
        if let Some(tags) = &self.tags {
            tags.each_row(repository, |batch, at| {
                known.tags.extend(cells::tag(batch, at)?);
                Ok(())
            })?;
        }
        self.manifests.each_row(repository, |batch, at| {
            let manifest = cells::manifest(batch, at)?;
            known.manifests.insert(manifest.digest.clone(), manifest);
            Ok(())
        })?;
        Ok(known)
    }
}

/// One table's file, and the index by which a repository is found in it.
struct TableIndex {
    path: PathBuf,
    /// The first repository of each batch.
    first_repositories: Vec<String>,
    batches: Mutex<Batches>,
}

impl fmt::Debug for TableIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decoded = self.batches.lock().decoded;
        let batches = self.first_repositories.len();
        f.debug_struct("TableIndex")
            .field("path", &self.path)
            .field("batches", &batches)
            .field("decoded", &decoded)
            .finish()
    }
}

impl TableIndex {
    fn open(table: Table, path: PathBuf) -> Result<Option<Self>, SealError> {
        let reader = match segment::read(&path) {
            Ok(reader) => reader,
            Err(source) => return Err(SealError::Damaged { path, source }),
        };
        let Some(first_repositories) = segment::first_repositories(&reader) else { return Ok(None) };
        if reader.schema() != spooled_schema(table) {
            return Ok(None);
        }
        let batches = Mutex::new(Batches { reader, kept: VecDeque::new(), kept_bytes: 0, decoded: 0 });
        Ok(Some(Self { path, first_repositories, batches }))
    }

    /// Shows every row of a repository.
    fn each_row(
        &self,
        repository: &str,
        mut row: impl FnMut(&RecordBatch, usize) -> Result<(), ArrowError>,
    ) -> Result<(), SealError> {
        // It may begin at the end of the batch before the first one that begins with it.
        let begin = self.first_repositories.partition_point(|first| first.as_str() < repository).saturating_sub(1);
        let end = self.first_repositories.partition_point(|first| first.as_str() <= repository);
        let mut all = || -> Result<(), ArrowError> {
            for number in begin..end {
                let batch = self.batches.lock().get(number)?;
                for at in rows_of(repository, &batch)? {
                    row(&batch, at)?;
                }
            }
            Ok(())
        };
        all().map_err(|source| SealError::Damaged { path: self.path.clone(), source })
    }
}

/// The rows of a repository in a sorted batch.
fn rows_of(repository: &str, batch: &RecordBatch) -> Result<std::ops::Range<usize>, ArrowError> {
    let names = cells::text_column(batch, "repository")?;
    let first_not = |before: fn(Ordering) -> bool| {
        let (mut from, mut to) = (0, batch.num_rows());
        while from < to {
            let middle = from.midpoint(to);
            if before(names.value(middle).cmp(repository)) { from = middle + 1 } else { to = middle }
        }
        from
    };
    Ok(first_not(Ordering::is_lt)..first_not(Ordering::is_le))
}

/// The batches of a file, the latest read of them in memory.
struct Batches {
    reader: SegmentReader,
    /// The least lately used first.
    kept: VecDeque<KeptBatch>,
    kept_bytes: usize,
    /// How many were decoded so far.
    decoded: usize,
}

struct KeptBatch {
    number: usize,
    batch: RecordBatch,
    bytes: usize,
}

impl Batches {
    fn get(&mut self, number: usize) -> Result<RecordBatch, ArrowError> {
        let found = self.kept.iter().position(|kept| kept.number == number).and_then(|at| self.kept.remove(at));
        let kept = match found {
            Some(kept) => kept,
            None => self.read(number)?,
        };
        let batch = kept.batch.clone();
        self.kept.push_back(kept);
        while self.kept_bytes > KEPT_BYTES
            && self.kept.len() > 2
            && let Some(oldest) = self.kept.pop_front()
        {
            self.kept_bytes -= oldest.bytes;
        }
        Ok(batch)
    }

    fn read(&mut self, number: usize) -> Result<KeptBatch, ArrowError> {
        self.reader.set_index(number)?;
        let missing = || ArrowError::IpcError(format!("there is no batch {number}"));
        let batch = self.reader.next().ok_or_else(missing)??;
        let bytes = segment::size(&batch)?;
        self.kept_bytes += bytes;
        self.decoded += 1;
        Ok(KeptBatch { number, batch, bytes })
    }
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
