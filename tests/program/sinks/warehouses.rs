//! Everything at once, with real servers: a docker-registry that changes, a bucket, Postgres, a plugin and a directory.
//! On the second night the bucket is away; the third has gaps. All four have all nights, and the same rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fake_registry::OCI_IMAGE;
use serde_json::{Value, json};
use stocktake_sink_postgres::contract::TestServer;
use stocktake_store::testing::BucketFate;
use tokio::process::Command;

use crate::support::bucket::{mirror, moto, runs, sink, unnamed};
use crate::support::clock::Clock;
use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::program::Workplace;
use crate::support::push::Pusher;
use crate::support::python;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn printed(program: &Path, arguments: &[&str], directory: &Path) -> Value {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(directory).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(name: &str) -> String {
    root().join("tests/program/support").join(name).display().to_string()
}

#[tokio::test]
async fn three_nights_reach_every_warehouse_whatever_was_away_and_their_changes_replay() {
    let registry = DockerRegistry::start(Mode::Open, []).await;
    let (server, postgres) = (moto().await, TestServer::start());
    let database = postgres.database();
    let tables = postgres.url("postgres", &database);
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let proxy = server.proxy(move |_| if away.load(Ordering::SeqCst) { BucketFate::Drop } else { BucketFate::Pass });
    let place = Workplace::new();
    let bucket = sink(&place, &server, &proxy.endpoint());
    let (python, plugin) = (python(), root().join("examples/plugins/duckdb_file.py"));
    let file = place.path("inventory.duckdb");
    place.configure(&format!(
        "sinks:\n  warehouse: {{type: parquet, url: ./inventory}}\n  bucket: {bucket}\n  \
         tables: {{type: postgres, url: '{tables}', keep: 30}}\n  \
         plugin: {{type: exec, command: ['{}', -B, '{}', '{}']}}\n\
         registries:\n  - {{name: quay, url: '{}', auth: {{type: none}}, depth: manifests}}\n",
        python.display(),
        plugin.display(),
        file.display(),
        registry.url(),
    ));
    place.run(&["check"]).await.exits(0);
    let clock = Clock::right(&place);
    let run = async |days_ago: i64, code| {
        clock.set(-days_ago * 24 * 3600);
        place.run_with(&clock.environment(), &["run"]).await.exits(code)
    };

    let mut app = Pusher::new(&registry, "acme/app");
    let (first, second) =
        (app.image(OCI_IMAGE, "linux/amd64", "1").await, app.image(OCI_IMAGE, "linux/amd64", "2").await);
    app.tag("1.0", &first).await;
    app.tag("latest", &first).await;
    let mut web = Pusher::new(&registry, "acme/web");
    let image = web.image(OCI_IMAGE, "linux/arm64", "web").await;
    web.tag("1.0", &image).await;
    let mut old = Pusher::new(&registry, "acme/old");
    let gone = old.image(OCI_IMAGE, "linux/amd64", "old").await;
    old.tag("1.0", &gone).await;
    run(2, 0).await;

    is_away.store(true, Ordering::SeqCst);
    app.tag("latest", &second).await;
    app.tag("2.0", &second).await;
    old.delete(&gone).await;
    let told = run(1, 1).await;
    assert!(told.stderr.contains("quay → bucket: not delivered"), "{}", told.stderr);
    assert!(told.stderr.contains("+1 −1 ~1"), "{}", told.stderr);

    is_away.store(false, Ordering::SeqCst);
    // One of its tags leads to what is no manifest: the registry fails there, and this repository has gaps.
    registry.seed_tags("acme/web", "no digest", &["broken".to_owned()]);
    app.tag("3.0", &second).await;
    let told = run(0, 3).await;
    assert!(told.stderr.contains("the oldest is delivered first"), "{}", told.stderr);

    // All nights are everywhere, in the same rows.
    let copy = mirror(&server).await;
    assert_eq!((runs(copy.path()).len(), unnamed(copy.path())), (3, [].into()));
    let arguments = [
        script("warehouses.py"),
        format!("files={}", place.path("inventory").display()),
        format!("files={}", copy.path().display()),
        format!("duckdb={}", file.display()),
        format!("postgres={tables}"),
    ];
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let found = printed(&python, &arguments, place.path(".").as_path()).await;
    let found = found.as_array().unwrap();
    for (warehouse, name) in found.iter().zip(["directory", "bucket", "plugin", "Postgres"]).skip(1) {
        for (table, rows) in found[0]["tables"].as_object().unwrap() {
            assert_eq!(&warehouse["tables"][table], rows, "{table} of {name}");
        }
    }
    assert_eq!(found[0]["tables"]["runs"].as_array().unwrap().len(), 3);

    // Replayed, the changes give what is last known: of the repository with gaps, what it was before.
    let expected: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::from([
        ("acme/app", app.held.tags.clone()),
        ("acme/old", BTreeMap::new()),
        ("acme/web", web.held.tags.clone()),
    ]);
    for (warehouse, name) in found.iter().zip(["directory", "bucket", "plugin", "Postgres"]) {
        assert_eq!(warehouse["known"], json!(expected), "{name}");
    }

    questions_have_one_answer(&place, copy.path(), &file, &tables).await;
    place.run(&["snapshots", "verify", "--sink", "warehouse"]).await.exits(0);
    place.run(&["snapshots", "verify", "--sink", "bucket"]).await.exits(0);
}

/// The pages of `docs/sql`, each on each warehouse that it is for.
async fn questions_have_one_answer(place: &Workplace, copy: &Path, file: &Path, tables: &str) {
    let beside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(copy, beside.path().join("inventory")).unwrap();
    let of_plugin = beside.path().join("plugin.md");
    fs::write(&of_plugin, on_a_file(&fs::read_to_string(root().join("docs/sql/duckdb.md")).unwrap(), file)).unwrap();
    let page = |name: &str| root().join("docs/sql").join(name).display().to_string();
    let asked = async |engine: &str, page: &str, psql: &[&str], directory: &Path| {
        let script = script("answers.py");
        let arguments = [&[script.as_str(), engine, page, "sha256:none"][..], psql].concat();
        printed(&python(), &arguments, directory).await
    };
    let here = place.path(".");
    let answers = [
        asked("duckdb", &page("duckdb.md"), &[], &here).await,
        asked("polars", &page("polars.md"), &[], &here).await,
        asked("duckdb", &page("duckdb.md"), &[], beside.path()).await,
        asked("duckdb", of_plugin.to_str().unwrap(), &[], beside.path()).await,
        asked("postgres", &page("postgres.md"), &["-d", tables], &here).await,
    ];
    for (heading, expected) in answers[0].as_object().unwrap() {
        let is_about_words = heading == "Incomplete nights";
        for answer in answers.iter().skip(1).filter(|_| !is_about_words) {
            assert_eq!(&answer[heading], expected, "{heading}");
        }
    }
    assert!(answers.iter().all(|answer| answer.as_object().unwrap().len() == 7), "{answers:?}");
}

/// The page for files, with views of the tables that the plugin has loaded instead.
fn on_a_file(page: &str, file: &Path) -> String {
    let newest =
        "(select registry, max(run_id) as run_id from w.runs where verdict in ('complete', 'gaps') group by all)";
    let current = ["repositories", "tags", "manifests"]
        .map(|table| format!("create view {table} as from w.{table} semi join {newest} using (registry, run_id);"));
    let all = [("all_tags", "tags"), ("runs", "runs"), ("changes", "changes")]
        .map(|(view, table)| format!("create view {view} as from w.{table};"));
    let attached = format!("attach '{}' as w (read_only);", file.display());
    let views = [&[attached][..], &current, &all].concat().join("\n");
    let (before, rest) = page.split_once("```sql\n").unwrap();
    let (_, after) = rest.split_once("```").unwrap();
    format!("{before}```sql\n{views}\n```{after}")
}
