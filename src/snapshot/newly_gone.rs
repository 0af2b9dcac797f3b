//! Counts the repositories that are gone since the last snapshot, by name. Comparing counts is not enough: a registry
//! that lists deleted repositories for ever adds some every night, and new repositories hide those that are gone.

use std::cmp::Ordering;
use std::path::Path;

use stocktake_sink::Table;

use super::cells::text_column;
use super::files::table_file;
use super::sorted_rows::SortedRows;
use super::{RepositoryState, SealError, segment};

/// How many repositories are complete in one directory of sorted tables and gone in another. Waits for the disk.
///
/// # Errors
/// If a table cannot be read.
pub fn newly_gone(last: &Path, tonight: &Path) -> Result<u64, SealError> {
    let (mut last, mut tonight) = (states(last)?, states(tonight)?);
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
fn states(directory: &Path) -> Result<SortedRows<(String, String)>, SealError> {
    let path = directory.join(table_file(Table::Repositories));
    SortedRows::of(segment::read(&path).map(Some), path, |batch, at| {
        let text = |column| text_column(batch, column).map(|texts| texts.value(at).to_owned());
        Ok((text("repository")?, text("state")?))
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
