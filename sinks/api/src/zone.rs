//! Timestamps for writers of text: arrow's formatters know `+00:00`, and `UTC` only with a time-zone database.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

const OFFSET: &str = "+00:00";

/// `schema` with the zone of its timestamp columns written `+00:00`.
pub fn offset_schema(schema: &Schema) -> SchemaRef {
    relabelled(schema, OFFSET)
}

/// `batch` with the zone of its timestamp columns written `+00:00`; no value changes and nothing is copied.
///
/// # Errors
/// As of [`RecordBatch::try_new`]; none for a batch that is itself valid.
pub fn offset_times(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    relabel(batch, OFFSET)
}

/// The way back from [`offset_times`], for readers of text.
///
/// # Errors
/// As of [`offset_times`].
pub fn utc_times(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    relabel(batch, "UTC")
}

fn relabel(batch: &RecordBatch, zone: &str) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(zone)) as ArrayRef
        }
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(relabelled(&batch.schema(), zone), columns.collect())
}

fn relabelled(schema: &Schema, zone: &str) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
            Arc::new(Field::clone(field).with_data_type(kind))
        }
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
