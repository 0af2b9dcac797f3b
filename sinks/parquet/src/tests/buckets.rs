//! What only a bucket can do to a sink: other writers at the same moment, answers that are lost, readers in between.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chrono::TimeDelta;
use stocktake_sink::contract::{self, Harness as _};
use stocktake_sink::{MemoryRows, Rows, RunRecord, Sink, Snapshot, SnapshotId, Table, Verdict};
use stocktake_sink_objects::SnapshotManifest;
use stocktake_sink_objects::contract::Bucket;
use stocktake_store::testing::{BucketFate, BucketServer};

use super::{ParquetSink, read};

/// What the walk number `walk` of a slot found. Each walk is of another length.
fn walked(id: &SnapshotId, walk: u32) -> Snapshot {
    let count = 100 + usize::try_from(walk).unwrap();
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::new(contract::repositories(id, count)));
    let record = contract::record(id, Verdict::Complete, rows.count());
    let record = RunRecord { finished_at: record.finished_at + TimeDelta::milliseconds(walk.into()), ..record };
    Snapshot::new(record, BTreeMap::from([(Table::Repositories, rows)])).unwrap()
}

fn bucket(server: &Arc<BucketServer>, prefix: &str) -> Bucket {
    Bucket::new(server, prefix.to_owned(), |target| Arc::new(ParquetSink::new(&target)), read)
}

/// One manifest, whose objects are whole, and nothing else; the manifest.
async fn only_manifest(bucket: &Bucket) -> SnapshotManifest {
    let visible = bucket.visible().await;
    assert_eq!(visible.len(), 1);
    assert_eq!(bucket.leftovers().await, [""; 0]);
    bucket.manifests().await.remove(0)
}

/// The test below starts this test in six processes.
#[tokio::test]
#[ignore = "one of several writers; another test starts it"]
async fn one_writer() {
    let [endpoint, prefix, walk] = ["ENDPOINT", "PREFIX", "WALK"]
        .map(|name| std::env::var(format!("STOCKTAKE_TEST_WRITER_{name}")).expect("started by another test"));
    let target = Bucket::target_of_s3(&endpoint, &prefix);
    let snapshot = walked(&contract::id("quay", 0), walk.parse().unwrap());
    ParquetSink::new(&target).publish(&snapshot).await.unwrap();
}

#[tokio::test]
async fn six_processes_publish_one_run_at_once_and_leave_one_manifest_and_nothing_else() {
    let server = Arc::new(BucketServer::moto());
    let mut winners = BTreeSet::new();
    for round in 0..4 {
        let prefix = format!("round-{round}");
        let writer = |number: u32| {
            let mut writer = Command::new(std::env::current_exe().unwrap());
            writer.args(["--exact", "tests::buckets::one_writer", "--ignored", "--quiet"]);
            // Two of them publish the same walk, as a run and its repetition do.
            let walk = (number / 2 + round) % 3;
            for (name, value) in
                [("ENDPOINT", server.endpoint()), ("PREFIX", prefix.clone()), ("WALK", walk.to_string())]
            {
                writer.env(format!("STOCKTAKE_TEST_WRITER_{name}"), value);
            }
            writer.stdout(Stdio::null()).spawn().unwrap()
        };
        let writers: Vec<_> = (0..6).map(writer).collect();
        for mut writer in writers {
            assert!(writer.wait().unwrap().success(), "every writer succeeds: its run is published");
        }
        let bucket = bucket(&server, &prefix);
        // A writer may have been about to upload when the winner cleaned up; a later publish of the run removes the rest.
        let id = contract::id("quay", 0);
        bucket.open().await.publish(&walked(&id, 0)).await.unwrap();
        winners.insert(only_manifest(&bucket).await.seal);
    }
    assert!(winners.iter().all(Option::is_some), "{winners:?}");
}

/// Publishes by way of a proxy that loses so many answers to the manifest; the number of manifests that were put.
async fn publish_with_lost_answers(losses: usize) -> usize {
    let server = Arc::new(BucketServer::moto());
    let puts = Arc::new(AtomicUsize::new(0));
    let seen = puts.clone();
    let proxy = server.proxy(move |request| {
        let is_manifest = request.method == "PUT" && request.target.contains("/v1/_runs/");
        if is_manifest {
            assert!(request.is_conditional, "a manifest is created, never overwritten");
        }
        if is_manifest && seen.fetch_add(1, Ordering::SeqCst) < losses {
            BucketFate::LoseAnswer
        } else {
            BucketFate::Pass
        }
    });
    let bucket = bucket(&server, "lost");
    let sink = ParquetSink::new(&bucket.target_at(&proxy.endpoint()));
    let snapshot = walked(&contract::id("quay", 0), 0);
    let receipt = sink.publish(&snapshot).await.unwrap();
    let manifest = only_manifest(&bucket).await;
    assert_eq!(receipt.objects.len(), manifest.objects.len());
    assert_eq!(manifest.objects[0].rows, 100);
    // Again, by another process: the same receipt.
    assert_eq!(bucket.open().await.publish(&snapshot).await.unwrap(), receipt);
    only_manifest(&bucket).await;
    puts.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_manifest_whose_answer_was_lost_meets_its_own_success() {
    // The library puts it again, and is told that it exists.
    assert_eq!(publish_with_lost_answers(1).await, 2);
}

#[tokio::test]
async fn a_manifest_all_of_whose_answers_were_lost_is_read_back() {
    assert_eq!(publish_with_lost_answers(99).await, 3);
}

#[tokio::test]
async fn a_manifest_that_never_arrives_is_an_error_and_its_objects_stay_for_the_next_attempt() {
    let server = Arc::new(BucketServer::moto());
    let is_cut = Arc::new(AtomicBool::new(true));
    let cut = is_cut.clone();
    let proxy = server.proxy(move |request| {
        let is_manifest = request.method == "PUT" && request.target.contains("/v1/_runs/");
        if is_manifest && cut.load(Ordering::SeqCst) { BucketFate::Drop } else { BucketFate::Pass }
    });
    let bucket = bucket(&server, "cut");
    let sink = ParquetSink::new(&bucket.target_at(&proxy.endpoint()));
    let snapshot = walked(&contract::id("quay", 0), 0);
    let error = sink.publish(&snapshot).await.unwrap_err();
    assert!(error.kind().is_transient(), "{error}");
    // The manifest may still be on its way, and then it needs them.
    assert_eq!(bucket.leftovers().await.len(), 2);
    is_cut.store(false, Ordering::SeqCst);
    sink.publish(&snapshot).await.unwrap();
    only_manifest(&bucket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_polls_never_sees_part_of_a_run() {
    let server = Arc::new(BucketServer::moto());
    let bucket = bucket(&server, "polled");
    let is_done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (server, is_done) = (server.clone(), is_done.clone());
        tokio::task::spawn_blocking(move || {
            let store = server.store("polled");
            let (mut looks, mut seen) = (0, BTreeSet::new());
            while !is_done.load(Ordering::SeqCst) {
                // The newest object is whole at any moment: a Parquet file ends with the magic with which it begins.
                if let Some(bytes) = store.read("v1/latest/repositories/registry=quay/latest.parquet").unwrap() {
                    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "a torn file");
                    seen.insert(bytes.len());
                }
                for object in store.list("v1/_runs").unwrap() {
                    let manifest: SnapshotManifest =
                        serde_json::from_slice(&store.read(&object.key).unwrap().unwrap()).unwrap();
                    for object in manifest.objects {
                        assert_eq!(store.size(&object.key).unwrap(), Some(object.bytes), "{}", object.key);
                    }
                }
                looks += 1;
            }
            (looks, seen.len())
        })
    };
    for night in 0..6 {
        let id = contract::id("quay", night);
        bucket.open().await.publish(&walked(&id, 10 * night)).await.unwrap();
    }
    is_done.store(true, Ordering::SeqCst);
    let (looks, seen) = reader.await.unwrap();
    assert!(looks >= 3 && seen >= 2, "the reader looked {looks} times and saw {seen} nights");
}
