//! Table `manifests`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Builder, Int64Builder, ListArray, ListBuilder, RecordBatch, StringBuilder, StructArray,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::{Columns, RowKey, spooled_schema, text};
use crate::snapshot::{LayerRow, ManifestRow};

/// Gathers manifest rows.
#[derive(Debug, Default)]
pub(in crate::snapshot) struct ManifestColumns {
    observed_at: TimestampMicrosecondBuilder,
    repository: StringBuilder,
    digest: StringBuilder,
    media_type: StringBuilder,
    artifact_type: StringBuilder,
    kind: StringBuilder,
    config_digest: StringBuilder,
    os: StringBuilder,
    architecture: StringBuilder,
    variant: StringBuilder,
    layer_count: Int32Builder,
    total_size_bytes: Int64Builder,
    created_at: TimestampMicrosecondBuilder,
    subject_digest: StringBuilder,
    child_digests: ListBuilder<StringBuilder>,
    layers: LayerColumn,
    annotations_json: StringBuilder,
    labels_json: StringBuilder,
    notes: ListBuilder<StringBuilder>,
    rows: usize,
    bytes: usize,
    descended: bool,
}

/// What a row takes beside its texts and lists: fixed columns and offsets.
const FIXED_BYTES: usize = 96;

/// What a digest and its offset take, or a layer beside its digest and media type.
const DIGEST_BYTES: usize = 76;

impl Columns for ManifestColumns {
    const TABLE: Table = Table::Manifests;
    type Row<'a> = ManifestRow;

    fn new() -> Self {
        let timestamps = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
        Self { observed_at: timestamps(), created_at: timestamps(), ..Self::default() }
    }

    fn push(&mut self, row: &ManifestRow) {
        self.descended |= self.last().is_some_and(|last| last >= (row.repository.as_bytes(), row.digest.as_bytes()));
        self.observed_at.append_value(row.observed_at.timestamp_micros());
        self.repository.append_value(&row.repository);
        self.digest.append_value(&row.digest);
        self.media_type.append_value(&row.media_type);
        self.artifact_type.append_option(row.artifact_type.as_ref());
        self.kind.append_value(row.kind.as_str());
        self.config_digest.append_option(row.config_digest.as_ref());
        self.os.append_option(row.os.as_ref());
        self.architecture.append_option(row.architecture.as_ref());
        self.variant.append_option(row.variant.as_ref());
        self.layer_count.append_option(row.layer_count);
        self.total_size_bytes.append_option(row.total_size_bytes);
        self.created_at.append_option(row.created_at.map(|time| time.timestamp_micros()));
        self.subject_digest.append_option(row.subject_digest.as_ref());
        push_list(&mut self.child_digests, row.child_digests.as_deref());
        self.layers.push(row.layers.as_deref());
        self.annotations_json.append_option(row.annotations_json.as_ref());
        self.labels_json.append_option(row.labels_json.as_ref());
        push_list(&mut self.notes, row.notes.as_deref());
        self.rows += 1;
        self.bytes += size(row);
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn key(&self, at: usize) -> Option<RowKey<'_>> {
        Some((text(&self.repository, at)?, text(&self.digest, at)?))
    }

    fn ascend(&self) -> bool {
        !self.descended
    }

    fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut full = std::mem::replace(self, Self::new());
        let schema = spooled_schema(Self::TABLE);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(full.observed_at.finish()),
            Arc::new(full.repository.finish()),
            Arc::new(full.digest.finish()),
            Arc::new(full.media_type.finish()),
            Arc::new(full.artifact_type.finish()),
            Arc::new(full.kind.finish()),
            Arc::new(full.config_digest.finish()),
            Arc::new(full.os.finish()),
            Arc::new(full.architecture.finish()),
            Arc::new(full.variant.finish()),
            Arc::new(full.layer_count.finish()),
            Arc::new(full.total_size_bytes.finish()),
            Arc::new(full.created_at.finish()),
            Arc::new(full.subject_digest.finish()),
            Arc::new(full.child_digests.finish()),
            full.layers.finish(schema.field_with_name("layers")?.data_type())?,
            Arc::new(full.annotations_json.finish()),
            Arc::new(full.labels_json.finish()),
            Arc::new(full.notes.finish()),
        ];
        RecordBatch::try_new(schema, columns)
    }
}

fn push_list(lists: &mut ListBuilder<StringBuilder>, list: Option<&[String]>) {
    list.into_iter().flatten().for_each(|entry| lists.values().append_value(entry));
    lists.append(list.is_some());
}

fn size(row: &ManifestRow) -> usize {
    let texts = [&row.artifact_type, &row.config_digest, &row.subject_digest, &row.annotations_json, &row.labels_json];
    let layers = row.layers.iter().flatten().map(|layer| DIGEST_BYTES + 16 + layer.media_type.len());
    FIXED_BYTES
        + row.repository.len()
        + row.digest.len()
        + row.media_type.len()
        + texts.iter().map(|text| text.as_ref().map_or(0, String::len)).sum::<usize>()
        + row.child_digests.as_ref().map_or(0, |children| children.len() * DIGEST_BYTES)
        + layers.sum::<usize>()
        + row.notes.iter().flatten().map(|note| 4 + note.len()).sum::<usize>()
}

/// The column `layers`: a list of structs, kept as its leaves.
#[derive(Debug)]
struct LayerColumn {
    digest: StringBuilder,
    size: Int64Builder,
    media_type: StringBuilder,
    /// Where the layers of each row begin, and where the last row's end.
    offsets: Vec<i32>,
    entries: i32,
    valid: Vec<bool>,
}

impl Default for LayerColumn {
    fn default() -> Self {
        Self {
            digest: StringBuilder::new(),
            size: Int64Builder::new(),
            media_type: StringBuilder::new(),
            offsets: vec![0],
            entries: 0,
            valid: Vec::new(),
        }
    }
}

impl LayerColumn {
    fn push(&mut self, layers: Option<&[LayerRow]>) {
        for layer in layers.into_iter().flatten() {
            self.digest.append_value(&layer.digest);
            self.size.append_option(layer.size);
            self.media_type.append_value(&layer.media_type);
            self.entries += 1;
        }
        self.offsets.push(self.entries);
        self.valid.push(layers.is_some());
    }

    fn finish(mut self, kind: &DataType) -> Result<ArrayRef, ArrowError> {
        let wrong = || ArrowError::SchemaError("layers are no list of structs".to_owned());
        let DataType::List(item) = kind else { return Err(wrong()) };
        let DataType::Struct(fields) = item.data_type() else { return Err(wrong()) };
        let leaves: Vec<ArrayRef> =
            vec![Arc::new(self.digest.finish()), Arc::new(self.size.finish()), Arc::new(self.media_type.finish())];
        let entries = StructArray::try_new(fields.clone(), leaves, None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let lists =
            ListArray::try_new(Arc::clone(item), offsets, Arc::new(entries), Some(NullBuffer::from(self.valid)))?;
        Ok(Arc::new(lists))
    }
}
