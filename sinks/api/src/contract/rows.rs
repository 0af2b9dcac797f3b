//! Snapshots for the suite. Their rows have nulls, empty lists and difficult texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take_record_batch;
use chrono::{DateTime, TimeDelta};

use super::manifests::manifests;
use crate::{MemoryRows, Rows, RunError, RunRecord, Snapshot, SnapshotId, Table, Trigger, Verdict};

/// Names that break careless quoting, escaping and paths. Registries return some of these.
pub(super) const NASTY: &[&str] = &[
    "'; DROP TABLE repositories; --",
    "\"quoted\", with comma",
    "$(reboot) `id` %s {0} ${HOME}",
    "+cmd|' /C calc'!A0",
    "../../etc/passwd",
    "=1+1",
    "@SUM(A1)",
    "\\N",
    "\\u0041 \\",
    "a\tb\nc\r\nd",
    "null",
    "\u{1}\u{7f}\u{85}",
    "\u{1b}[31mred\u{1b}[0m",
    "ünï/日本語/🐳",
    "\u{202e}gnp.exe\u{2066}",
    "\u{2028}\u{feff}",
];

/// Day `day` of registry `registry`, first generation.
///
/// # Panics
/// If `registry` is no registry name.
pub fn id(registry: &str, day: u32) -> SnapshotId {
    let first = DateTime::from_timestamp(1_795_402_800, 0).expect("2026-11-23T03:00:00Z");
    SnapshotId::new(registry.parse().expect("a registry name"), first + TimeDelta::days(day.into()))
}

/// The record of a run that took ten minutes; one that is not complete has errors.
pub fn record(id: &SnapshotId, verdict: Verdict, rows_repositories: u64) -> RunRecord {
    let error = |repository: Option<&str>, message: &str| RunError {
        repository: repository.map(str::to_owned),
        code: "denied".into(),
        message: message.into(),
        count: 3,
    };
    RunRecord {
        id: id.clone(),
        started_at: id.scheduled_at + TimeDelta::microseconds(1_234_567),
        finished_at: id.scheduled_at + TimeDelta::minutes(10),
        trigger: Trigger::Schedule,
        verdict,
        pages: 7,
        requests: 11,
        retries: 2,
        token_requests: 3,
        rows_repositories,
        rows_tags: 0,
        rows_manifests: 0,
        rows_changes: 0,
        requests_saved: 5,
        errors: match verdict {
            Verdict::Complete => Vec::new(),
            _ => vec![error(None, "the registry said \"no\""), error(Some("library/=x"), "401")],
        },
        exporter_version: "0.0.0-contract".into(),
        config_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
        previous_run_id: Some(format!("{}-20261121T030000Z", id.registry)),
    }
}

/// At least `count` repositories, sorted, some with nulls and difficult names, in several batches.
///
/// # Panics
/// Only if this function does not fit the schema of the table.
pub fn repositories(id: &SnapshotId, count: usize) -> Vec<RecordBatch> {
    let names = names(count);
    let rows = names.len();
    let [run_id, observed_at] = first_columns(id, rows);
    let columns: Vec<ArrayRef> = vec![
        run_id,
        observed_at,
        Arc::new(StringArray::from_iter_values(&names)),
        Arc::new(names.iter().map(|n| n.split_once('/').map(|(first, _)| first)).collect::<StringArray>()),
        Arc::new((0_i64..).take(rows).map(|i| (i % 5 != 4).then_some(i % 97)).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values((0..rows).map(|i| if i % 5 == 4 { "denied" } else { "complete" }))),
        Arc::new((0..rows).map(|i| (i % 5 == 4).then_some("name_invalid")).collect::<StringArray>()),
        Arc::new((0..rows).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>()),
    ];
    in_batches(Table::Repositories, columns)
}

/// At least `count` tags of some of these repositories, sorted, in several batches; some point nowhere.
///
/// # Panics
/// Only if this function does not fit the schema of the table.
pub fn tags(id: &SnapshotId, count: usize) -> Vec<RecordBatch> {
    // In bytewise order, as rows of a sealed table are.
    let tags = ["+cmd|' /C calc'!A0", "1.0", "latest"];
    let names = names(count.div_ceil(tags.len()));
    let rows = names.len() * tags.len();
    let [run_id, observed_at] = first_columns(id, rows);
    let digest = |i: usize| (i % 7 != 6).then(|| digest(i / 2));
    let media_type = |i: usize| (i % 7 != 6).then_some("application/vnd.oci.image.manifest.v1+json");
    let columns: Vec<ArrayRef> = vec![
        run_id,
        observed_at,
        Arc::new(StringArray::from_iter_values(names.iter().flat_map(|name| std::iter::repeat_n(name, tags.len())))),
        Arc::new(StringArray::from_iter_values(tags.iter().cycle().take(rows))),
        Arc::new((0..rows).map(digest).collect::<StringArray>()),
        Arc::new((0..rows).map(media_type).collect::<StringArray>()),
        Arc::new((0_i64..).take(rows).map(|i| (i % 7 != 6).then_some(400 + i % 900)).collect::<Int64Array>()),
    ];
    in_batches(Table::Tags, columns)
}

/// About `count` changes, sorted, in several batches: repositories that came, and tags that came, went and moved.
///
/// # Panics
/// Only if this function does not fit the schema of the table.
pub fn changes(id: &SnapshotId, count: usize) -> Vec<RecordBatch> {
    let names = names(count.div_ceil(2));
    let rows = names.len() * 2;
    let [run_id, observed_at] = first_columns(id, rows);
    let (is_tag, op) = (|i: usize| i >= rows / 2, |i: usize| ["added", "removed", "moved"][i % 3]);
    let texts =
        |text: &dyn Fn(usize) -> Option<String>| Arc::new((0..rows).map(text).collect::<StringArray>()) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        run_id,
        Arc::clone(&observed_at),
        texts(&|i| Some(if is_tag(i) { "tag" } else { "repository" }.to_owned())),
        Arc::new(StringArray::from_iter_values(names.iter().cycle().take(rows))),
        texts(&|i| is_tag(i).then(|| NASTY[i % NASTY.len()].to_owned())),
        texts(&|i| Some(if is_tag(i) { op(i) } else { "added" }.to_owned())),
        texts(&|i| Some(if i % 4 == 3 { "configuration" } else { "registry" }.to_owned())),
        texts(&|i| (is_tag(i) && op(i) != "added").then(|| digest(i))),
        texts(&|i| (is_tag(i) && op(i) != "removed").then(|| digest(i + 1))),
        texts(&|_| Some(format!("{}-20261121T030000Z", id.registry))),
        observed_at,
    ];
    in_batches(Table::Changes, columns)
}

/// At least `count` names, sorted, some of them difficult.
pub(super) fn names(count: usize) -> Vec<String> {
    let plain = (0..count.saturating_sub(NASTY.len())).map(|i| format!("library/image-{i:06}"));
    let mut names: Vec<String> = NASTY.iter().map(|&n| n.to_owned()).chain(plain).collect();
    names.sort();
    names
}

/// What looks like a digest; greater ones for greater numbers.
pub(super) fn digest(number: usize) -> String {
    let scrambled = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("sha256:{number:016x}{scrambled:016x}{:016x}{:016x}", scrambled.rotate_left(17), scrambled.swap_bytes())
}

/// The columns that all tables begin with.
pub(super) fn first_columns(id: &SnapshotId, rows: usize) -> [ArrayRef; 2] {
    let at = id.scheduled_at.timestamp_micros();
    let seen = (0..rows).map(|i| at + i64::try_from(i).unwrap_or(0) / 100);
    [
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(id.run_id(), rows))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(seen).with_timezone("UTC")),
    ]
}

pub(super) fn in_batches(table: Table, columns: Vec<ArrayRef>) -> Vec<RecordBatch> {
    let whole = RecordBatch::try_new(table.schema(), columns).expect("columns of the schema");
    let rows = whole.num_rows();
    let step = (rows / 5).max(1);
    (0..rows).step_by(step).map(|at| compact(&whole.slice(at, step.min(rows - at)))).collect()
}

/// A copy whose arrays begin at offset 0, as rows read from a file have them.
fn compact(slice: &RecordBatch) -> RecordBatch {
    let all = UInt32Array::from_iter_values(0..u32::try_from(slice.num_rows()).expect("a small batch"));
    take_record_batch(slice, &all).expect("indices in range")
}

/// A snapshot of the given repositories, as of a run that read no more than their names.
///
/// # Panics
/// Only if the record does not fit its schema.
pub fn snapshot(id: &SnapshotId, verdict: Verdict, repositories: impl Rows + 'static) -> Snapshot {
    snapshot_of(id, verdict, BTreeMap::from([(Table::Repositories, Arc::new(repositories) as Arc<dyn Rows>)]))
}

/// A snapshot of the given tables.
///
/// # Panics
/// Only if the record does not fit its schema.
pub fn snapshot_of(id: &SnapshotId, verdict: Verdict, tables: BTreeMap<Table, Arc<dyn Rows>>) -> Snapshot {
    let rows = |table| tables.get(&table).map_or(0, |rows| rows.count());
    let (rows_tags, rows_manifests, rows_changes) = (rows(Table::Tags), rows(Table::Manifests), rows(Table::Changes));
    let record = record(id, verdict, rows(Table::Repositories));
    let record = RunRecord { rows_tags, rows_manifests, rows_changes, ..record };
    Snapshot::new(record, tables).expect("a record that fits its schema")
}

/// Rows of these tables, at least `count` each; none at all for 0.
pub fn tables(id: &SnapshotId, count: usize, which: &[Table]) -> BTreeMap<Table, Arc<dyn Rows>> {
    let rows = |&table: &Table| (table, Arc::new(MemoryRows::new(batches(id, table, count))) as Arc<dyn Rows>);
    which.iter().map(rows).collect()
}

/// The tables that are made from a walk.
pub(super) const WALKED: [Table; 4] = [Table::Repositories, Table::Tags, Table::Manifests, Table::Changes];

pub(super) fn batches(id: &SnapshotId, table: Table, count: usize) -> Vec<RecordBatch> {
    match table {
        _ if count == 0 => Vec::new(),
        Table::Repositories => repositories(id, count),
        Table::Tags => tags(id, count),
        // Their rows are many times as large.
        Table::Manifests => manifests(id, count.div_ceil(4)),
        Table::Changes => changes(id, count),
        Table::Runs => Vec::new(),
    }
}

/// A complete snapshot of all tables, `count` rows in each.
pub(super) fn complete(id: &SnapshotId, count: usize) -> Snapshot {
    snapshot_of(id, Verdict::Complete, tables(id, count, &WALKED))
}
