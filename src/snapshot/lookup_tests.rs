use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::writer::FileWriter;
use stocktake_sink::Verdict;
use stocktake_sink::contract::{id, record};

use super::super::Spool;
use super::super::model_tests::{Model, Row, WALKED, of_repository};
use super::*;

/// A sealed snapshot of these rows.
fn sealed(directory: &Path, mut spool: Spool, rows: &[Row]) -> Sealed {
    for row in rows {
        row.push(&mut spool);
    }
    spool.finish().unwrap().seal(record(&id("quay", 0), Verdict::Complete, 0), &directory.join("sealed")).unwrap()
}

/// Repositories with their rows, sorted, so that small batches are written as they come and one repository spans
/// several.
fn sorted_rows(random: &mut fastrand::Rng, repositories: usize) -> Vec<Row> {
    let mut model = Model::default();
    for at in 0..repositories {
        let name = format!("team/app{:03}", 2 * at);
        (0..random.usize(1..5)).flat_map(|_| of_repository(random, &name)).for_each(|row| model.add(row));
    }
    let Model { repositories, tags, manifests } = model;
    let repositories = repositories.into_iter().map(|(name, (state, count))| Row::Repository(name, state, count));
    let tags = tags.into_iter().map(|((repository, tag), value)| Row::Tag(repository, tag, value));
    let manifests = manifests.into_values().map(|manifest| Row::Manifest(Box::new(manifest)));
    repositories.chain(tags).chain(manifests).collect()
}

/// What is to be known by repository.
fn expected(rows: &[Row]) -> BTreeMap<String, KnownRepository> {
    let mut all: BTreeMap<String, KnownRepository> = BTreeMap::new();
    for row in rows.iter().cloned() {
        match row {
            Row::Tag(repository, tag, (Some(digest), _, size_bytes)) => {
                all.entry(repository).or_default().tags.insert(tag, KnownTag { digest, size_bytes });
            }
            Row::Repository(..) | Row::Tag(..) => {}
            Row::Manifest(manifest) => {
                let known = all.entry(manifest.repository.clone()).or_default();
                known.manifests.insert(manifest.digest.clone(), *manifest);
            }
        }
    }
    all
}

fn small(rows: usize) -> impl Fn(Table) -> super::super::limit::BatchLimit {
    move |_| super::super::limit::BatchLimit { rows, bytes: usize::MAX }
}

#[test]
fn every_repository_is_known_as_it_was_and_absent_ones_are_not() {
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let count = random.usize(0..60);
        let rows = sorted_rows(&mut random, count);
        let buffer = small(random.usize(1..30));
        let spool = Spool::create_with(&directory.path().join("walk"), &WALKED, buffer).unwrap();
        let known = SnapshotLookup::open(&sealed(directory.path(), spool, &rows)).unwrap().unwrap();
        let expected = expected(&rows);
        // In any order, and those between, before and after them too.
        let mut asked: Vec<_> = (0..=2 * count).map(|at| format!("team/app{at:03}")).collect();
        asked.extend([String::new(), "team".to_owned(), "zebra".to_owned()]);
        random.shuffle(&mut asked);
        for name in asked {
            let wanted = expected.get(&name).cloned().unwrap_or_default();
            assert!(known.of(&name).unwrap() == wanted, "seed {seed}: {name}");
        }
    }
}

#[test]
fn a_walk_in_order_decodes_each_batch_once_whoever_asks() {
    let directory = tempfile::tempdir().unwrap();
    let rows = sorted_rows(&mut fastrand::Rng::with_seed(3), 200);
    let spool = Spool::create_with(&directory.path().join("walk"), &WALKED, small(10)).unwrap();
    let known = SnapshotLookup::open(&sealed(directory.path(), spool, &rows)).unwrap().unwrap();
    let expected = expected(&rows);
    assert!(known.manifests.first_repositories.len() > 50, "the test has batches");
    std::thread::scope(|scope| {
        for place in 0..4 {
            let (known, expected) = (&known, &expected);
            scope.spawn(move || {
                for (name, wanted) in expected.iter().skip(place).step_by(4) {
                    assert!(known.of(name).unwrap() == *wanted, "{name}");
                }
            });
        }
    });
    let decoded = known.manifests.batches.lock().decoded;
    assert_eq!(decoded, known.manifests.first_repositories.len());
}

#[test]
fn what_is_kept_in_memory_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let mut spool = Spool::create(&directory.path().join("walk"), &WALKED).unwrap();
    for at in 0..100 {
        let mut manifest = super::super::model_tests::manifest(&mut random, &format!("app{at:03}"));
        manifest.labels_json = Some("x".repeat(KEPT_BYTES / 20));
        spool.push_manifest(&manifest).unwrap();
    }
    let known = SnapshotLookup::open(&sealed(directory.path(), spool, &[])).unwrap().unwrap();
    for at in 0..100 {
        assert_eq!(known.of(&format!("app{at:03}")).unwrap().manifests.len(), 1);
        let batches = known.manifests.batches.lock();
        let kept: usize = batches.kept.iter().map(|kept| kept.bytes).sum();
        assert_eq!(kept, batches.kept_bytes);
        assert!(kept <= KEPT_BYTES || batches.kept.len() <= 2, "{kept}");
    }
}

#[test]
fn a_snapshot_without_manifests_or_without_an_index_is_not_known() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::create(&directory.path().join("walk"), &WALKED[..2]).unwrap();
    assert!(SnapshotLookup::open(&sealed(directory.path(), spool, &[])).unwrap().is_none());

    let directory = tempfile::tempdir().unwrap();
    let rows = sorted_rows(&mut fastrand::Rng::with_seed(5), 20);
    let spool = Spool::create(&directory.path().join("walk"), &WALKED).unwrap();
    let sealed = sealed(directory.path(), spool, &rows);
    let path = sealed.directory.join(table_file(Table::Manifests));
    let batches: Vec<_> = segment::read(&path).unwrap().map(Result::unwrap).collect();
    let mut writer = FileWriter::try_new(std::fs::File::create(&path).unwrap(), &batches[0].schema()).unwrap();
    for batch in &batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    assert!(SnapshotLookup::open(&sealed).unwrap().is_none());
}

#[test]
fn a_snapshot_of_a_version_that_made_no_notes_is_delivered_and_not_relied_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    let mut spool = Spool::create(&directory.path().join("walk"), &WALKED).unwrap();
    for at in 0..20 {
        let mut manifest = super::super::model_tests::manifest(&mut random, &format!("app{at:03}"));
        manifest.notes = None;
        manifest.layers.iter_mut().flatten().for_each(|layer| layer.size = Some(7));
        spool.push_manifest(&manifest).unwrap();
    }
    let sealed = sealed(directory.path(), spool, &[]);
    let all = || -> Vec<_> { sealed.snapshot.batches(Table::Manifests).map(Result::unwrap).collect() };
    let (path, expected) = (sealed.directory.join(table_file(Table::Manifests)), all());
    assert!(SnapshotLookup::open(&sealed).unwrap().is_some());

    // As that version wrote it: no notes, and layers whose sizes are never null.
    let batches: Vec<_> = segment::read(&path).unwrap().map(Result::unwrap).collect();
    let schema = batches[0].schema();
    let at = schema.index_of("layers").unwrap();
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let DataType::List(item) = fields[at].data_type() else { panic!("a list") };
    let DataType::Struct(inner) = item.data_type() else { panic!("of structs") };
    let strict = inner.iter().map(|field| field.as_ref().clone().with_nullable(false)).collect();
    let item = item.as_ref().clone().with_data_type(DataType::Struct(strict));
    fields[at] = Arc::new(fields[at].as_ref().clone().with_data_type(DataType::List(Arc::new(item))));
    fields.pop();
    let old = Arc::new(Schema::new(fields));
    std::fs::remove_file(&path).unwrap();
    let mut writer =
        segment::SegmentWriter::create(&path, &old, &super::super::disk_retry::DiskRetry::default()).unwrap();
    for batch in &batches {
        let columns = batch
            .columns()
            .iter()
            .zip(old.fields())
            .map(|(column, field)| arrow::compute::cast(column, field.data_type()).unwrap());
        writer.append(&RecordBatch::try_new(old.clone(), columns.collect()).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    assert!(SnapshotLookup::open(&sealed).unwrap().is_none());
    assert_eq!(all(), expected);
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let rows = sorted_rows(&mut fastrand::Rng::with_seed(6), 20);
    let spool = Spool::create(&directory.path().join("walk"), &WALKED).unwrap();
    let sealed = sealed(directory.path(), spool, &rows);
    let path = sealed.directory.join(table_file(Table::Manifests));
    let known = SnapshotLookup::open(&sealed).unwrap().unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    let error = known.of("team/app000").unwrap_err().to_string();
    assert!(error.contains("manifests.arrow"), "{error}");
    assert!(SnapshotLookup::open(&sealed).is_err());
}

#[test]
fn rows_of_a_repository_are_found_wherever_they_stand_in_a_batch() {
    let directory = tempfile::tempdir().unwrap();
    let rows = sorted_rows(&mut fastrand::Rng::with_seed(7), 5);
    let spool = Spool::create(&directory.path().join("walk"), &WALKED).unwrap();
    let sealed = sealed(directory.path(), spool, &rows);
    let batch = sealed.snapshot.batches(Table::Tags).next().unwrap().unwrap();
    let names = cells::text_column(&batch, "repository").unwrap();
    for name in ["", "team/app000", "team/app001", "team/app004", "team/app008", "z"] {
        let is_it: BooleanArray = names.iter().map(|n| Some(n == Some(name))).collect();
        let range = rows_of(name, &batch).unwrap();
        assert_eq!(batch.slice(range.start, range.len()), filter_record_batch(&batch, &is_it).unwrap(), "{name}");
    }
}
