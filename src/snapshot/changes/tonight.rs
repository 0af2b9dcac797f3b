//! The repositories of the night that is compared, in order.

use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::super::cells::{self, text_column};
use super::super::files::table_file;
use super::super::sorted_rows::SortedRows;
use super::super::{RepositoryState, SealError, segment};
use super::night::Night;
use super::tag_rows::TagRows;

/// The repositories and tags of a night.
#[derive(Debug)]
pub(super) struct Tonight {
    pub(super) repositories: SortedRows<SeenRepository>,
    pub(super) tags: TagRows,
}

impl Tonight {
    pub(super) fn open(night: &Night<'_>) -> Result<Self, SealError> {
        let path = |table| night.directory.join(table_file(table));
        let repositories = repository_rows(path(Table::Repositories))?;
        Ok(Self { repositories, tags: TagRows::open(path(Table::Tags))? })
    }
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

/// The rows of a sorted table of repositories.
pub(super) fn repository_rows(path: PathBuf) -> Result<SortedRows<SeenRepository>, SealError> {
    let opened = segment::read_columns(&path, &["observed_at", "repository", "state", "monitored"]);
    SortedRows::of(opened.map(Some), path, row)
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
