//! Rows as they come from the walk, gathered into Arrow columns.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use stocktake_sink::Table;

use super::ORDERED_BATCH_ROWS;

/// What became of one repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryState {
    /// Read as far as was asked for.
    Complete,
    /// The registry refused it.
    Denied,
    /// Listed, and gone when it was read.
    Gone,
    /// It could not be read.
    Error,
}

impl RepositoryState {
    /// The word in column `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Denied => "denied",
            Self::Gone => "gone",
            Self::Error => "error",
        }
    }
}

/// One row of table `repositories`, without what is the same for the whole run.
#[derive(Clone, Copy, Debug)]
pub struct RepositoryRow<'a> {
    /// When the registry said so.
    pub observed_at: DateTime<Utc>,
    /// The full name.
    pub repository: &'a str,
    /// How many tags it has, where they were read.
    pub tag_count: Option<i64>,
    /// What became of it.
    pub state: RepositoryState,
    /// Why, where the state is not complete.
    pub error_code: Option<&'a str>,
    /// Whether the configuration names it.
    pub monitored: bool,
}

/// The columns that are spooled: all but `run_id`, which is one value for the whole run and added at read.
pub(super) fn spooled_schema(table: Table) -> SchemaRef {
    let schema = table.schema();
    let kept: Vec<_> = schema.fields().iter().filter(|f| f.name() != RUN_ID).cloned().collect();
    Arc::new(Schema::new(kept))
}

const RUN_ID: &str = "run_id";

/// Adds the column `run_id` to a spooled batch.
#[derive(Debug)]
pub(super) struct RunIdColumn {
    table: Table,
    run_id: String,
    cached: StringArray,
}

impl RunIdColumn {
    pub(super) fn new(table: Table, run_id: String) -> Self {
        Self { table, run_id, cached: StringArray::new_null(0) }
    }

    pub(super) fn add_to(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = batch.num_rows();
        if self.cached.len() < rows {
            self.cached = StringArray::new_repeated(&self.run_id, rows);
        }
        let schema = self.table.schema();
        let mut spooled = batch.columns().iter();
        let columns = schema
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                RUN_ID => Ok(Arc::new(self.cached.slice(0, rows)) as ArrayRef),
                name => spooled
                    .next()
                    .cloned()
                    .ok_or_else(|| ArrowError::SchemaError(format!("the spooled batch has no column {name}"))),
            })
            .collect::<Result<_, _>>()?;
        RecordBatch::try_new(schema, columns)
    }
}

/// Gathers repository rows.
#[derive(Debug)]
pub(super) struct RepositoryColumns {
    observed_at: TimestampMicrosecondBuilder,
    repository: StringBuilder,
    namespace: StringBuilder,
    tag_count: Int64Builder,
    state: StringBuilder,
    error_code: StringBuilder,
    monitored: BooleanBuilder,
    rows: usize,
    ascend: bool,
}

impl RepositoryColumns {
    pub(super) fn new() -> Self {
        // Room for one ordered batch, so that buffers do not grow step by step, batch after batch.
        let rows = ORDERED_BATCH_ROWS;
        Self {
            observed_at: TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC"),
            repository: StringBuilder::with_capacity(rows, rows * 32),
            namespace: StringBuilder::with_capacity(rows, rows * 16),
            tag_count: Int64Builder::with_capacity(rows),
            state: StringBuilder::with_capacity(rows, rows * 8),
            error_code: StringBuilder::with_capacity(rows, 0),
            monitored: BooleanBuilder::with_capacity(rows),
            rows: 0,
            ascend: true,
        }
    }

    pub(super) fn push(&mut self, row: &RepositoryRow<'_>) {
        self.ascend &= self.last().is_none_or(|last| last < row.repository.as_bytes());
        self.observed_at.append_value(row.observed_at.timestamp_micros());
        self.repository.append_value(row.repository);
        self.namespace.append_option(row.repository.rsplit_once('/').map(|(namespace, _)| namespace));
        self.tag_count.append_option(row.tag_count);
        self.state.append_value(row.state.as_str());
        self.error_code.append_option(row.error_code);
        self.monitored.append_value(row.monitored);
        self.rows += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Whether the rows are sorted and unique, and all follow `before`.
    pub(super) fn follow(&self, before: Option<&[u8]>) -> bool {
        self.ascend && before.is_none_or(|before| self.name(0).is_none_or(|first| before < first))
    }

    fn last(&self) -> Option<&[u8]> {
        self.name(self.rows.checked_sub(1)?)
    }

    fn name(&self, at: usize) -> Option<&[u8]> {
        let offsets = self.repository.offsets_slice();
        let (from, to) = (usize::try_from(*offsets.get(at)?).ok()?, usize::try_from(*offsets.get(at + 1)?).ok()?);
        self.repository.values_slice().get(from..to)
    }

    /// The rows gathered so far as one batch; none remain here.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut full = std::mem::replace(self, Self::new());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(full.observed_at.finish()),
            Arc::new(full.repository.finish()),
            Arc::new(full.namespace.finish()),
            Arc::new(full.tag_count.finish()),
            Arc::new(full.state.finish()),
            Arc::new(full.error_code.finish()),
            Arc::new(full.monitored.finish()),
        ];
        RecordBatch::try_new(spooled_schema(Table::Repositories), columns)
    }
}
