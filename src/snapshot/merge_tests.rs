use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use chrono::DateTime;

use super::super::columns::{Columns, RepositoryColumns, spooled_schema};
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

/// Segments of sorted names in batches of random sizes, empty ones among them; a name may stand in several segments,
/// and in one more than once, within a batch or across two.
fn segments(random: &mut fastrand::Rng, directory: &Path, expected: &mut BTreeMap<String, i64>) -> Vec<PathBuf> {
    let universe = random.usize(1..5_000);
    (0..random.i64(0..7))
        .map(|mark| {
            let path = directory.join(mark.to_string());
            let mut writer = segment::SegmentWriter::create(&path, &spooled_schema(Table::Repositories)).unwrap();
            let mut names: Vec<_> =
                (0..random.usize(0..3_000)).map(|_| format!("team/app{}", random.usize(0..universe))).collect();
            names.sort();
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
