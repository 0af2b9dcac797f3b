//! Rows of table `manifests` for the suite: nested, with nulls, empty lists and difficult texts.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, ListArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef};

use super::rows::{NASTY, digest, first_columns, in_batches, names};
use crate::{SnapshotId, Table};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Manifests of one repository.
const PER_REPOSITORY: usize = 4;

/// The kind of manifest in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowKind {
    Image,
    Index,
    Artifact,
}

fn kind(row: usize) -> RowKind {
    match row % 3 {
        0 => RowKind::Image,
        1 => RowKind::Index,
        _ => RowKind::Artifact,
    }
}

/// At least `count` manifests, sorted, in several batches: images with layers, indexes with children, artifacts with
/// neither, and empty lists of both.
///
/// # Panics
/// Only if this function does not fit the schema of the table.
pub fn manifests(id: &SnapshotId, count: usize) -> Vec<RecordBatch> {
    let names = names(count.div_ceil(PER_REPOSITORY));
    let rows = names.len() * PER_REPOSITORY;
    let [run_id, observed_at] = first_columns(id, rows);
    let texts = |text: fn(usize) -> Option<String>| Arc::new((0..rows).map(text).collect::<StringArray>()) as ArrayRef;
    let image = |text: &'static str| {
        Arc::new((0..rows).map(|i| (kind(i) == RowKind::Image).then_some(text)).collect::<StringArray>()) as ArrayRef
    };
    let at = id.scheduled_at.timestamp_micros();
    let created = (0_i64..).zip(0..rows).map(|(n, i)| (kind(i) == RowKind::Image).then_some(at - n * 1_000_003));
    let layer_count = (0..rows).map(|i| layers(i).and_then(|layers| i32::try_from(layers).ok()));
    let total = (0_i64..).zip(0..rows).map(|(n, i)| layers(i).map(|_| n << 33));
    let columns: Vec<ArrayRef> = vec![
        run_id,
        observed_at,
        Arc::new(StringArray::from_iter_values(names.iter().flat_map(|n| std::iter::repeat_n(n, PER_REPOSITORY)))),
        texts(|i| Some(digest(i))),
        texts(|i| Some(if kind(i) == RowKind::Index { INDEX } else { IMAGE }.to_owned())),
        texts(|i| (kind(i) == RowKind::Artifact).then(|| NASTY[i % NASTY.len()].to_owned())),
        texts(|i| Some(["image", "index", "artifact"][i % 3].to_owned())),
        texts(|i| (kind(i) != RowKind::Index).then(|| digest(i + 1))),
        image("linux"),
        image("arm64"),
        texts(|i| (i % 6 == 0).then(|| "v8".to_owned())),
        Arc::new(layer_count.collect::<Int32Array>()),
        Arc::new(total.collect::<Int64Array>()),
        Arc::new(created.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        texts(|i| (kind(i) == RowKind::Artifact).then(|| digest(i / 2))),
        child_digests(rows),
        layer_lists(rows),
        texts(|i| (i % 4 == 1).then(|| json_object(i))),
        texts(|i| (i % 6 == 3).then(|| json_object(i + 1))),
        notes(rows),
    ];
    in_batches(Table::Manifests, columns)
}

/// How many layers the manifest of a row lists; none where it cannot list any.
fn layers(row: usize) -> Option<usize> {
    match kind(row) {
        RowKind::Image => Some(row / 3 % 4),
        RowKind::Index => None,
        RowKind::Artifact => Some(0),
    }
}

fn child_digests(rows: usize) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        if kind(row) == RowKind::Index {
            (0..row / 3 % 3).for_each(|child| lists.values().append_value(digest(row + child)));
        }
        lists.append(kind(row) == RowKind::Index);
    }
    Arc::new(lists.finish())
}

/// Of most rows none; of others one or two.
fn notes(rows: usize) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        (0..row % 3)
            .filter(|_| row % 5 == 0)
            .for_each(|n| lists.values().append_value(format!("{n}: {}", NASTY[row % 16])));
        lists.append(row % 5 == 0);
    }
    Arc::new(lists.finish())
}

fn layer_lists(rows: usize) -> ArrayRef {
    let item = layer_item();
    let DataType::Struct(fields) = item.data_type().clone() else { panic!("layers are structs") };
    let lengths: Vec<_> = (0..rows).map(|row| layers(row).unwrap_or(0)).collect();
    let total = lengths.iter().sum();
    let entries: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values((0..total).map(|i| digest(i / 3)))),
        Arc::new((0_i64..).take(total).map(|i| (i % 7 != 6).then_some(i << 20)).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values((0..total).map(|i| if i % 50 == 49 { NASTY[i % 16] } else { LAYER }))),
    ];
    let entries = StructArray::try_new(fields, entries, None).expect("fields of the schema");
    let valid = (0..rows).map(|row| layers(row).is_some()).collect::<NullBuffer>();
    let lists = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), Arc::new(entries), Some(valid));
    Arc::new(lists.expect("lengths of the entries"))
}

/// The field of the entries of column `layers`.
fn layer_item() -> FieldRef {
    let schema = Table::Manifests.schema();
    match schema.field_with_name("layers").expect("a column of layers").data_type() {
        DataType::List(item) => Arc::clone(item),
        other => panic!("layers are a list, not {other}"),
    }
}

/// A JSON object as text, with what needs an escape in it.
fn json_object(row: usize) -> String {
    format!(r#"{{"org.opencontainers.image.title":"a \"b\" \\ {row}","z":"\u0007 ü"}}"#)
}
