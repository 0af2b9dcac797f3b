//! Kills at every step, played by copying the directory as it then stands and going on from the copy.

use std::fs;

use serde_json::json;
use stocktake_sink::Verdict;
use stocktake_sink::contract::{id, record};

use super::super::model_tests::{Model, Row, WALKED, of_repository, rows};
use super::super::segments::MOST_SEGMENTS;
use super::*;

fn walk(directory: &Path) -> PathBuf {
    directory.join("walk")
}

fn limit(rows: usize) -> impl Fn(Table) -> BatchLimit {
    move |_| BatchLimit { rows, bytes: usize::MAX }
}

fn push_all(spool: &mut Spool, rows: &[Row]) {
    for row in rows {
        row.push(spool);
    }
}

/// The directory as a process killed now would leave it; what was not yet written to a file is lost.
fn killed(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(walk(copy.path())).unwrap();
    for entry in fs::read_dir(walk(directory)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), walk(copy.path()).join(entry.file_name())).unwrap();
    }
    copy
}

/// What a spool holds, which is finished and sealed for it.
fn sealed(directory: &Path, spool: Spool) -> Model {
    let unsealed = spool.finish().unwrap();
    let counts = WALKED.map(|table| unsealed.rows(table));
    let record = record(&id("quay", 0), Verdict::Complete, counts[0]);
    let sealed = unsealed.seal(record, &directory.join("sealed")).unwrap();
    assert_eq!(fs::read_dir(&sealed.directory).unwrap().count(), 4, "the seal and three tables");
    let model = Model::read(&sealed.snapshot);
    assert_eq!(model.counts(), counts);
    model
}

/// Kills now, resumes, and compares with the note and rows of a checkpoint.
fn resumes_with(directory: &Path, note: &Value, model: &Model, step: &str) {
    let copy = killed(directory);
    assert_eq!(Spool::peek(&walk(copy.path())).as_ref(), Some(note), "{step}");
    let (spool, found) = Spool::resume(&walk(copy.path())).unwrap().unwrap_or_else(|| panic!("{step}: no checkpoint"));
    assert_eq!(found, *note, "{step}");
    assert!(sealed(copy.path(), spool) == *model, "{step}: other rows");
}

#[test]
fn walks_killed_and_resumed_at_random_have_every_row_once() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut directory = tempfile::tempdir().unwrap();
        let buffer = random.usize(1..200);
        let mut spool = Spool::create_with(&walk(directory.path()), &WALKED, limit(buffer)).unwrap();
        let (mut model, mut durable) = (Model::default(), None);
        for row in rows(&mut random) {
            row.push(&mut spool);
            model.add(row);
            if random.u8(0..40) == 0 {
                let note = json!({"seed": seed, "tags": model.tags.len()});
                spool.checkpoint(&note).unwrap();
                durable = Some((note, model.clone()));
            }
            if random.u8(0..60) == 0 {
                drop(spool);
                directory = killed(directory.path());
                let resumed = Spool::resume_with(&walk(directory.path()), limit(buffer)).unwrap();
                assert_eq!(resumed.is_some(), durable.is_some(), "seed {seed}");
                (spool, model) = match (resumed, &durable) {
                    (Some((spool, note)), Some((expected, model))) => {
                        assert_eq!(note, *expected, "seed {seed}");
                        (spool, model.clone())
                    }
                    _ => {
                        (Spool::create_with(&walk(directory.path()), &WALKED, limit(buffer)).unwrap(), Model::default())
                    }
                };
            }
        }
        assert!(sealed(directory.path(), spool) == model, "seed {seed}");
    }
}

#[test]
fn a_kill_at_any_step_leaves_the_checkpoint_before_or_the_one_being_made() {
    for (seed, buffer) in [(1, 1), (2, 3), (3, 10_000)] {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::create_with(&walk(directory.path()), &WALKED, limit(buffer)).unwrap();
        let (mut model, mut durable): (Model, Option<(Value, Model)>) = (Model::default(), None);
        for round in 0..4 {
            let as_before = |step: &str| match &durable {
                Some((note, model)) => resumes_with(directory.path(), note, model, &format!("{seed}.{round}: {step}")),
                None => assert!(Spool::resume(&walk(killed(directory.path()).path())).unwrap().is_none()),
            };
            for name in 0..30 {
                for row in of_repository(&mut random, &format!("app{}", (name * 7 + round) % 40)) {
                    row.push(&mut spool);
                    model.add(row);
                }
            }
            as_before("rows were written");
            let tables = spool.settle().unwrap();
            as_before("segments are durable");
            let torn = walk(directory.path()).join(".stocktake-0123456789abcdef-checkpoint.json");
            fs::write(&torn, "{\"version\":1,").unwrap();
            as_before("the checkpoint is half written");
            fs::remove_file(torn).unwrap();
            let note = json!({ "round": round });
            spool.name(tables, &note).unwrap();
            let as_now = |step: &str| {
                resumes_with(directory.path(), &note, &model, &format!("{seed}.{round}: {step}"));
            };
            as_now("the checkpoint is written");
            spool.forget().unwrap();
            as_now("what the one before named is gone");
            durable = Some((note, model.clone()));
        }
        let (note, model) = durable.unwrap();
        let unsealed = spool.finish().unwrap();
        resumes_with(directory.path(), &note, &model, "the walk is finished and not sealed");
        drop(unsealed);
        resumes_with(directory.path(), &note, &model, "a finished walk was not worth sealing");
    }
}

#[test]
fn a_merge_between_checkpoints_leaves_what_the_last_one_names() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = Spool::create_with(&walk(directory.path()), &WALKED, limit(1)).unwrap();
    let mut model = Model::default();
    let push = |spool: &mut Spool, model: &mut Model, from: usize| {
        for at in (from..from + MOST_SEGMENTS).rev() {
            let row = Row::Repository(format!("app{at:04}"), super::super::RepositoryState::Complete, None);
            row.push(spool);
            model.add(row);
        }
    };
    push(&mut spool, &mut model, 0);
    spool.checkpoint(&json!(1)).unwrap();
    let first = model.clone();
    let files = || fs::read_dir(walk(directory.path())).unwrap().count();
    push(&mut spool, &mut model, 1000);
    assert!(files() <= 2 * MOST_SEGMENTS + 2, "{}", files());
    resumes_with(directory.path(), &json!(1), &first, "segments were merged");
    spool.checkpoint(&json!(2)).unwrap();
    resumes_with(directory.path(), &json!(2), &model, "a second checkpoint");
    assert!(files() <= MOST_SEGMENTS + 2, "what was merged is gone: {}", files());
}

#[test]
fn what_came_after_the_checkpoint_is_removed_and_numbers_are_not_used_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = walk(directory.path());
    let mut spool = Spool::create_with(&path, &WALKED, limit(2)).unwrap();
    let repository = |name: &str| Row::Repository(name.to_owned(), super::super::RepositoryState::Complete, None);
    push_all(&mut spool, &["b", "a"].map(repository));
    spool.checkpoint(&Value::Null).unwrap();
    push_all(&mut spool, &["d", "c", "f", "e", "h", "a"].map(repository));
    drop(spool);
    let (mut spool, note) = Spool::resume_with(&path, limit(2)).unwrap().unwrap();
    assert_eq!(note, Value::Null);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "the checkpoint and its segment");
    push_all(&mut spool, &["z", "y", "b"].map(repository));
    let names: Vec<_> = sealed(directory.path(), spool).repositories.into_keys().collect();
    assert_eq!(names, ["a", "b", "y", "z"]);
}

#[test]
fn nothing_to_resume_is_no_error_and_touches_nothing() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 7] = [
        ("no directory", |walk| fs::remove_dir_all(walk).unwrap()),
        ("no checkpoint", |walk| fs::remove_file(walk.join("checkpoint.json")).unwrap()),
        ("not JSON", |walk| fs::write(walk.join("checkpoint.json"), "{\"version\":1,").unwrap()),
        ("empty", |walk| fs::write(walk.join("checkpoint.json"), "").unwrap()),
        ("of another version", |walk| {
            let json = fs::read_to_string(walk.join("checkpoint.json")).unwrap();
            fs::write(walk.join("checkpoint.json"), json.replace("\"version\":1", "\"version\":2")).unwrap();
        }),
        ("a segment is gone", |walk| fs::remove_file(walk.join("tags.0.segment")).unwrap()),
        ("a segment is cut off", |walk| {
            let path = walk.join("manifests.0.segment");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
        }),
    ];
    for (damage, make) in damages {
        let directory = tempfile::tempdir().unwrap();
        let path = walk(directory.path());
        let mut spool = Spool::create_with(&path, &WALKED, limit(3)).unwrap();
        let mut random = fastrand::Rng::with_seed(5);
        (0..20).flat_map(|at| of_repository(&mut random, &format!("app{at}"))).for_each(|row| row.push(&mut spool));
        spool.checkpoint(&json!("a note")).unwrap();
        drop(spool);
        make(&path);
        let files = || fs::read_dir(&path).map_or(0, Iterator::count);
        let before = files();
        assert!(Spool::resume(&path).unwrap().is_none(), "{damage}");
        assert_eq!(files(), before, "{damage}");
        let peeked = damage.starts_with("a segment").then(|| json!("a note"));
        assert_eq!(Spool::peek(&path), peeked, "{damage}");
        Spool::create(&path, &WALKED).unwrap();
        assert!(Spool::resume(&path).unwrap().is_none(), "{damage}");
    }
}

/// A spool that holds a row, and one that is lost as its directory was gone for a moment.
fn broken(directory: &Path) -> Spool {
    let path = walk(directory);
    let mut spool = Spool::create_with(&path, &WALKED, limit(1)).unwrap();
    let repository = |name: &str| Row::Repository(name.to_owned(), super::super::RepositoryState::Complete, None);
    push_all(&mut spool, &[repository("kept")]);
    spool.checkpoint(&json!("before")).unwrap();
    let aside = directory.join("aside");
    fs::rename(&path, &aside).unwrap();
    assert!(!spool.is_broken());
    assert!(spool.push(&row_of("lost")).is_err());
    fs::rename(aside, path).unwrap();
    spool
}

fn row_of(repository: &str) -> RepositoryRow<'_> {
    let (observed_at, state) = (chrono::DateTime::UNIX_EPOCH, super::super::RepositoryState::Complete);
    RepositoryRow { observed_at, repository, tag_count: None, state, error_code: None, monitored: false }
}

#[test]
fn a_spool_that_lost_a_write_takes_nothing_more_and_is_never_finished() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = broken(directory.path());
    assert!(spool.is_broken());
    let refused = [
        spool.push(&row_of("next")),
        spool.visit(|_| ()),
        spool.holds_all(["kept"].into_iter()).map(|_| ()),
        spool.checkpoint(&json!("after")),
        spool.finish().map(|_| ()),
    ];
    for refused in refused {
        let source = std::error::Error::source(&refused.unwrap_err()).unwrap().to_string();
        assert!(source.contains("rows are missing, because an earlier write failed: "), "{source}");
        assert!(source.contains("No such file or directory"), "the cause: {source}");
    }
    // The checkpoint before stands.
    assert_eq!(Spool::peek(&walk(directory.path())), Some(json!("before")));
    let (spool, _) = Spool::resume(&walk(directory.path())).unwrap().unwrap();
    let names: Vec<_> = sealed(directory.path(), spool).repositories.into_keys().collect();
    assert_eq!(names, ["kept"]);
}

#[test]
fn a_checkpoint_that_cannot_be_written_loses_no_row_and_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = walk(directory.path());
    let mut spool = Spool::create_with(&path, &WALKED, limit(2)).unwrap();
    let repository = |name: &str| Row::Repository(name.to_owned(), super::super::RepositoryState::Complete, None);
    push_all(&mut spool, &["b", "a", "c"].map(repository));
    // Nothing can be renamed to the name of a directory.
    fs::create_dir(path.join("checkpoint.json")).unwrap();
    for _ in 0..2 {
        assert!(spool.checkpoint(&json!(1)).is_err());
        assert!(!spool.is_broken());
        push_all(&mut spool, &["e", "d"].map(repository));
    }
    fs::remove_dir(path.join("checkpoint.json")).unwrap();
    spool.checkpoint(&json!(2)).unwrap();
    let copy = killed(directory.path());
    for (directory, spool) in
        [(directory.path(), spool), (copy.path(), Spool::resume(&walk(copy.path())).unwrap().unwrap().0)]
    {
        let names: Vec<_> = sealed(directory, spool).repositories.into_keys().collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
    }
}

/// Whether a checkpoint was written cannot be told where its directory could not be synced: what either of the two
/// names stays.
#[test]
fn after_a_checkpoint_that_may_have_been_written_both_can_be_gone_on_from() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = Spool::create_with(&walk(directory.path()), &WALKED, limit(1)).unwrap();
    let repository = |at: usize| Row::Repository(format!("app{at:04}"), super::super::RepositoryState::Complete, None);
    push_all(&mut spool, &[repository(9000)]);
    spool.checkpoint(&json!(1)).unwrap();
    push_all(&mut spool, &[repository(8000)]);
    let tables = spool.settle().unwrap();
    spool.name(tables, &json!(2)).unwrap();
    // As if that had failed. Then as many segments as are merged.
    push_all(&mut spool, &(0..2 * MOST_SEGMENTS).rev().map(repository).collect::<Vec<_>>());
    let copy = killed(directory.path());
    let (resumed, note) = Spool::resume(&walk(copy.path())).unwrap().unwrap();
    assert_eq!(note, json!(2));
    let names: Vec<_> = sealed(copy.path(), resumed).repositories.into_keys().collect();
    assert_eq!(names, ["app8000", "app9000"]);
}

#[test]
fn a_resumed_spool_has_the_tables_it_was_made_with() {
    let directory = tempfile::tempdir().unwrap();
    let path = walk(directory.path());
    Spool::create(&path, &WALKED[..2]).unwrap().checkpoint(&json!(7)).unwrap();
    let (spool, _) = Spool::resume(&path).unwrap().unwrap();
    assert!(spool.tags.is_some() && spool.manifests.is_none());
}
