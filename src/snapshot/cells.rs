//! Reads rows and cells of spooled batches.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use stocktake_sink::ManifestKind;

use super::{KnownTag, LayerRow, ManifestRow};

/// A row of table `manifests`.
pub(super) fn manifest(batch: &RecordBatch, at: usize) -> Result<ManifestRow, ArrowError> {
    let kind = required(batch, "kind", at)?;
    Ok(ManifestRow {
        observed_at: time(batch, "observed_at", at)?.ok_or_else(|| unfit("observed_at"))?,
        repository: required(batch, "repository", at)?,
        digest: required(batch, "digest", at)?,
        media_type: required(batch, "media_type", at)?,
        artifact_type: optional(batch, "artifact_type", at)?,
        kind: ManifestKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(|| unfit("kind"))?,
        config_digest: optional(batch, "config_digest", at)?,
        os: optional(batch, "os", at)?,
        architecture: optional(batch, "architecture", at)?,
        variant: optional(batch, "variant", at)?,
        layer_count: number::<Int32Type>(batch, "layer_count", at)?,
        total_size_bytes: number::<Int64Type>(batch, "total_size_bytes", at)?,
        created_at: time(batch, "created_at", at)?,
        subject_digest: optional(batch, "subject_digest", at)?,
        child_digests: list(batch, "child_digests", at)?.map(|list| texts(&list)).transpose()?,
        layers: list(batch, "layers", at)?.map(|list| layers(&list)).transpose()?,
        annotations_json: optional(batch, "annotations_json", at)?,
        labels_json: optional(batch, "labels_json", at)?,
        notes: list(batch, "notes", at)?.map(|list| texts(&list)).transpose()?,
    })
}

/// The name of a tag and what it pointed to; none if that is not known.
pub(super) fn tag(batch: &RecordBatch, at: usize) -> Result<Option<(String, KnownTag)>, ArrowError> {
    let Some(digest) = optional(batch, "digest", at)? else { return Ok(None) };
    let size_bytes = number::<Int64Type>(batch, "size_bytes", at)?;
    Ok(Some((required(batch, "tag", at)?, KnownTag { digest, size_bytes })))
}

/// A column of texts.
pub(super) fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    column(batch, name)?.as_string_opt().ok_or_else(|| unfit(name))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| unfit(name))
}

fn optional(batch: &RecordBatch, name: &str, at: usize) -> Result<Option<String>, ArrowError> {
    let column = text_column(batch, name)?;
    Ok(column.is_valid(at).then(|| column.value(at).to_owned()))
}

fn required(batch: &RecordBatch, name: &str, at: usize) -> Result<String, ArrowError> {
    optional(batch, name, at)?.ok_or_else(|| unfit(name))
}

fn number<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str, at: usize) -> Result<Option<T::Native>, ArrowError> {
    let column = column(batch, name)?.as_primitive_opt::<T>().ok_or_else(|| unfit(name))?;
    Ok(column.is_valid(at).then(|| column.value(at)))
}

fn time(batch: &RecordBatch, name: &str, at: usize) -> Result<Option<DateTime<Utc>>, ArrowError> {
    let micros = number::<TimestampMicrosecondType>(batch, name, at)?;
    micros.map(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| unfit(name))).transpose()
}

fn list(batch: &RecordBatch, name: &str, at: usize) -> Result<Option<ArrayRef>, ArrowError> {
    let column = column(batch, name)?.as_list_opt::<i32>().ok_or_else(|| unfit(name))?;
    Ok(column.is_valid(at).then(|| column.value(at)))
}

fn texts(entries: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let entries = entries.as_string_opt::<i32>().ok_or_else(|| unfit("child_digests or notes"))?;
    Ok(entries.iter().flatten().map(str::to_owned).collect())
}

fn layers(entries: &ArrayRef) -> Result<Vec<LayerRow>, ArrowError> {
    let entries = RecordBatch::from(entries.as_struct_opt().ok_or_else(|| unfit("layers"))?);
    let layer = |at| {
        Ok(LayerRow {
            digest: required(&entries, "digest", at)?,
            size: number::<Int64Type>(&entries, "size", at)?,
            media_type: required(&entries, "media_type", at)?,
        })
    };
    (0..entries.num_rows()).map(layer).collect()
}

pub(super) fn unfit(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {column} is not there, or is not as we write it"))
}
