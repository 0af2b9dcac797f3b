//! Snapshots to try a sink with: exact ones, and ones whose rows fail, miscount or wait. No sink in sight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::take_record_batch;
use chrono::{DateTime, TimeDelta};

use crate::snapshot::BatchIter;
use crate::{MemoryRows, Rows, RunError, RunRecord, Snapshot, SnapshotError, SnapshotId, Table, Trigger, Verdict};

/// Names that break careless quoting, escaping and paths. Registries answer some of these.
const NASTY: &[&str] = &[
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
        errors: match verdict {
            Verdict::Complete => Vec::new(),
            _ => vec![error(None, "the registry said \"no\""), error(Some("library/=x"), "401")],
        },
        exporter_version: "0.0.0-contract".into(),
        config_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
    }
}

/// At least `count` repositories, sorted, nulls and nasty names among them, in several batches.
///
/// # Panics
/// Only if the schema of the table and this function part ways.
pub fn repositories(id: &SnapshotId, count: usize) -> Vec<RecordBatch> {
    let plain = (0..count.saturating_sub(NASTY.len())).map(|i| format!("library/image-{i:06}"));
    let mut names: Vec<String> = NASTY.iter().map(|&n| n.to_owned()).chain(plain).collect();
    names.sort();
    let rows = names.len();
    let at = id.scheduled_at.timestamp_micros();
    let seen = (0..rows).map(|i| at + i64::try_from(i).unwrap_or(0) / 100);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(id.run_id(), rows))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(seen).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(&names)),
        Arc::new(names.iter().map(|n| n.split_once('/').map(|(first, _)| first)).collect::<StringArray>()),
        Arc::new((0_i64..).take(rows).map(|i| (i % 5 != 4).then_some(i % 97)).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values((0..rows).map(|i| if i % 5 == 4 { "denied" } else { "complete" }))),
        Arc::new((0..rows).map(|i| (i % 5 == 4).then_some("name_invalid")).collect::<StringArray>()),
        Arc::new((0..rows).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>()),
    ];
    let whole = RecordBatch::try_new(Table::Repositories.schema(), columns).expect("columns of the schema");
    let step = (rows / 5).max(1);
    (0..rows).step_by(step).map(|at| compact(&whole.slice(at, step.min(rows - at)))).collect()
}

/// A copy whose arrays begin at offset 0, as rows read from a file have them.
fn compact(slice: &RecordBatch) -> RecordBatch {
    let all = UInt32Array::from_iter_values(0..u32::try_from(slice.num_rows()).expect("a small batch"));
    take_record_batch(slice, &all).expect("indices in range")
}

/// A snapshot of the given repositories.
///
/// # Panics
/// Only if the record does not fit its schema.
pub fn snapshot(id: &SnapshotId, verdict: Verdict, repositories: impl Rows + 'static) -> Snapshot {
    let record = record(id, verdict, repositories.count());
    let tables = BTreeMap::from([(Table::Repositories, Arc::new(repositories) as Arc<dyn Rows>)]);
    Snapshot::new(record, tables).expect("a record that fits its schema")
}

/// A complete snapshot of `count` repositories.
pub(super) fn complete(id: &SnapshotId, count: usize) -> Snapshot {
    let batches = if count == 0 { Vec::new() } else { repositories(id, count) };
    snapshot(id, Verdict::Complete, MemoryRows::new(batches))
}

/// Rows that cannot be read to the end.
#[derive(Debug)]
pub(super) struct Failing(pub(super) Vec<RecordBatch>);

impl Rows for Failing {
    fn count(&self) -> u64 {
        MemoryRows::new(self.0.clone()).count()
    }

    fn batches(&self) -> BatchIter<'_> {
        let good = self.0.iter().take(self.0.len() / 2).cloned().map(Ok);
        let bad = std::iter::once_with(|| Err(SnapshotError::new(Table::Repositories, "checksum mismatch")));
        // What follows an error must not be taken either.
        Box::new(good.chain(bad).chain(self.0.iter().skip(self.0.len() / 2).cloned().map(Ok)))
    }
}

/// Rows that announce another number than they give.
#[derive(Debug)]
pub(super) struct Miscounting {
    pub(super) announced: u64,
    pub(super) given: Vec<RecordBatch>,
}

impl Rows for Miscounting {
    fn count(&self) -> u64 {
        self.announced
    }

    fn batches(&self) -> BatchIter<'_> {
        Box::new(self.given.iter().cloned().map(Ok))
    }
}

/// Rows that stop half way until they are let go.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    batches: Vec<RecordBatch>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    reached: AtomicBool,
    waker: Mutex<Option<Waker>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Waiting {
    pub(super) fn new(batches: Vec<RecordBatch>) -> Self {
        Self { batches, gate: Arc::default() }
    }

    /// Whether a reader stands at the gate; if not yet, `waker` is woken when one does.
    pub(super) fn is_reached(&self, waker: &Waker) -> bool {
        *self.gate.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        self.gate.reached.load(Ordering::SeqCst)
    }

    /// Lets every reader pass, now and later.
    pub(super) fn let_go(&self) {
        *self.gate.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.gate.opened.notify_all();
    }
}

impl Gate {
    fn wait(&self) {
        self.reached.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
        // Bounded, for a sink that reads on the very thread that would let it go: it cannot be dropped half way.
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.opened.wait_timeout_while(open, Duration::from_secs(5), |open| !*open);
        drop(waited);
    }
}

impl Rows for Waiting {
    fn count(&self) -> u64 {
        MemoryRows::new(self.batches.clone()).count()
    }

    fn batches(&self) -> BatchIter<'_> {
        let half = self.batches.len() / 2;
        Box::new(self.batches.iter().enumerate().map(move |(i, batch)| {
            if i == half {
                self.gate.wait();
            }
            Ok(batch.clone())
        }))
    }
}
