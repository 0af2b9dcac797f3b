use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use chrono::DateTime;

use super::super::columns::{Columns, RepositoryColumns, spooled_schema};
use super::super::disk_retry::DiskRetry;
use super::super::{RepositoryRow, RepositoryState};
use super::*;

/// One batch of these names; `mark` tells in column `tag_count` which segment a row is of.
fn batch(names: &[&String], mark: i64) -> RecordBatch {
    let mut columns = RepositoryColumns::new();
    for name in names {
        columns.push(&RepositoryRow {
            observed_at: DateTime::UNIX_EPOCH,
            repository: name,
            tag_count: Some(mark),
            state: RepositoryState::Complete,
            error_code: None,
            monitored: false,
        });
    }
    columns.take().unwrap()
}

/// Segments of sorted names in batches of random sizes; a name may stand in several segments. Some segments overlap,
/// others do not.
fn segments(random: &mut fastrand::Rng, directory: &Path, expected: &mut BTreeMap<String, i64>) -> Vec<PathBuf> {
    let universe = random.usize(1..5_000);
    (0..random.i64(0..7))
        .map(|mark| {
            let path = directory.join(mark.to_string());
            let mut writer =
                segment::SegmentWriter::create(&path, &spooled_schema(Table::Repositories), &DiskRetry::default())
                    .unwrap();
            let (from, to) = (random.usize(0..universe), random.usize(0..universe));
            let range = from.min(to)..=from.max(to);
            let mut names: Vec<_> =
                (0..random.usize(0..3_000)).map(|_| format!("team/app{:04}", random.usize(range.clone()))).collect();
            names.sort();
            names.dedup();
            for name in &names {
                expected.entry(name.clone()).or_insert(mark);
            }
            let mut rest: Vec<_> = names.iter().collect();
            while !rest.is_empty() {
                let taken: Vec<_> = rest.drain(..random.usize(0..=rest.len().min(900))).collect();
                writer.append(&batch(&taken, mark)).unwrap();
            }
            writer.finish().unwrap();
            path
        })
        .collect()
}

#[test]
fn batches_that_no_other_row_comes_between_go_on_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..3_000).map(|at| format!("app{at:04}")).collect();
    // Three segments that follow each other, and one row in the midst of the second.
    let segment = |name: &str, names: &[&String]| {
        let path = directory.path().join(name);
        let mut writer =
            segment::SegmentWriter::create(&path, &spooled_schema(Table::Repositories), &DiskRetry::default()).unwrap();
        for piece in names.chunks(100) {
            writer.append(&batch(piece, 0)).unwrap();
        }
        writer.finish().unwrap();
        path
    };
    let all: Vec<_> = names.iter().collect();
    let between = "app1550x".to_owned();
    let mut segments: Vec<_> = (0..3).map(|at| segment(&at.to_string(), &all[at * 1000..(at + 1) * 1000])).collect();
    segments.push(segment("between", &[&between]));
    let merge = Merge::open(Table::Repositories, segments.iter().map(PathBuf::as_path)).unwrap();
    let sizes: Vec<_> = merge.map(|batch| batch.unwrap().num_rows()).collect();
    // From the batch with the row on, rows are put together anew, up to where there are enough and a batch begins.
    let mut expected = vec![100; 15];
    expected.push(1_101);
    expected.extend([100; 4]);
    assert_eq!(sizes, expected);
}

#[test]
fn any_segments_merge_into_sorted_unique_rows_each_of_the_earliest_segment() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let mut expected = BTreeMap::new();
        let segments = segments(&mut random, directory.path(), &mut expected);
        let mut merged = Vec::new();
        for batch in Merge::open(Table::Repositories, segments.iter().map(PathBuf::as_path)).unwrap() {
            let batch = batch.unwrap();
            assert!((1..=ORDERED_BATCH.rows).contains(&batch.num_rows()), "seed {seed}: {} rows", batch.num_rows());
            let names = batch.column_by_name("repository").unwrap().as_string::<i32>();
            let marks = batch.column_by_name("tag_count").unwrap().as_primitive::<Int64Type>();
            merged.extend(names.iter().flatten().map(str::to_owned).zip(marks.iter().flatten()));
        }
        assert!(merged == expected.into_iter().collect::<Vec<_>>(), "seed {seed}: {} rows", merged.len());
    }
}
