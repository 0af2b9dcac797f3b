//! Table `tags`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::{Columns, RowKey, spooled_schema, text};
use crate::snapshot::TagRow;

/// Gathers tag rows.
#[derive(Debug, Default)]
pub(in crate::snapshot) struct TagColumns {
    observed_at: TimestampMicrosecondBuilder,
    repository: StringBuilder,
    tag: StringBuilder,
    digest: StringBuilder,
    media_type: StringBuilder,
    size_bytes: Int64Builder,
    rows: usize,
    descended: bool,
}

/// What a row takes beside its texts: fixed columns and offsets.
const FIXED_BYTES: usize = 32;

impl Columns for TagColumns {
    const TABLE: Table = Table::Tags;
    type Row<'a> = TagRow<'a>;

    fn new() -> Self {
        Self { observed_at: TimestampMicrosecondBuilder::new().with_timezone("UTC"), ..Self::default() }
    }

    fn push(&mut self, row: &TagRow<'_>) {
        self.descended |= self.last().is_some_and(|last| last >= (row.repository.as_bytes(), row.tag.as_bytes()));
        self.observed_at.append_value(row.observed_at.timestamp_micros());
        self.repository.append_value(row.repository);
        self.tag.append_value(row.tag);
        self.digest.append_option(row.digest);
        self.media_type.append_option(row.media_type);
        self.size_bytes.append_option(row.size_bytes);
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        let texts = [&self.repository, &self.tag, &self.digest, &self.media_type];
        texts.map(|text| text.values_slice().len()).iter().sum::<usize>() + self.rows * FIXED_BYTES
    }

    fn key(&self, at: usize) -> Option<RowKey<'_>> {
        Some((text(&self.repository, at)?, text(&self.tag, at)?))
    }

    fn ascend(&self) -> bool {
        !self.descended
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut full = std::mem::replace(self, Self::new());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(full.observed_at.finish()),
            Arc::new(full.repository.finish()),
            Arc::new(full.tag.finish()),
            Arc::new(full.digest.finish()),
            Arc::new(full.media_type.finish()),
            Arc::new(full.size_bytes.finish()),
        ];
        RecordBatch::try_new(spooled_schema(Self::TABLE), columns)
    }
}
