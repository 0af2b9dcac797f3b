use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arrow::array::AsArray;
use chrono::{DateTime, Utc};
use stocktake_sink::contract::{id, record};
use stocktake_sink::{Snapshot, Verdict};

use super::super::files::table_file;
use super::super::model_tests::{Model, WALKED, rows};
use super::super::segments::MOST_SEGMENTS;
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
    let limit = |_| BatchLimit { rows: buffer, bytes: usize::MAX };
    let mut spool = Spool::create_with(&directory.join("walk"), &[Table::Repositories], limit).unwrap();
    for (second, name) in names.iter().enumerate() {
        spool.push(&row(name, i64::try_from(second).unwrap())).unwrap();
    }
    spool
}

/// How many files of a spool there are.
fn segments(directory: &Path) -> usize {
    fs::read_dir(directory.join("walk")).unwrap().count()
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
    assert_eq!(segments(directory.path()), 1);
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
    assert!(segments(directory.path()) <= MOST_SEGMENTS + 1, "{}", segments(directory.path()));
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

/// What version 0.1 wrote, before there were tags and manifests.
#[test]
fn a_seal_of_an_older_version_opens() {
    let directory = tempfile::tempdir().unwrap();
    seal(directory.path(), spool(directory.path(), 10, &["a".to_owned(), "b".to_owned()]));
    let sealed = directory.path().join("sealed");
    let old = r#"{
        "record": {
            "id": {"registry": "quay", "scheduled_at": "2026-11-23T03:00:00Z", "generation": 1},
            "started_at": "2026-11-23T03:00:01Z", "finished_at": "2026-11-23T03:10:00Z", "trigger": "manual",
            "verdict": "complete", "pages": 1, "requests": 2, "retries": 0, "token_requests": 1,
            "rows_repositories": 2, "errors": [], "exporter_version": "0.1.0", "config_sha256": "00"
        },
        "rows": {"repositories": 2}
    }"#;
    fs::write(sealed.join("sealed.json"), old).unwrap();
    let opened = Sealed::open(&sealed).unwrap();
    assert_eq!(names(&opened.snapshot), ["a", "b"]);
    let record = opened.snapshot.record();
    assert_eq!((record.rows_tags, record.rows_manifests, record.requests_saved), (0, 0, 0));
}

#[test]
fn random_rows_of_all_tables_come_back_sorted_unique_and_counted() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let limits = WALKED.map(|_| BatchLimit { rows: random.usize(1..400), bytes: random.usize(1..100_000) });
        let limit = |table| limits[WALKED.iter().position(|t| *t == table).unwrap()];
        let mut spool = Spool::create_with(&directory.path().join("walk"), &WALKED, limit).unwrap();
        let mut model = Model::default();
        for row in rows(&mut random) {
            row.push(&mut spool);
            model.add(row);
        }
        let unsealed = spool.finish().unwrap();
        let counts = WALKED.map(|table| unsealed.rows(table));
        let record = record(&id("quay", 0), Verdict::Complete, counts[0]);
        let sealed = unsealed.seal(record, &directory.path().join("sealed")).unwrap();
        assert!(Model::read(&sealed.snapshot) == model, "seed {seed}");
        assert_eq!(WALKED.map(|table| sealed.snapshot.rows(table)), counts, "seed {seed}");
        assert_eq!(counts, model.counts(), "seed {seed}");
        let reopened = Sealed::open(&directory.path().join("sealed")).unwrap();
        assert!(Model::read(&reopened.snapshot) == model, "seed {seed}");
        assert_eq!(fs::read_dir(&reopened.directory).unwrap().count(), 4, "seed {seed}: the seal and three tables");
    }
}

#[test]
fn a_snapshot_has_the_tables_of_its_spool_and_no_others() {
    for depth in 1..=3 {
        let directory = tempfile::tempdir().unwrap();
        let tables = &WALKED[..depth];
        let spool = Spool::create(&directory.path().join("walk"), tables).unwrap();
        let snapshot = seal(directory.path(), spool);
        let expected: Vec<_> = tables.iter().copied().chain([Table::Runs]).collect();
        assert_eq!(snapshot.tables().collect::<Vec<_>>(), expected);
        assert!(tables.iter().all(|table| snapshot.batches(*table).next().is_none()));
    }
}

#[test]
fn a_row_for_a_table_that_the_spool_does_not_have_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(directory.path(), 10, &[]);
    let tag =
        TagRow { observed_at: at(0), repository: "a", tag: "1", digest: None, media_type: None, size_bytes: None };
    assert!(spool.push_tag(&tag).is_err());
}

/// Rows of 2 KiB and more: what counts is their bytes, not their number.
#[test]
fn large_rows_are_written_before_there_are_many() {
    let directory = tempfile::tempdir().unwrap();
    let limit = |_| BatchLimit { rows: usize::MAX, bytes: 64 * 1024 };
    let mut spool = Spool::create_with(&directory.path().join("walk"), &WALKED, limit).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..100 {
        let mut manifest = super::super::model_tests::manifest(&mut random, "team/app");
        manifest.labels_json = Some("x".repeat(4096));
        spool.push_manifest(&manifest).unwrap();
    }
    // A buffer takes fifteen of them; each is a segment of its own, for they come in no order.
    assert!(segments(directory.path()) >= 5, "{}", segments(directory.path()));
}
