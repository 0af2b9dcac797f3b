//! Counts the repositories that are gone since the last snapshot, by name. Comparing counts is not enough: a registry
//! that lists deleted repositories for ever adds some every night, and new repositories hide those that are gone.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::files::table_file;
use super::segment::{self, SegmentReader};
use super::{RepositoryState, SealError, cells};

/// How many repositories are complete in one directory of sorted tables and gone in another. Waits for the disk.
///
/// # Errors
/// If a table cannot be read.
pub fn newly_gone(last: &Path, tonight: &Path) -> Result<u64, SealError> {
    let (mut last, mut tonight) = (RepositoryStates::open(last)?, RepositoryStates::open(tonight)?);
    let (mut before, mut now) = (last.next()?, tonight.next()?);
    let mut count = 0;
    while let (Some((was, then)), Some((is, state))) = (&before, &now) {
        match was.cmp(is) {
            Ordering::Less => before = last.next()?,
            Ordering::Greater => now = tonight.next()?,
            Ordering::Equal => {
                let complete = then == RepositoryState::Complete.as_str();
                count += u64::from(complete && state == RepositoryState::Gone.as_str());
                (before, now) = (last.next()?, tonight.next()?);
            }
        }
    }
    Ok(count)
}

/// The repositories of a table with their states, in order.
struct RepositoryStates {
    path: PathBuf,
    reader: SegmentReader,
    batch: Option<RecordBatch>,
    at: usize,
}

impl RepositoryStates {
    fn open(directory: &Path) -> Result<Self, SealError> {
        let path = directory.join(table_file(Table::Repositories));
        match segment::read(&path) {
            Ok(reader) => Ok(Self { path, reader, batch: None, at: 0 }),
            Err(source) => Err(SealError::Damaged { path, source }),
        }
    }

    fn next(&mut self) -> Result<Option<(String, String)>, SealError> {
        self.read().map_err(|source| SealError::Damaged { path: self.path.clone(), source })
    }

    fn read(&mut self) -> Result<Option<(String, String)>, ArrowError> {
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            let Some(batch) = self.reader.next() else { return Ok(None) };
            (self.batch, self.at) = (Some(batch?), 0);
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let text = |column| Ok::<_, ArrowError>(cells::text_column(batch, column)?.value(self.at).to_owned());
        let row = (text("repository")?, text("state")?);
        self.at += 1;
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use stocktake_sink::Verdict;
    use stocktake_sink::contract::{id, record};

    use super::super::{RepositoryRow, Spool};
    use super::*;

    /// A directory with the table of these repositories.
    fn sealed(root: &Path, name: &str, rows: &[(&str, RepositoryState)]) -> PathBuf {
        let mut spool = Spool::create(&root.join("walk"), &[Table::Repositories]).unwrap();
        for (repository, state) in rows.iter().copied() {
            let (observed_at, tag_count, error_code, monitored) = (crate::clock::now(), None, None, false);
            spool.push(&RepositoryRow { observed_at, repository, tag_count, state, error_code, monitored }).unwrap();
        }
        let sealed = spool.finish().unwrap().seal(record(&id("quay", 0), Verdict::Complete, 0), &root.join(name));
        sealed.unwrap().directory
    }

    #[test]
    fn only_what_was_complete_and_is_gone_is_newly_gone() {
        use RepositoryState::{Complete, Denied, Error, Gone};
        let root = tempfile::tempdir().unwrap();
        let last = [("a", Complete), ("b", Complete), ("c", Gone), ("d", Denied), ("f", Complete), ("h", Complete)];
        let last = sealed(root.path(), "last", &last);
        let tonight = [("h", Gone), ("b", Gone), ("c", Gone), ("d", Gone), ("e", Gone), ("f", Error), ("g", Complete)];
        let tonight = sealed(root.path(), "tonight", &tonight);
        assert_eq!(newly_gone(&last, &tonight).unwrap(), 2, "b and h");
        assert_eq!(newly_gone(&last, &last).unwrap(), 0);
        let empty = sealed(root.path(), "empty", &[]);
        assert_eq!(newly_gone(&empty, &tonight).unwrap() + newly_gone(&last, &empty).unwrap(), 0);
        assert!(newly_gone(root.path(), &tonight).is_err());
    }
}
