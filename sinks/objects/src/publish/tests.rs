//! The protocol itself, with a format that writes one line per batch. The contract suite runs in the formats' crates.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stocktake_sink::{BatchIter, MemoryRows, Verdict, contract};
use tempfile::TempDir;

use super::*;
use crate::FormatError;

#[derive(Debug)]
struct Lines;

impl ObjectFormat for Lines {
    fn extension(&self) -> &'static str {
        "txt"
    }

    fn write(
        &self,
        _: &SnapshotId,
        table: Table,
        batches: BatchIter<'_>,
        out: &mut (dyn io::Write + Send),
    ) -> Result<(), FormatError> {
        for batch in batches {
            writeln!(out, "{table} {}", batch?.num_rows())?;
        }
        Ok(())
    }
}

/// Takes the first batch and says that it is done.
#[derive(Debug)]
struct Lazy;

impl ObjectFormat for Lazy {
    fn extension(&self) -> &'static str {
        "txt"
    }

    fn write(
        &self,
        _: &SnapshotId,
        _: Table,
        batches: BatchIter<'_>,
        _: &mut (dyn io::Write + Send),
    ) -> Result<(), FormatError> {
        batches.take(1).for_each(drop);
        Ok(())
    }
}

fn sink(root: &Path, format: impl ObjectFormat + 'static) -> ObjectSink {
    ObjectSink::new(&Target::directory(root), format)
}

fn snapshot(id: &SnapshotId, verdict: Verdict) -> Snapshot {
    contract::snapshot(id, verdict, MemoryRows::new(contract::repositories(id, 100)))
}

fn complete(day: u32) -> Snapshot {
    snapshot(&contract::id("quay", day), Verdict::Complete)
}

/// Every file below, with its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

fn latest(root: &Path) -> LatestPointer {
    serde_json::from_slice(&fs::read(root.join("v1/_latest/registry=quay.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_receipt_names_what_is_there() {
    let root = TempDir::new().unwrap();
    let receipt = sink(root.path(), Lines).publish(&complete(0)).await.unwrap();
    assert!(receipt.location.ends_with("v1/_runs/registry=quay/quay-20261123T030000Z.g1.json"), "{receipt:?}");
    let tables: Vec<_> = receipt.objects.iter().map(|o| (o.table, o.rows)).collect();
    assert_eq!(tables, [(Table::Repositories, 100), (Table::Runs, 1)]);
    for object in receipt.objects {
        assert_eq!(fs::metadata(object.location).unwrap().len(), object.bytes);
    }
}

#[tokio::test]
async fn publishing_again_touches_no_byte() {
    let root = TempDir::new().unwrap();
    sink(root.path(), Lines).publish(&complete(0)).await.unwrap();
    let before = files(root.path());
    // Other rows under the same identity: what is committed stays.
    let other = MemoryRows::new(contract::repositories(&contract::id("quay", 0), 7_000));
    let other = contract::snapshot(&contract::id("quay", 0), Verdict::Complete, other);
    sink(root.path(), Lines).publish(&other).await.unwrap();
    assert_eq!(files(root.path()), before);
}

#[tokio::test]
async fn the_pointer_never_moves_back() {
    let root = TempDir::new().unwrap();
    let sink = sink(root.path(), Lines);
    let forced = SnapshotId { generation: 2, ..contract::id("quay", 1) };
    for (published, newest) in [
        (complete(1), "2026-11-24T03:00:00Z g1"),
        (complete(0), "2026-11-24T03:00:00Z g1"),
        (snapshot(&forced, Verdict::Gaps), "2026-11-24T03:00:00Z g2"),
        (complete(1), "2026-11-24T03:00:00Z g2"),
        (snapshot(&contract::id("quay", 3), Verdict::Partial), "2026-11-24T03:00:00Z g2"),
        (complete(2), "2026-11-25T03:00:00Z g1"),
    ] {
        sink.publish(&published).await.unwrap();
        let latest = latest(root.path());
        let stands = format!("{} g{}", latest.scheduled_at.format("%FT%TZ"), latest.generation);
        assert_eq!(stands, newest, "after {}", published.id());
        assert!(root.path().join(latest.manifest).exists());
    }
}

#[tokio::test]
async fn a_pointer_to_a_run_that_a_clock_far_ahead_named_gives_way() {
    let root = TempDir::new().unwrap();
    let sink = sink(root.path(), Lines);
    let ahead = |time| SnapshotId { scheduled_at: stocktake_sink::clock::now() + time, ..contract::id("quay", 0) };
    let an_hour = ahead(chrono::TimeDelta::hours(24));
    for (published, stands) in [
        (ahead(chrono::TimeDelta::days(3650)), true),
        (contract::id("quay", 0), true),
        (an_hour, true),
        (contract::id("quay", 1), false),
    ] {
        sink.publish(&snapshot(&published, Verdict::Complete)).await.unwrap();
        assert_eq!(latest(root.path()).run_id == published.run_id(), stands, "{published}");
    }
}

#[tokio::test]
async fn a_pointer_left_behind_by_a_kill_is_mended() {
    let root = TempDir::new().unwrap();
    let sink = sink(root.path(), Lines);
    sink.publish(&complete(0)).await.unwrap();
    for garbage in [None, Some("{")] {
        let pointer = root.path().join("v1/_latest/registry=quay.json");
        fs::remove_file(&pointer).unwrap();
        if let Some(garbage) = garbage {
            fs::write(&pointer, garbage).unwrap();
        }
        sink.publish(&complete(0)).await.unwrap();
        assert_eq!(latest(root.path()).run_id, "quay-20261123T030000Z");
    }
}

#[tokio::test]
async fn a_committed_object_that_is_gone_or_cut_is_an_error_that_names_it() {
    let root = TempDir::new().unwrap();
    let sink = sink(root.path(), Lines);
    let object = sink.publish(&complete(0)).await.unwrap().objects.remove(0).location;
    for damage in [|path: &str| fs::write(path, "cut").unwrap(), |path: &str| fs::remove_file(path).unwrap()] {
        damage(&object);
        let error = sink.publish(&complete(0)).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Invalid);
        assert!(error.to_string().contains(&object), "{error}");
    }
    let forced = SnapshotId { generation: 2, ..contract::id("quay", 0) };
    sink.publish(&snapshot(&forced, Verdict::Complete)).await.unwrap();
}

#[tokio::test]
async fn two_formats_do_not_share_a_target() {
    #[derive(Debug)]
    struct Other;
    impl ObjectFormat for Other {
        fn extension(&self) -> &'static str {
            "other"
        }
        fn write(
            &self,
            id: &SnapshotId,
            table: Table,
            batches: BatchIter<'_>,
            out: &mut (dyn io::Write + Send),
        ) -> Result<(), FormatError> {
            Lines.write(id, table, batches, out)
        }
    }
    let root = TempDir::new().unwrap();
    sink(root.path(), Lines).publish(&complete(0)).await.unwrap();
    let error = sink(root.path(), Other).publish(&complete(0)).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Invalid);
    assert!(error.to_string().ends_with("give each sink its own target"), "{error}");
}

#[tokio::test]
async fn a_format_that_leaves_rows_untaken_publishes_nothing() {
    let root = TempDir::new().unwrap();
    let error = sink(root.path(), Lazy).publish(&complete(0)).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Snapshot, "{error}");
    assert!(files(root.path()).is_empty());
}

#[tokio::test]
async fn a_manifest_that_cannot_be_created_leaves_no_objects() {
    let root = TempDir::new().unwrap();
    // A directory stands where the manifest belongs: the link is refused, and it cannot be read as a manifest either.
    fs::create_dir_all(root.path().join("v1/_runs/registry=quay/quay-20261123T030000Z.g1.json")).unwrap();
    let error = sink(root.path(), Lines).publish(&complete(0)).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Invalid, "{error}");
    assert!(files(root.path()).is_empty());
}

#[tokio::test]
async fn a_probe_makes_no_directory_and_names_the_target() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("not/yet");
    sink(&root, Lines).probe().await.unwrap();
    assert!(fs::read_dir(scratch.path()).unwrap().next().is_none());
    fs::write(scratch.path().join("not"), "a file").unwrap();
    let error = sink(&root, Lines).probe().await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Invalid);
    assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn one_run_published_by_many_at_once_is_published_once() {
    let root = TempDir::new().unwrap();
    let publishers: Vec<_> = (0..8)
        .map(|_| {
            let (sink, snapshot) = (sink(root.path(), Lines), complete(0));
            tokio::spawn(async move { sink.publish(&snapshot).await.unwrap() })
        })
        .collect();
    let mut receipts = Vec::new();
    for publisher in publishers {
        receipts.push(publisher.await.unwrap());
    }
    receipts.dedup();
    assert_eq!(receipts.len(), 1);
    // Two objects, both in `latest/` too, the manifest and the pointer.
    assert_eq!(files(root.path()).len(), 6);
}
