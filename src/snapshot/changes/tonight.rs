//! The repositories of the night that is compared, in order.

use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::super::cells::{self, text_column};
use super::super::files::table_file;
use super::super::segment::{self, SegmentReader};
use super::super::{RepositoryState, SealError};
use super::night::Night;
use super::tag_rows::TagRows;

/// The repositories and tags of a night.
#[derive(Debug)]
pub(super) struct Tonight {
    pub(super) repositories: RepositoryRows,
    pub(super) tags: TagRows,
}

impl Tonight {
    pub(super) fn open(night: &Night<'_>) -> Result<Self, SealError> {
        let path = |table| night.directory.join(table_file(table));
        let repositories = RepositoryRows::open(path(Table::Repositories))?;
        Ok(Self { repositories, tags: TagRows::open(path(Table::Tags))? })
    }
}

/// Reads a sorted table of repositories.
pub(super) struct RepositoryRows {
    path: PathBuf,
    reader: SegmentReader,
    batch: Option<RecordBatch>,
    at: usize,
}

/// A row of table `repositories`, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenRepository {
    pub(super) name: String,
    pub(super) state: RepositoryState,
    pub(super) monitored: bool,
    /// In microseconds.
    pub(super) observed_at: i64,
}

impl std::fmt::Debug for RepositoryRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryRows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RepositoryRows {
    pub(super) fn open(path: PathBuf) -> Result<Self, SealError> {
        match segment::read_columns(&path, &["observed_at", "repository", "state", "monitored"]) {
            Ok(reader) => Ok(Self { path, reader, batch: None, at: 0 }),
            Err(source) => Err(SealError::Damaged { path, source }),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<SeenRepository>, SealError> {
        self.read().map_err(|source| SealError::Damaged { path: self.path.clone(), source })
    }

    fn read(&mut self) -> Result<Option<SeenRepository>, ArrowError> {
        while self.batch.as_ref().is_none_or(|batch| self.at >= batch.num_rows()) {
            let Some(batch) = self.reader.next() else { return Ok(None) };
            (self.batch, self.at) = (Some(batch?), 0);
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        let seen = row(batch, self.at)?;
        self.at += 1;
        Ok(Some(seen))
    }
}

fn row(batch: &RecordBatch, at: usize) -> Result<SeenRepository, ArrowError> {
    let state = text_column(batch, "state")?.value(at);
    let monitored = batch.column_by_name("monitored").and_then(|column| column.as_boolean_opt());
    let observed_at =
        batch.column_by_name("observed_at").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(SeenRepository {
        name: text_column(batch, "repository")?.value(at).to_owned(),
        state: RepositoryState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| cells::unfit("state"))?,
        monitored: monitored.ok_or_else(|| cells::unfit("monitored"))?.value(at),
        observed_at: observed_at.ok_or_else(|| cells::unfit("observed_at"))?.value(at),
    })
}
