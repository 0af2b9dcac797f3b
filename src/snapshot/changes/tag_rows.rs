//! The tags of a sorted file, repository by repository.

use std::path::PathBuf;

use arrow::array::{Array, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;

use super::super::SealError;
use super::super::cells::{self, text_column};
use super::super::segment::{self, SegmentReader};

/// Reads a file of tags that is sorted by repository and tag. A missing file has no rows.
#[derive(Debug)]
pub(super) struct TagRows {
    path: PathBuf,
    reader: Option<Reader>,
    batch: Option<Batch>,
    /// The next row.
    at: usize,
    /// The end of the rows of the current repository in this batch.
    end: usize,
}

/// [`SegmentReader`], which has no `Debug`.
struct Reader(SegmentReader);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Batch {
    repository: StringArray,
    tag: StringArray,
    digest: StringArray,
    observed_at: Option<TimestampMicrosecondArray>,
}

/// One tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TagSeen<'a> {
    pub(super) tag: &'a str,
    pub(super) digest: Option<&'a str>,
}

impl TagRows {
    /// Opens a file. Columns that are not compared are not decoded.
    pub(super) fn open(path: PathBuf) -> Result<Self, SealError> {
        let columns = ["repository", "tag", "digest", "observed_at"];
        match segment::if_there(segment::read_columns(&path, &columns)) {
            Ok(reader) => Ok(Self { path, reader: reader.map(Reader), batch: None, at: 0, end: 0 }),
            Err(source) => Err(SealError::Damaged { path, source }),
        }
    }

    /// Goes to the first tag of this repository, past those of all repositories before it.
    pub(super) fn seek(&mut self, repository: &str) -> Result<(), SealError> {
        loop {
            if let Some(batch) = &self.batch {
                let rows = batch.repository.len();
                self.at = first(&batch.repository, self.at, |name| name >= repository);
                if self.at < rows {
                    self.end = first(&batch.repository, self.at, |name| name > repository);
                    return Ok(());
                }
            }
            if !self.load()? {
                return Ok(());
            }
        }
    }

    /// The next tag of the repository that was gone to.
    pub(super) fn current(&self) -> Option<TagSeen<'_>> {
        let batch = self.batch.as_ref().filter(|_| self.at < self.end)?;
        let digest = batch.digest.is_valid(self.at).then(|| batch.digest.value(self.at));
        Some(TagSeen { tag: batch.tag.value(self.at), digest })
    }

    /// When the current tag was seen, in microseconds; only in files that say so.
    pub(super) fn observed_at(&self) -> Option<i64> {
        Some(self.batch.as_ref()?.observed_at.as_ref()?.value(self.at))
    }

    /// Goes to the next tag of this repository.
    pub(super) fn advance(&mut self, repository: &str) -> Result<(), SealError> {
        self.at += 1;
        let is_over = self.batch.as_ref().is_some_and(|batch| self.at == batch.repository.len());
        // The next batch may begin with more tags of it.
        if is_over { self.seek(repository) } else { Ok(()) }
    }

    fn load(&mut self) -> Result<bool, SealError> {
        (self.at, self.end, self.batch) = (0, 0, None);
        let Some(Reader(reader)) = &mut self.reader else { return Ok(false) };
        let batch = reader.next().transpose().and_then(|batch| batch.map(|batch| Batch::of(&batch)).transpose());
        self.batch = batch.map_err(|source| SealError::Damaged { path: self.path.clone(), source })?;
        Ok(self.batch.is_some())
    }
}

impl Batch {
    fn of(batch: &arrow::array::RecordBatch) -> Result<Self, ArrowError> {
        let key = |name| {
            let column = text_column(batch, name)?;
            if column.null_count() > 0 { Err(cells::unfit(name)) } else { Ok(column.clone()) }
        };
        let times = batch.column_by_name("observed_at");
        let times = times.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        Ok(Self {
            repository: key("repository")?,
            tag: key("tag")?,
            digest: text_column(batch, "digest")?.clone(),
            observed_at: times.cloned(),
        })
    }
}

/// The first row from `from` on whose name is so; rows are sorted by it. The steps double, since it is near as a rule.
fn first(names: &StringArray, from: usize, is_so: impl Fn(&str) -> bool) -> usize {
    let (mut low, mut step, rows) = (from, 1, names.len());
    let mut high = loop {
        let at = low + step - 1;
        if at >= rows {
            break rows;
        }
        if is_so(names.value(at)) {
            break at;
        }
        low = at + 1;
        step *= 2;
    };
    while low < high {
        let middle = low.midpoint(high);
        if is_so(names.value(middle)) { high = middle } else { low = middle + 1 }
    }
    low
}
