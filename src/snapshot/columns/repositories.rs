//! Table `repositories`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::{Columns, RowKey, spooled_schema, text};
use crate::snapshot::RepositoryRow;
use crate::snapshot::limit::ORDERED_BATCH;

/// Gathers repository rows.
#[derive(Debug)]
pub(in crate::snapshot) struct RepositoryColumns {
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

/// What a row takes beside its name and namespace: fixed columns, offsets, and a state.
const FIXED_BYTES: usize = 40;

impl Columns for RepositoryColumns {
    const TABLE: Table = Table::Repositories;
    type Row<'a> = RepositoryRow<'a>;

    fn new() -> Self {
        // Room for one ordered batch, so that buffers do not grow step by step, batch after batch.
        let rows = ORDERED_BATCH.rows;
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

    fn push(&mut self, row: &RepositoryRow<'_>) {
        self.ascend &= self.last().is_none_or(|(last, _)| last < row.repository.as_bytes());
        self.observed_at.append_value(row.observed_at.timestamp_micros());
        self.repository.append_value(row.repository);
        self.namespace.append_option(row.repository.rsplit_once('/').map(|(namespace, _)| namespace));
        self.tag_count.append_option(row.tag_count);
        self.state.append_value(row.state.as_str());
        self.error_code.append_option(row.error_code);
        self.monitored.append_value(row.monitored);
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        self.repository.values_slice().len() + self.namespace.values_slice().len() + self.rows * FIXED_BYTES
    }

    fn key(&self, at: usize) -> Option<RowKey<'_>> {
        Some((text(&self.repository, at)?, &[]))
    }

    fn ascend(&self) -> bool {
        self.ascend
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
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
        RecordBatch::try_new(spooled_schema(Self::TABLE), columns)
    }
}
