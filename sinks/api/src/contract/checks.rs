//! One function per promise of [`Sink`]; each begins with an empty target.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;

use super::rows::{WALKED, batches, complete, id, snapshot_of, tables};
use super::spoilt::{Failing, Miscounting, Waiting};
use super::{Harness, Visible};
use crate::{Receipt, Rows, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, Verdict};

/// Enough for several batches, few enough for a database in a test.
const MANY: usize = 2_000;

pub(super) async fn publishes_whole_and_in_order(harness: &impl Harness) {
    let check = "publishes whole and in order";
    let (first, second) = (complete(&id("quay", 0), MANY), complete(&id("quay", 1), MANY + 1));
    let sink = harness.open().await;
    let receipt = published(check, &*sink, &first).await;
    has_exactly(check, harness, &[&first]).await;
    assert_receipt(check, &receipt, &first);
    let third = id("quay", 2);
    let gaps = snapshot_of(&third, Verdict::Gaps, tables(&third, 100, &WALKED));
    published(check, &*sink, &second).await;
    published(check, &*sink, &gaps).await;
    has_exactly(check, harness, &[&first, &second, &gaps]).await;
    leaves_nothing(check, harness).await;
}

pub(super) async fn publishes_the_tables_that_a_run_read(harness: &impl Harness) {
    let check = "publishes the tables that a run read";
    let sink = harness.open().await;
    let mut all = Vec::new();
    // Deep, shallow, and deep again: a table that comes and goes.
    for (day, depth) in (0..).zip([3, 1, 2, 3]) {
        let id = id("quay", day);
        let snapshot = snapshot_of(&id, Verdict::Complete, tables(&id, 100, &WALKED[..depth]));
        assert_receipt(check, &published(check, &*sink, &snapshot).await, &snapshot);
        all.push(snapshot);
        has_exactly(check, harness, &all.iter().collect::<Vec<_>>()).await;
    }
    leaves_nothing(check, harness).await;
}

pub(super) async fn publishes_an_empty_registry(harness: &impl Harness) {
    let check = "publishes an empty registry";
    let sink = harness.open().await;
    let (day, next, third) = (id("quay", 0), id("quay", 1), id("quay", 2));
    let shallow = snapshot_of(&day, Verdict::Complete, tables(&day, 0, &WALKED[..1]));
    let deep = complete(&next, 0);
    // Repositories without one tag.
    let mut some = tables(&third, 20, &WALKED[..1]);
    some.extend(tables(&third, 0, &WALKED[1..]));
    let bare = snapshot_of(&third, Verdict::Complete, some);
    for empty in [&shallow, &deep, &bare] {
        assert_receipt(check, &published(check, &*sink, empty).await, empty);
    }
    has_exactly(check, harness, &[&shallow, &deep, &bare]).await;
}

pub(super) async fn publishing_again_changes_nothing(harness: &impl Harness) {
    let check = "publishing again changes nothing";
    let snapshot = complete(&id("quay", 0), MANY);
    let sink = harness.open().await;
    let receipt = published(check, &*sink, &snapshot).await;
    let before = harness.visible().await;
    assert_eq!(published(check, &*sink, &snapshot).await, receipt, "{check}: another receipt from the same process");
    assert!(harness.visible().await == before, "{check}: the same process changed what is visible");
    let fresh = harness.open().await;
    assert_eq!(published(check, &*fresh, &snapshot).await, receipt, "{check}: another receipt from a fresh process");
    assert!(harness.visible().await == before, "{check}: a fresh process changed what is visible");
    leaves_nothing(check, harness).await;
}

pub(super) async fn a_forced_generation_is_whole(harness: &impl Harness) {
    let check = "a forced generation is whole";
    let first = complete(&id("quay", 0), MANY);
    let again = complete(&SnapshotId { generation: 2, ..id("quay", 0) }, 50);
    let sink = harness.open().await;
    published(check, &*sink, &first).await;
    published(check, &*sink, &again).await;
    let visible = harness.visible().await;
    assert!(visible.iter().any(|v| is(v, &again)), "{check}: {}", summary(&visible));
    // A sink may replace the first generation or keep it beside the second, but not harm it.
    assert!(visible.iter().all(|v| is(v, &again) || is(v, &first)), "{check}: {}", summary(&visible));
}

pub(super) async fn an_unpublishable_run_leaves_its_record_only(harness: &impl Harness) {
    let check = "an unpublishable run leaves its record only";
    let sink = harness.open().await;
    let good = complete(&id("quay", 0), MANY);
    published(check, &*sink, &good).await;
    let unpublishable = Verdict::ALL.into_iter().filter(|v| !v.is_publishable());
    let mut all = vec![good];
    for (day, verdict) in (1..).zip(unpublishable) {
        let id = id("quay", day);
        let run = snapshot_of(&id, verdict, tables(&id, 100, &WALKED));
        published(check, &*sink, &run).await;
        all.push(run);
    }
    has_exactly(check, harness, &all.iter().collect::<Vec<_>>()).await;
}

pub(super) async fn rows_that_fail_leave_nothing(harness: &impl Harness) {
    let check = "rows that fail leave nothing";
    let sink = harness.open().await;
    let (good, today) = (complete(&id("quay", 0), MANY), id("quay", 1));
    published(check, &*sink, &good).await;
    for table in WALKED {
        let failing = with(&today, table, |batches| Failing(table, batches));
        refused(check, &*sink, &failing).await;
        has_exactly(check, harness, &[&good]).await;
        leaves_nothing(check, harness).await;
    }
    let mended = complete(&today, MANY);
    published(check, &*sink, &mended).await;
    has_exactly(check, harness, &[&good, &mended]).await;
}

pub(super) async fn rows_that_miscount_are_refused(harness: &impl Harness) {
    let check = "rows that miscount are refused";
    let sink = harness.open().await;
    let id = id("quay", 0);
    let exact = complete(&id, MANY);
    for table in WALKED {
        let rows = exact.rows(table);
        for announced in [rows - 1, rows + 1, 0] {
            let miscounting = with(&id, table, |given| Miscounting { announced, given });
            refused(check, &*sink, &miscounting).await;
            has_exactly(check, harness, &[]).await;
        }
    }
    leaves_nothing(check, harness).await;
    published(check, &*sink, &exact).await;
    has_exactly(check, harness, &[&exact]).await;
}

pub(super) async fn a_dropped_publish_leaves_nothing(harness: &impl Harness) {
    let check = "a dropped publish leaves nothing";
    let sink = harness.open().await;
    let (good, today) = (complete(&id("quay", 0), MANY), id("quay", 1));
    published(check, &*sink, &good).await;
    let rows = Waiting::new(batches(&today, Table::Tags, MANY));
    let waiting = with(&today, Table::Tags, |_| rows.clone());
    let was_dropped = dropped_half_way(sink.publish(&waiting), &rows).await;
    rows.let_go();
    if was_dropped {
        has_exactly(check, harness, &[&good]).await;
    }
    // Other rows than before, so that the dropped publish shows if it went on behind our back.
    let whole = complete(&today, MANY + 1);
    published(check, &*sink, &whole).await;
    has_exactly(check, harness, &[&good, &whole]).await;
    leaves_nothing(check, harness).await;
}

/// Polls until the rows are read half way, then drops; false if the sink was done in one poll.
async fn dropped_half_way(publish: impl Future<Output = Result<Receipt, SinkError>>, rows: &Waiting) -> bool {
    let mut publish = pin!(publish);
    poll_fn(|context| {
        if publish.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        if rows.is_reached(context.waker()) { Poll::Ready(true) } else { Poll::Pending }
    })
    .await
}

pub(super) async fn leftovers_are_swept(harness: &impl Harness) {
    let check = "leftovers are swept";
    let good = complete(&id("quay", 0), MANY);
    published(check, &*harness.open().await, &good).await;
    let next = complete(&id("quay", 1), MANY);
    harness.plant_leftovers(next.id()).await;
    has_exactly(check, harness, &[&good]).await;
    published(check, &*harness.open().await, &next).await;
    has_exactly(check, harness, &[&good, &next]).await;
    leaves_nothing(check, harness).await;
}

pub(super) async fn probing_leaves_nothing(harness: &impl Harness) {
    let check = "probing leaves nothing";
    let sink = harness.open().await;
    let probe = async || sink.probe().await.unwrap_or_else(|e| panic!("{check}: {}", chain(&e)));
    probe().await;
    has_exactly(check, harness, &[]).await;
    leaves_nothing(check, harness).await;
    let good = complete(&id("quay", 0), MANY);
    published(check, &*sink, &good).await;
    probe().await;
    has_exactly(check, harness, &[&good]).await;
    leaves_nothing(check, harness).await;
}

pub(super) async fn registries_do_not_disturb_each_other(harness: &impl Harness) {
    let check = "registries do not disturb each other";
    let (one, other) = (complete(&id("quay", 0), MANY), complete(&id("quay.io", 0), 300));
    let (first, second) = (harness.open().await, harness.open().await);
    let (mut a, mut b) = (pin!(first.publish(&one)), pin!(second.publish(&other)));
    let mut results = (None, None);
    poll_fn(|context| {
        if results.0.is_none()
            && let Poll::Ready(result) = a.as_mut().poll(context)
        {
            results.0 = Some(result);
        }
        if results.1.is_none()
            && let Poll::Ready(result) = b.as_mut().poll(context)
        {
            results.1 = Some(result);
        }
        if results.0.is_some() && results.1.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    for result in [results.0, results.1].into_iter().flatten() {
        result.unwrap_or_else(|e| panic!("{check}: {}", chain(&e)));
    }
    has_exactly(check, harness, &[&one, &other]).await;
    let failing = id("quay", 1);
    let failing = with(&failing, Table::Repositories, |batches| Failing(Table::Repositories, batches));
    refused(check, &*first, &failing).await;
    has_exactly(check, harness, &[&one, &other]).await;
}

async fn published(check: &str, sink: &dyn Sink, snapshot: &Snapshot) -> Receipt {
    sink.publish(snapshot).await.unwrap_or_else(|e| panic!("{check}: publish {}: {}", snapshot.id(), chain(&e)))
}

async fn refused(check: &str, sink: &dyn Sink, snapshot: &Snapshot) {
    match sink.publish(snapshot).await {
        Ok(receipt) => panic!("{check}: {} was published: {receipt:?}", snapshot.id()),
        Err(e) => assert_eq!(e.kind(), SinkErrorKind::Snapshot, "{check}: {}", chain(&e)),
    }
}

async fn has_exactly(check: &str, harness: &impl Harness, expected: &[&Snapshot]) {
    let visible = harness.visible().await;
    let all_there = expected.iter().all(|snapshot| visible.iter().any(|v| is(v, snapshot)));
    let wanted: Vec<_> = expected.iter().map(|s| s.id().to_string()).collect();
    assert!(all_there && visible.len() == expected.len(), "{check}: wanted {wanted:?}, found {}", summary(&visible));
}

async fn leaves_nothing(check: &str, harness: &impl Harness) {
    assert_eq!(harness.leftovers().await, Vec::<String>::new(), "{check}: something was left behind");
}

/// A complete snapshot whose rows of one table are made into others.
fn with<R: Rows + 'static>(id: &SnapshotId, table: Table, make: impl FnOnce(Vec<RecordBatch>) -> R) -> Snapshot {
    let mut tables = tables(id, MANY, &WALKED);
    tables.insert(table, Arc::new(make(batches(id, table, MANY))));
    snapshot_of(id, Verdict::Complete, tables)
}

/// Whether `visible` is exactly `snapshot`: the same tables, the same rows in the same order.
fn is(visible: &Visible, snapshot: &Snapshot) -> bool {
    let is_there = |table| visible.tables.contains_key(&table) || snapshot.rows(table) == 0;
    let is_sealed = |table| snapshot.tables().any(|sealed| sealed == table);
    visible.id == snapshot.id().to_string()
        && snapshot.tables().all(is_there)
        && visible.tables.keys().copied().all(is_sealed)
        && visible.tables.iter().all(|(&table, found)| {
            let sealed: Vec<_> = snapshot.batches(table).map(|b| b.expect("rows that can be read")).collect();
            one(table, found) == one(table, &sealed)
        })
}

fn one(table: Table, batches: &[RecordBatch]) -> RecordBatch {
    // By column position and value: a reader may bring metadata of its own along.
    let plain = batches.iter().map(|b| RecordBatch::try_new(table.schema(), b.columns().to_vec()));
    let plain: Vec<_> = plain.map(|b| b.expect("columns of the table's schema")).collect();
    concat_batches(&table.schema(), &plain).expect("batches of one schema")
}

fn summary(visible: &[Visible]) -> String {
    let rows = |v: &Visible| -> Vec<_> {
        v.tables
            .iter()
            .map(|(table, b)| format!("{table}: {}", b.iter().map(RecordBatch::num_rows).sum::<usize>()))
            .collect()
    };
    format!("{:?}", visible.iter().map(|v| (&v.id, rows(v))).collect::<Vec<_>>())
}

fn chain(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn assert_receipt(check: &str, receipt: &Receipt, snapshot: &Snapshot) {
    assert!(!receipt.location.is_empty(), "{check}: the receipt names no place");
    if !receipt.objects.is_empty() {
        let named: Vec<_> = receipt.objects.iter().map(|object| object.table).collect();
        assert_eq!(named, snapshot.tables().collect::<Vec<_>>(), "{check}: tables of the receipt");
    }
    for object in &receipt.objects {
        assert_eq!(object.rows, snapshot.rows(object.table), "{check}: rows of {}", object.location);
    }
}
