//! Cells of the batches that a target gives.

use arrow::array::{Array, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use stocktake_sink::{PublishedObject, PublishedRun, Table};

use super::PublishedError;

/// A table of a run, to name it in errors.
#[derive(Clone, Debug)]
pub(super) struct ReadTable {
    run: String,
    table: Table,
}

impl ReadTable {
    pub(super) fn new(run: &PublishedRun, object: &PublishedObject) -> Self {
        Self { run: run.id.run_id(), table: object.table }
    }

    pub(super) fn texts<'b>(
        &self,
        batch: &'b RecordBatch,
        column: &'static str,
    ) -> Result<&'b StringArray, PublishedError> {
        let found = batch.column_by_name(column).and_then(|array| array.as_string_opt());
        found.ok_or_else(|| self.unfit(column))
    }

    pub(super) fn numbers<'b>(
        &self,
        batch: &'b RecordBatch,
        column: &'static str,
    ) -> Result<&'b Int64Array, PublishedError> {
        let found = batch.column_by_name(column).and_then(|array| array.as_primitive_opt::<Int64Type>());
        found.ok_or_else(|| self.unfit(column))
    }

    pub(super) fn unfit(&self, column: &'static str) -> PublishedError {
        PublishedError::Unfit { run: self.run.clone(), table: self.table, column }
    }
}

/// A cell of texts that may be null.
pub(super) fn text(column: &StringArray, at: usize) -> Option<String> {
    column.is_valid(at).then(|| column.value(at).to_owned())
}
