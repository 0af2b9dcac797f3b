use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, Utc};
use stocktake_sink::contract::{id, record};
use stocktake_sink::{Snapshot, Verdict};

use super::super::{RepositoryState, Sealed};
use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn row(repository: &str, second: i64) -> RepositoryRow<'_> {
    RepositoryRow {
        observed_at: at(second),
        repository,
        tag_count: None,
        state: RepositoryState::Complete,
        error_code: None,
        monitored: false,
    }
}

fn spool(directory: &Path, buffer: usize, names: &[String]) -> Spool {
    let mut spool = Spool::with_buffer(&directory.join("walk"), buffer).unwrap();
    for (second, name) in names.iter().enumerate() {
        spool.push(&row(name, i64::try_from(second).unwrap())).unwrap();
    }
    spool
}

fn seal(directory: &Path, spool: Spool) -> Snapshot {
    let unsealed = spool.finish().unwrap();
    let rows = unsealed.rows(Table::Repositories);
    unsealed.seal(record(&id("quay", 0), Verdict::Complete, rows), &directory.join("sealed")).unwrap().snapshot
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let mut all = Vec::new();
    for batch in snapshot.batches(Table::Repositories) {
        let batch = batch.unwrap();
        assert_eq!(batch.schema(), Table::Repositories.schema());
        let column = batch.column_by_name("repository").unwrap().as_string::<i32>();
        all.extend(column.iter().map(|name| name.unwrap().to_owned()));
    }
    all
}

/// Names in an order that no registry sorts by, with repetitions.
fn jumbled(count: usize, seed: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| format!("team-{}/app{}", random.u8(0..20), random.usize(0..count))).collect()
}

#[test]
fn whatever_the_order_rows_come_back_sorted_unique_and_counted() {
    for (seed, buffer) in [(1, 1), (2, 7), (3, 64), (4, 5_000), (5, 10_000)] {
        let directory = tempfile::tempdir().unwrap();
        let pushed = jumbled(5_000, seed);
        let snapshot = seal(directory.path(), spool(directory.path(), buffer, &pushed));
        let expected: Vec<String> = pushed.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        assert_eq!(snapshot.rows(Table::Repositories), expected.len() as u64, "buffer {buffer}");
        assert_eq!(names(&snapshot), expected, "buffer {buffer}");
    }
}

#[test]
fn a_registry_that_lists_in_order_needs_one_segment() {
    let directory = tempfile::tempdir().unwrap();
    let ordered: Vec<String> = (0..1000).map(|n| format!("a/{n:04}")).collect();
    let spool = spool(directory.path(), 10, &ordered);
    assert!(spool.segments.closed.is_empty());
    assert_eq!(names(&seal(directory.path(), spool)), ordered);
}

#[test]
fn of_equal_repositories_the_first_observed_stays() {
    for buffer in [1, 2, 1000] {
        let directory = tempfile::tempdir().unwrap();
        let pushed: Vec<_> = ["b", "a"].iter().cycle().take(2 * MOST_SEGMENTS + 3).map(|&n| n.to_owned()).collect();
        let snapshot = seal(directory.path(), spool(directory.path(), buffer, &pushed));
        let batch = snapshot.batches(Table::Repositories).next().unwrap().unwrap();
        let times = batch.column_by_name("observed_at").unwrap();
        let times = times.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
        assert_eq!(times.values(), &[at(1).timestamp_micros(), at(0).timestamp_micros()], "buffer {buffer}");
    }
}

#[test]
fn however_many_segments_few_files_stand_open_for_the_merge() {
    let directory = tempfile::tempdir().unwrap();
    let pushed: Vec<_> = (0..5 * MOST_SEGMENTS).rev().map(|n| format!("app{:04}", n / 2)).collect();
    let spool = spool(directory.path(), 1, &pushed);
    assert!(spool.segments.closed.len() <= MOST_SEGMENTS, "{}", spool.segments.closed.len());
    assert!(fs::read_dir(directory.path().join("walk")).unwrap().count() <= MOST_SEGMENTS + 1);
    let snapshot = seal(directory.path(), spool);
    let expected: BTreeSet<_> = pushed.into_iter().collect();
    assert_eq!(names(&snapshot), expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn nothing_spooled_is_an_empty_table() {
    let directory = tempfile::tempdir().unwrap();
    let snapshot = seal(directory.path(), spool(directory.path(), 10, &[]));
    assert_eq!(snapshot.rows(Table::Repositories), 0);
    assert!(names(&snapshot).is_empty());
}

#[test]
fn holds_all_sees_buffered_and_written_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(directory.path(), 3, &["c", "b", "a", "d"].map(str::to_owned));
    assert!(spool.holds_all(["a", "d"].into_iter()).unwrap());
    assert!(!spool.holds_all(["a", "e"].into_iter()).unwrap());
    spool.push(&row("e", 9)).unwrap();
    assert!(spool.holds_all(["a", "e"].into_iter()).unwrap());
    assert_eq!(names(&seal(directory.path(), spool)), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_new_spool_removes_what_a_killed_walk_left() {
    let directory = tempfile::tempdir().unwrap();
    drop(spool(directory.path(), 1, &["left".to_owned()]));
    let snapshot = seal(directory.path(), spool(directory.path(), 1, &["new".to_owned()]));
    assert_eq!(names(&snapshot), ["new"]);
    assert_eq!(fs::read_dir(directory.path().join("sealed")).unwrap().count(), 2, "the seal and one table");
}

#[test]
fn a_sealed_snapshot_opens_again_and_a_damaged_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let pushed = jumbled(3_000, 9);
    let written = seal(directory.path(), spool(directory.path(), 1_000, &pushed));
    let sealed = directory.path().join("sealed");
    let opened = Sealed::open(&sealed).unwrap();
    assert_eq!(opened.snapshot.record(), written.record());
    assert_eq!(names(&opened.snapshot), names(&written));

    let file = sealed.join(table_file(Table::Repositories));
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Sealed::open(&sealed).is_err());
    fs::remove_file(sealed.join("sealed.json")).unwrap();
    assert!(Sealed::open(&sealed).is_err());
}
