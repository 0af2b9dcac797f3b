//! Sort keys: how rows of a table are compared, and what makes two of them the same row.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::error::ArrowError;
use stocktake_sink::Table;

/// The key columns of one batch. All sort keys are text, compared bytewise, a missing value before all others.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    columns: Vec<StringArray>,
}

impl Keys {
    pub(super) fn of(table: Table, batch: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &&str| -> Result<StringArray, ArrowError> {
            let column = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
            column.cloned().ok_or_else(|| ArrowError::SchemaError(format!("{table} has no text column {name}")))
        };
        Ok(Self { columns: table.sort_key().iter().map(column).collect::<Result<_, _>>()? })
    }

    /// Compares row `at` here with row `there` of `other`.
    pub(super) fn compare(&self, at: usize, other: &Self, there: usize) -> Ordering {
        let pairs = self.columns.iter().zip(&other.columns);
        pairs.map(|(a, b)| value(a, at).cmp(&value(b, there))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The first key column's value in a row.
    pub(super) fn first_column(&self, at: usize) -> Option<&[u8]> {
        self.columns.first().and_then(|column| value(column, at))
    }

    /// The rows that make the batch sorted and unique; of equal keys the first row stays.
    pub(super) fn order(&self) -> Vec<u32> {
        let rows = u32::try_from(self.columns.first().map_or(0, Array::len)).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..rows).collect();
        // A stable sort, so that "the first" means the one observed first.
        order.sort_by(|&a, &b| self.compare(a as usize, self, b as usize));
        order.dedup_by(|later, first| self.compare(*first as usize, self, *later as usize).is_eq());
        order
    }
}

fn value(column: &StringArray, at: usize) -> Option<&[u8]> {
    column.is_valid(at).then(|| column.value(at).as_bytes())
}
