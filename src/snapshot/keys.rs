//! Sort keys, by which rows are compared. Rows with the same key are the same row.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::error::ArrowError;
use stocktake_sink::Table;

/// The sort key of one row: one or two texts, compared bytewise. The second is empty where the table has none.
pub(super) type RowKey<'a> = (&'a [u8], &'a [u8]);

/// The key columns of one batch, in which no value is missing.
#[derive(Clone, Debug)]
pub(super) struct RowKeys {
    first: StringArray,
    second: Option<StringArray>,
}

impl RowKeys {
    pub(super) fn of(table: Table, batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| -> Result<StringArray, ArrowError> {
            let column = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
            let column = column.filter(|column| column.null_count() == 0);
            column.cloned().ok_or_else(|| ArrowError::SchemaError(format!("{table} has no key of texts in {name}")))
        };
        match table.sort_key() {
            [first] => Ok(Self { first: column(first)?, second: None }),
            [first, second] => Ok(Self { first: column(first)?, second: Some(column(second)?) }),
            _ => Err(ArrowError::SchemaError(format!("{table} has no key of one or two columns"))),
        }
    }

    pub(super) fn at(&self, row: usize) -> RowKey<'_> {
        (self.first.value(row).as_bytes(), self.second.as_ref().map_or(&[], |second| second.value(row).as_bytes()))
    }

    /// The rows that make the batch sorted and unique; of equal keys the first row stays.
    pub(super) fn order(&self) -> Vec<u32> {
        let rows = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..rows).collect();
        // A stable sort, so that "the first" means the one observed first.
        order.sort_by(|&a, &b| self.at(a as usize).cmp(&self.at(b as usize)));
        order.dedup_by(|later, first| self.at(*first as usize) == self.at(*later as usize));
        order
    }
}
