//! Rows as they come from the walk, gathered into Arrow columns, one file per table.

mod manifests;
mod repositories;
mod tags;

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::keys::RowKey;

pub(super) use manifests::ManifestColumns;
pub(super) use repositories::RepositoryColumns;
pub(super) use tags::TagColumns;

/// The rows of one table that are held in memory.
pub(super) trait Columns: fmt::Debug {
    const TABLE: Table;
    /// A row as the walk gives it.
    type Row<'a>;

    fn new() -> Self;

    fn push(&mut self, row: &Self::Row<'_>);

    fn rows(&self) -> usize;

    /// About how many bytes they take.
    fn bytes(&self) -> usize;

    /// The sort key of a row.
    fn key(&self, at: usize) -> Option<RowKey<'_>>;

    /// Whether the rows came sorted and unique.
    fn ascend(&self) -> bool;

    /// The rows gathered so far as one batch; none remain here.
    fn take(&mut self) -> Result<RecordBatch, ArrowError>;

    fn last(&self) -> Option<RowKey<'_>> {
        self.key(self.rows().checked_sub(1)?)
    }

    /// Whether the rows came sorted and unique, and all follow `before`.
    fn follow(&self, before: Option<RowKey<'_>>) -> bool {
        self.ascend() && before.is_none_or(|before| self.key(0).is_none_or(|first| before < first))
    }
}

/// A text that was appended to a builder.
fn text(builder: &StringBuilder, at: usize) -> Option<&[u8]> {
    let offsets = builder.offsets_slice();
    let (from, to) = (usize::try_from(*offsets.get(at)?).ok()?, usize::try_from(*offsets.get(at + 1)?).ok()?);
    builder.values_slice().get(from..to)
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
        let column = |field: &FieldRef| match field.name().as_str() {
            RUN_ID => Ok(Arc::new(self.cached.slice(0, rows)) as ArrayRef),
            name => spooled(batch, name, field),
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        RecordBatch::try_new(schema, columns)
    }
}

/// A column of a spooled batch. One that an earlier version has written may lack columns that have come since, and say
/// that no value of a column is null where some may be by now.
fn spooled(batch: &RecordBatch, name: &str, field: &FieldRef) -> Result<ArrayRef, ArrowError> {
    match batch.column_by_name(name) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => cast(column, field.data_type()),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        None => Err(ArrowError::SchemaError(format!("the spooled batch has no column {name}"))),
    }
}
