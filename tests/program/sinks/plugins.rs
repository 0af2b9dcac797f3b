//! The plugins of `examples/plugins/` with the libraries that they are written for: published, published again, killed,
//! replaced by a later generation, for two registries; what stands there then is what the Parquet sink writes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use stocktake_sink::{Sink as _, Snapshot, SnapshotId, Table, Verdict, contract};
use stocktake_sink_exec::{ExecSettings, ExecSink};
use stocktake_sink_objects::Target;
use stocktake_sink_parquet::ParquetSink;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::support::{check_no_process_has, python};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A plugin with a target of its own.
struct Warehouse {
    kind: &'static str,
    place: PathBuf,
    sink: ExecSink,
    directory: TempDir,
}

impl Warehouse {
    fn new(kind: &'static str, file: &str, target: &str, settings: impl Fn(&str) -> Vec<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join(target);
        let plugin = root().join("examples/plugins").join(file).display().to_string();
        // Without caches of Python beside the plugin.
        let arguments = [vec!["-B".to_owned(), plugin], settings(place.to_str().unwrap())].concat();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let python = python().display().to_string();
        let sink = ExecSink::new(ExecSettings::new(&python, &arguments, &directory.path().join("exec")));
        Self { kind, place, sink, directory }
    }

    async fn publish(&self, snapshot: &Snapshot) {
        let receipt = self.sink.publish(snapshot).await.unwrap_or_else(|e| panic!("{}: {e:?}", snapshot.id()));
        assert_eq!(receipt.warnings, Vec::<String>::new());
        self.assert_nothing_left();
    }

    /// Kills the plugin after this time; false if it had ended by then.
    async fn kill_after(&self, snapshot: &Snapshot, time: Duration) -> bool {
        timeout(time, self.sink.publish(snapshot)).await.is_err()
    }

    fn assert_nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.directory.path().join("exec")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        check_no_process_has(self.directory.path().to_str().unwrap());
    }

    /// What stands in the target, and in the one that the Parquet sink wrote these snapshots to.
    async fn seen_beside(&self, snapshots: &[&Snapshot]) -> [Value; 2] {
        let reference = tempfile::tempdir().unwrap();
        let sink = ParquetSink::new(&Target::directory(reference.path()));
        for snapshot in snapshots {
            sink.publish(snapshot).await.unwrap();
        }
        let mut command = Command::new(python());
        command.arg(root().join("tests/program/support/plugin_readers.py"));
        command.arg(format!("{}={}", self.kind, self.place.display()));
        command.arg(format!("parquet={}", reference.path().display()));
        let output = command.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn has_exactly(&self, snapshots: &[&Snapshot]) -> u64 {
        let [mut found, wanted] = self.seen_beside(snapshots).await;
        for (table, rows) in wanted["tables"].as_object().unwrap() {
            assert_eq!(&found["tables"][table], rows, "{table}");
            found["tables"].as_object_mut().unwrap().remove(table);
        }
        assert_eq!(found["tables"], serde_json::json!({}), "no other tables");
        found["commits"].as_u64().unwrap()
    }
}

fn snapshot(id: &SnapshotId, rows: usize) -> Snapshot {
    let tables = [Table::Repositories, Table::Tags, Table::Manifests, Table::Changes];
    contract::snapshot_of(id, Verdict::Complete, contract::tables(id, rows, &tables))
}

/// Publishes nights of two registries and looks at what stands there. `commits` of one snapshot are counted by the target.
async fn keeps_its_promises(target: Warehouse) {
    target.sink.probe().await.unwrap();
    let (monday, other) = (contract::id("quay", 0), snapshot(&contract::id("quay.io", 0), 30));
    target.publish(&snapshot(&monday, 40)).await;
    target.publish(&other).await;
    let before = target.has_exactly(&[&snapshot(&monday, 40), &other]).await;

    // Again: nothing is written. The same night in a later generation, with fewer rows: it alone is replaced.
    target.publish(&snapshot(&monday, 40)).await;
    assert_eq!(target.has_exactly(&[&snapshot(&monday, 40), &other]).await, before, "no new commit");
    let forced = snapshot(&SnapshotId { generation: 2, ..monday }, 20);
    target.publish(&forced).await;

    // An empty registry, and a run that may not be published: its row of `runs` is all there is.
    let empty = snapshot(&contract::id("quay.io", 1), 0);
    let denied = contract::id("quay", 1);
    let denied = contract::snapshot_of(&denied, Verdict::Denied, contract::tables(&denied, 9, &[Table::Repositories]));
    target.publish(&empty).await;
    let begun = Instant::now();
    target.publish(&denied).await;
    let took = begun.elapsed();

    // Killed at three moments of its work.
    let tuesday = snapshot(&contract::id("quay", 2), 50);
    let mut kills = 0;
    for share in [0.7, 0.9, 1.2] {
        kills += u32::from(target.kill_after(&tuesday, took.mul_f64(share)).await);
    }
    assert!(kills > 0, "{took:?}");
    target.publish(&tuesday).await;
    target.has_exactly(&[&forced, &other, &empty, &denied, &tuesday]).await;
}

#[tokio::test]
async fn delta_lake_has_each_run_once() {
    keeps_its_promises(Warehouse::new("delta", "delta.py", "delta", |place| vec![place.to_owned()])).await;
}

#[tokio::test]
async fn iceberg_has_each_run_once() {
    let target = Warehouse::new("iceberg", "iceberg.py", "iceberg", |place| {
        vec![format!("sqlite:///{place}/catalog.db"), format!("file://{place}")]
    });
    std::fs::create_dir(&target.place).unwrap();
    keeps_its_promises(target).await;
}

#[tokio::test]
async fn duckdb_has_each_run_once() {
    keeps_its_promises(Warehouse::new("duckdb", "duckdb_file.py", "inventory.duckdb", |place| vec![place.to_owned()]))
        .await;
}

#[tokio::test]
async fn the_shell_plugin_shows_the_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = root().join("examples/plugins/show.sh").display().to_string();
    let sink = ExecSink::new(ExecSettings::new(&plugin, &["mine"], &directory.path().join("exec")));
    sink.probe().await.unwrap();
    let receipt = sink.publish(&snapshot(&contract::id("quay", 0), 10)).await.unwrap();
    assert_eq!((receipt.location.as_str(), receipt.warnings), ("show.sh", Vec::new()));
}
