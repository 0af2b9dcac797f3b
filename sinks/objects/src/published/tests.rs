//! With a format that writes one line per row, and reads nothing but their number.

use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};

use stocktake_sink::{BatchIter, MemoryRows, Sink as _, Snapshot, Table, Verdict, contract};
use tempfile::TempDir;

use super::*;
use crate::{ObjectFormat, ObjectRows, ObjectSink};

#[derive(Debug)]
struct Counted;

impl ObjectFormat for Counted {
    fn extension(&self) -> &'static str {
        "txt"
    }

    fn write(
        &self,
        id: &SnapshotId,
        _: Table,
        batches: BatchIter<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), FormatError> {
        for batch in batches {
            (0..batch?.num_rows()).try_for_each(|_| writeln!(out, "{id}"))?;
        }
        Ok(())
    }
}

impl ReadableFormat for Counted {
    fn read(&self, _: Table, _: &[&str], _: File) -> Result<ObjectRows, FormatError> {
        Ok(Box::new(std::iter::empty()))
    }

    fn count(&self, id: &SnapshotId, _: Table, file: File) -> Result<u64, FormatError> {
        let lines = BufReader::new(file).lines();
        let lines =
            lines.map(|line| if line? == id.to_string() { Ok(1) } else { Err(FormatError::from("another run")) });
        lines.sum()
    }
}

struct Place {
    directory: TempDir,
    files: PublishedObjects,
}

impl Place {
    /// A target with these nights.
    async fn with(nights: &[Snapshot]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::directory(directory.path());
        let sink = ObjectSink::new(&target, Counted);
        for night in nights {
            sink.publish(night).await.unwrap();
        }
        Self { files: PublishedObjects::open(&target, Counted).await.unwrap(), directory }
    }

    fn runs(&self) -> PublishedRuns {
        self.files.runs(&registry()).unwrap()
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.path().join(key)
    }

    fn is_there(&self, run: &PublishedRun) -> Vec<bool> {
        let objects = run.objects.iter().map(|object| self.path(&object.key).exists());
        [Path::new(&run.location).exists()].into_iter().chain(objects).collect()
    }
}

fn registry() -> RegistryName {
    "quay".parse().unwrap()
}

fn night(day: u32) -> Snapshot {
    contract::snapshot(
        &contract::id("quay", day),
        Verdict::Complete,
        MemoryRows::new(contract::repositories(&contract::id("quay", day), 100)),
    )
}

fn ids(runs: &[PublishedRun]) -> Vec<SnapshotId> {
    runs.iter().map(|run| run.id.clone()).collect()
}

#[tokio::test]
async fn runs_are_what_the_manifests_say_and_the_newest_is_what_the_pointer_says() {
    let place = Place::with(&[night(0), night(1)]).await;
    let found = place.runs();
    assert_eq!(ids(&found.runs), [contract::id("quay", 0), contract::id("quay", 1)]);
    assert_eq!(found.latest, Some(contract::id("quay", 1)));
    assert_eq!(found.runs[0].object(Table::Repositories).unwrap().rows, night(0).rows(Table::Repositories));
    assert_eq!(place.files.registries().unwrap(), [registry()]);
    assert_eq!(place.files.runs(&"other".parse().unwrap()).unwrap(), PublishedRuns::default());
    for run in &found.runs {
        for object in &run.objects {
            assert_eq!(place.files.damage(&run.id, object).unwrap(), None);
        }
    }
}

#[tokio::test]
async fn each_kind_of_damage_is_found() {
    let place = Place::with(&[night(0)]).await;
    let run = &place.runs().runs[0];
    let object = run.object(Table::Repositories).unwrap();
    let damage = |object: &PublishedObject| place.files.damage(&run.id, object).unwrap().map(|damage| damage.what);
    let path = place.path(&object.key);
    let bytes = fs::read(&path).unwrap();

    let miscounted = PublishedObject { rows: object.rows + 1, ..object.clone() };
    let rows = object.rows;
    assert_eq!(damage(&miscounted).unwrap(), format!("it has {rows} rows, and its manifest says {}", rows + 1));
    let another = place.files.damage(&contract::id("quay", 1), object).unwrap().unwrap();
    assert!(another.what.contains("another run"), "{another}");

    let mut flipped = bytes.clone();
    flipped[7] ^= 1;
    // As new files: that below `latest/` is another name of the old one.
    let replace = |bytes: &[u8]| fs::remove_file(&path).and_then(|()| fs::write(&path, bytes)).unwrap();
    replace(&flipped);
    assert!(damage(object).unwrap().starts_with("its SHA-256 is "));
    replace(&bytes[1..]);
    assert_eq!(
        damage(object).unwrap(),
        format!("it has {} bytes, and {} were written", object.bytes - 1, object.bytes)
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(damage(object).unwrap(), "it is gone");
    // Below `latest/` is another name of the same bytes.
    assert_eq!(place.files.damage_of_latest(&registry(), &[object]).unwrap(), None);
    let latest = place.path(&names::latest_object(Table::Repositories, &registry(), "txt"));
    fs::write(&latest, "other").unwrap();
    let found = place.files.damage_of_latest(&registry(), &[object]).unwrap().unwrap();
    assert!(found.location.ends_with("latest/repositories/registry=quay/latest.txt"), "{found}");
}

#[tokio::test]
async fn manifests_that_are_cut_short_or_of_another_place_are_damage_and_no_run() {
    let place = Place::with(&[night(0), night(1), night(2)]).await;
    let manifest = |day| place.path(&names::manifest(&contract::id("quay", day)));
    let text = fs::read_to_string(manifest(1)).unwrap();
    fs::write(manifest(1), &text[..text.len() / 2]).unwrap();
    let outside =
        fs::read_to_string(manifest(0)).unwrap().replace("v1/runs/registry=quay/", "v1/runs/registry=quay/../");
    fs::write(manifest(0), outside).unwrap();
    fs::copy(manifest(2), manifest(3)).unwrap();
    let found = place.runs();
    assert_eq!(ids(&found.runs), [contract::id("quay", 2)]);
    let told: Vec<_> = found.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("no object of table runs"), "{told:?}");
    assert!(told[1].contains("it is no manifest: "), "{told:?}");
    assert!(told[2].ends_with(&format!("it is the manifest of {}", contract::id("quay", 2))), "{told:?}");
}

#[tokio::test]
async fn a_removed_run_is_gone_whole_and_the_newest_stays_though_it_is_asked_for() {
    let place = Place::with(&[night(0), night(1), night(2)]).await;
    let before = place.runs();
    let wanted = ids(&before.runs);
    let removed = place.files.remove(&registry(), &wanted).unwrap();
    assert_eq!(removed, [contract::id("quay", 0), contract::id("quay", 1)]);
    for run in &before.runs[..2] {
        assert_eq!(place.is_there(run), [false; 3]);
        let partition = place.path(&run.objects[0].key);
        assert!(!partition.parent().unwrap().exists(), "no empty directory stays");
    }
    assert_eq!(place.is_there(&before.runs[2]), [true; 3]);
    assert_eq!(place.runs().latest, Some(contract::id("quay", 2)));
    assert_eq!(place.files.files.keys(&names::removals(&registry())).unwrap(), [] as [String; 0]);
    // Again: nothing is left to remove.
    assert_eq!(place.files.remove(&registry(), &wanted).unwrap(), []);
}

#[tokio::test]
async fn a_removal_that_was_killed_is_completed_and_one_whose_run_is_published_again_is_not() {
    for is_published_again in [false, true] {
        let place = Place::with(&[night(0), night(1)]).await;
        let run = &place.runs().runs[0];
        let (manifest, note) = (place.path(&names::manifest(&run.id)), place.path(&names::removal(&run.id)));
        // Killed after the manifest was removed and before the first object was.
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        fs::copy(&manifest, &note).unwrap();
        if !is_published_again {
            fs::remove_file(&manifest).unwrap();
        }
        assert_eq!(place.files.remove(&registry(), &[]).unwrap(), []);
        assert_eq!(place.is_there(run), [is_published_again; 3]);
        assert!(!note.exists());
    }
}

#[tokio::test]
async fn what_no_manifest_names_is_not_touched() {
    let place = Place::with(&[night(0), night(1)]).await;
    // A publisher is at work: an object without a manifest beside that of a removed run, and a hidden one.
    let partition = place.path(&names::object(&contract::id("quay", 0), Table::Repositories, None, "txt"));
    let partition = partition.parent().unwrap();
    let unfinished = [partition.join("quay-20261123T235959Z.txt"), partition.join(".stocktake-1-x.txt")];
    unfinished.iter().for_each(|path| fs::write(path, "rows").unwrap());
    let removed = place.files.remove(&registry(), &[contract::id("quay", 0), contract::id("quay", 7)]).unwrap();
    assert_eq!(removed, [contract::id("quay", 0)]);
    assert!(unfinished.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn nothing_is_removed_while_somebody_publishes_the_registry() {
    let place = Place::with(&[night(0), night(1)]).await;
    let lock = place.files.files.store.try_lock(&names::manifests(&registry())).unwrap().unwrap();
    let remove = || remove::runs(&place.files, &place.files.files, &registry(), &[contract::id("quay", 0)], 1);
    let refused = remove().unwrap_err();
    assert_eq!(refused.kind(), SinkErrorKind::Unavailable);
    assert!(refused.to_string().contains("it publishes this registry; try again later"), "{refused}");
    assert_eq!(place.runs().runs.len(), 2);
    drop(lock);
    assert_eq!(remove().unwrap(), [contract::id("quay", 0)]);
    assert_eq!(place.runs().runs.len(), 1);
}
