//! `stocktake snapshots` on the nights of a registry that changes: in a directory, as Parquet and as JSON lines, and in a
//! bucket.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use stocktake_store::testing::BucketServer;

use crate::support::nights::{Nights, digest_of, taken, taken_in};
use crate::support::program::{Finished, Workplace};

const BOTH: &str = "  warehouse: {type: parquet, url: ./inventory}\n  feed: {type: json, url: ./feed}";

/// The nights with only this sink left in the configuration, so that it needs no name.
struct Shelf {
    nights: Nights,
    sink: &'static str,
}

impl Shelf {
    async fn run(&self, arguments: &[&str]) -> Finished {
        let arguments = [&["snapshots", "--sink", self.sink], arguments].concat();
        self.nights.place.run(&arguments).await
    }

    /// The answer to a command that has to succeed, as JSON.
    async fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--format", "json"]].concat()).await.exits(0);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.stdout))
    }
}

fn columns(rows: &Value, names: &[&str]) -> Vec<Value> {
    rows.as_array().unwrap().iter().map(|row| names.iter().map(|name| row[*name].clone()).collect()).collect()
}

/// What every kind of target answers alike.
async fn answers_alike(shelf: &Shelf) {
    let ids = &shelf.nights.run_ids;
    let [first, second, third, _, last] = &ids[..] else { panic!("{ids:?}") };
    let listed = shelf.json(&["list"]).await;
    let counts = ["run_id", "verdict", "repositories", "tags", "latest"];
    let of = |id: &str, verdict: &str, repositories: Value, tags: Value| {
        json!([id, verdict, repositories, tags, id == last])
    };
    let expected = [
        of(last, "complete", json!(3), json!(5)),
        of(&ids[3], "unsupported", Value::Null, Value::Null),
        of(third, "complete", json!(3), json!(5)),
        of(second, "gaps", json!(4), json!(4)),
        of(first, "complete", json!(4), json!(5)),
    ];
    assert_eq!(columns(&listed["snapshots"], &counts), expected);
    let newest = shelf.json(&["list", "--last", "1", "--registry", "quay"]).await;
    assert_eq!(newest["snapshots"], json!([listed["snapshots"][0]]));

    let shown = shelf.json(&["show", "latest"]).await;
    assert_eq!((&shown["run_id"], &shown["latest"]), (&json!(last), &json!(true)));
    let objects = columns(&shown["objects"], &["table", "rows"]);
    let rows = |table: &str| objects.iter().find(|row| row[0] == table).map(|row| row[1].clone());
    assert_eq!((rows("tags"), rows("repositories"), rows("runs")), (Some(json!(5)), Some(json!(3)), Some(json!(1))));

    let errors = shelf.json(&["errors", "quay", "--run", &shelf.nights.dates[1]]).await;
    assert_eq!(errors["run_id"], json!(second));
    let of_repository: Vec<_> =
        errors["errors"].as_array().unwrap().iter().filter(|row| row["repository"] != json!(null)).collect();
    let [error] = &of_repository[..] else { panic!("{errors}") };
    assert_eq!((&error["repository"], &error["state"]), (&json!("search/indexer"), &json!("denied")));
    assert!(error["message"].as_str().unwrap().contains("requested access to the resource is denied"), "{error}");
    shelf.run(&["errors", "quay"]).await.exits(0).says("recorded no error");
    let unsupported = shelf.json(&["errors", "quay", "--run", &ids[3]]).await;
    assert_eq!(unsupported["verdict"], "unsupported");
    assert!(!unsupported["errors"].as_array().unwrap().is_empty());

    let (old, new) = (digest_of("linux/amd64", "api-1"), digest_of("linux/amd64", "api-2"));
    let indexer = digest_of("linux/amd64", "indexer-1");
    let names = ["repository", "tag", "op", "old_digest", "new_digest"];
    let moved = json!(["payments/api", "latest", "moved", old, new]);
    // The repository that was refused has lost nothing.
    let words = format!("{second}: +0 −0 ~1 since {first}; the tags of 1 repository are not compared");
    let compared = shelf.run(&["diff", first, second, "--format", "json"]).await.exits(0).says(&words);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert_eq!(columns(&compared["differences"], &names), [moved.clone()]);
    let whole = shelf.json(&["diff", &shelf.nights.dates[0], "latest"]).await;
    let expected = [
        json!(["payments/api", "1.0", "removed", old, null]),
        json!(["payments/api", "2.0", "added", null, new]),
        moved,
        json!(["search/indexer", "1.1", "added", null, indexer]),
        json!(["search/old", null, "removed", null, null]),
        json!(["search/old", "1.0", "removed", digest_of("linux/amd64", "old"), null]),
    ];
    assert_eq!(columns(&whole["differences"], &names), expected);
    shelf.run(&["diff", third, third]).await.exits(0).says(&format!("{third}: +0 −0 ~0 since {third}"));

    let verified = shelf.json(&["verify"]).await;
    assert_eq!((&verified["runs"], &verified["damage"]), (&json!(5), &json!([])));
    assert!(verified["bytes"].as_u64().unwrap() > 1000);
    let one = shelf.json(&["verify", "latest"]).await;
    assert_eq!(one["runs"], 1);
}

/// What is old goes whole, and what is left is whole.
async fn prunes(shelf: &Shelf) {
    let ids = &shelf.nights.run_ids;
    let before = shelf.json(&["list"]).await;
    // Four nights have an inventory.
    shelf.run(&["prune", "--keep", "4"]).await.exits(0).says("no run is old enough to go");
    let dry = shelf.json(&["prune", "--keep", "2"]).await;
    assert_eq!(
        (&dry["removed"], columns(&dry["runs"], &["run_id"])),
        (&json!(false), vec![json!([ids[0]]), json!([ids[1]])])
    );
    shelf.run(&["prune", "--keep", "2"]).await.exits(0).says("would go; nothing was removed: add `--yes`");
    let aged = shelf.json(&["prune", "--older-than", "20d"]).await;
    assert_eq!(columns(&aged["runs"], &["run_id"]), [json!([ids[0]])]);
    assert_eq!(shelf.json(&["list"]).await, before);

    let gone = shelf.json(&["prune", "--keep", "2", "--yes"]).await;
    assert_eq!(columns(&gone["runs"], &["run_id"]), [json!([ids[0]]), json!([ids[1]])]);
    let left = columns(&shelf.json(&["list"]).await["snapshots"], &["run_id"]);
    assert_eq!(left, [json!([ids[4]]), json!([ids[3]]), json!([ids[2]])]);
    assert_eq!(shelf.json(&["verify"]).await["damage"], json!([]));
    // However old the newest is, it stays.
    shelf.json(&["prune", "--older-than", "0d", "--yes"]).await;
    let left = columns(&shelf.json(&["list"]).await["snapshots"], &["run_id"]);
    assert_eq!(left, [json!([ids[4]])]);
    assert_eq!(shelf.json(&["verify"]).await["damage"], json!([]));
}

#[tokio::test]
async fn a_directory_of_parquet_answers_and_is_pruned() {
    let shelf = Shelf { nights: taken(BOTH).await, sink: "warehouse" };
    answers_alike(&shelf).await;
    let feed = shelf.nights.place.tree("feed");
    prunes(&shelf).await;
    assert_eq!(shelf.nights.place.tree("feed"), feed, "the other sink");
    let files = shelf.nights.place.tree("inventory");
    let dates = files.keys().filter(|name| name.contains("snapshot_date=") && name.ends_with('/'));
    assert!(dates.count() > 0);
    assert!(!files.keys().any(|name| name.contains(&shelf.nights.dates[0]) || name.contains("_removed/registry")));

    let sink = Shelf { sink: "feed", ..shelf };
    answers_alike(&sink).await;
    prunes(&sink).await;
}

#[tokio::test]
async fn a_bucket_answers_and_is_pruned() {
    let server = tokio::task::spawn_blocking(BucketServer::moto).await.unwrap();
    let options =
        server.options().iter().map(|(key, value)| format!("{key}: \"{value}\"")).collect::<Vec<_>>().join(", ");
    // The login stands in a file that is made with the workplace.
    let url = server.url("nights");
    let sinks =
        format!("  lake: {{type: parquet, url: \"{url}\", options: {{{options}}}, credentials_file: lake-login}}");
    let place = Workplace::new();
    place.secret("lake-login", server.login());
    let shelf = Shelf { nights: taken_in(place, &sinks).await, sink: "lake" };
    answers_alike(&shelf).await;
    prunes(&shelf).await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

/// The objects of the newest run, by table.
async fn object(shelf: &Shelf, table: &str) -> PathBuf {
    let shown = shelf.json(&["show", "latest"]).await;
    let object = shown["objects"].as_array().unwrap().iter().find(|object| object["table"] == table).unwrap();
    PathBuf::from(object["location"].as_str().unwrap())
}

#[tokio::test]
async fn damage_is_found_named_and_not_good() {
    let shelf = Shelf { nights: taken(BOTH).await, sink: "warehouse" };
    let (tags, manifests) = (object(&shelf, "tags").await, object(&shelf, "manifests").await);
    let place = &shelf.nights.place;
    // One bit of one file, under a new inode: that below `latest/` stays as it is.
    let mut bytes = fs::read(&tags).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::remove_file(&tags).unwrap();
    fs::write(&tags, bytes).unwrap();
    fs::remove_file(&manifests).unwrap();
    let latest = place.path("inventory/v1/latest/repositories/registry=quay/latest.parquet");
    fs::remove_file(&latest).unwrap();
    let first = &shelf.nights.run_ids[0];
    let manifest = place.path(&format!("inventory/v1/_runs/registry=quay/{first}.g1.json"));
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &text[..100]).unwrap();

    let ended = shelf.run(&["verify", "--format", "json"]).await.exits(1);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let found: Vec<String> =
        found["damage"].as_array().unwrap().iter().map(|d| format!("{} {}", d["location"], d["what"])).collect();
    let is_found = |place: &str, what: &str| found.iter().any(|line| line.contains(place) && line.contains(what));
    assert!(is_found("/tags/", "SHA-256"), "{found:?}");
    assert!(is_found("/manifests/", "it is gone"), "{found:?}");
    assert!(is_found("latest/repositories/registry=quay/latest.parquet", "it is gone"), "{found:?}");
    assert!(is_found(&format!("{first}.g1.json"), "it is no manifest"), "{found:?}");
    assert_eq!(found.len(), 4, "{found:?}");
    ended.says("4 damaged, 0 not verified");
    // A run that is whole verifies by itself.
    shelf.run(&["verify", &shelf.nights.run_ids[2]]).await.exits(0).says("of 1 run are as they were published");
    shelf.run(&["verify", &shelf.nights.run_ids[4]]).await.exits(1);
    fs::remove_file(&tags).unwrap();
    let diff = shelf.run(&["diff", &shelf.nights.run_ids[2], "latest"]).await;
    diff.exits(1).says("is gone; its manifest names it");
    // What cannot be read is not pruned.
    shelf.run(&["list"]).await.exits(0).says("cannot be read: ");
    shelf.run(&["prune", "--keep", "1", "--yes"]).await.exits(0);
    assert!(manifest.exists());
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is() {
    let place = Workplace::with(
        "sinks:\n  warehouse: {type: parquet, url: ./inventory}\n  feed: {type: json, url: ./feed}\n  out: {type: stdout}\n\
         registries: [{name: quay, url: 'http://127.0.0.1:1'}]\n",
    );
    let said = async |arguments: &[&str], code: i32, words: &str| {
        let ended = place.run(&[&["snapshots"], arguments].concat()).await.exits(code).says(words);
        assert_eq!(ended.stdout, "");
    };
    said(&["list"], 2, "several sinks keep files: feed, warehouse; choose one with `--sink NAME`").await;
    said(&["list", "--sink", "out"], 2, "the sink `out` keeps no files to read back; sinks that do: feed, warehouse")
        .await;
    said(&["list", "--sink", "lake"], 2, "no sink is named `lake`; sinks that keep files: feed, warehouse").await;
    said(&["list", "--sink", "feed"], 0, "no run has been published to").await;
    said(&["list", "--sink", "feed", "--registry", "quay"], 2, "has no run of a registry `quay`; there are: none")
        .await;
    said(&["diff", "a", "b", "--sink", "feed"], 2, "expected a run ID such as").await;
    said(&["prune", "--sink", "feed"], 2, "--keep <N>").await;
    said(&["prune", "--sink", "feed", "--keep", "0"], 2, "0").await;
    place.configure("sinks: {out: {type: stdout}}\nregistries: [{name: quay, url: 'http://127.0.0.1:1'}]\n");
    said(&["list"], 2, "no sink of the configuration keeps files to read back").await;
}

#[tokio::test]
async fn tables_and_csv_are_for_people_and_programs() {
    let place = Workplace::new();
    let nights = taken_in(place, "  warehouse: {type: parquet, url: ./inventory}").await;
    let shelf = Shelf { nights, sink: "warehouse" };
    let listed = shelf.run(&["list"]).await.exits(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 6, "{listed}");
    assert!(lines[0].split_whitespace().take(4).eq(["registry", "run_id", "generation", "verdict"]), "{listed}");
    assert!(lines[1].contains(&shelf.nights.run_ids[4]) && lines[1].ends_with("yes"), "{listed}");
    assert!(lines[2].contains("unsupported") && lines[2].ends_with("no"), "{listed}");
    let csv = shelf.run(&["diff", &shelf.nights.dates[0], "latest", "--format", "csv"]).await.exits(0).stdout;
    let mut rows = csv.split_terminator("\r\n");
    assert_eq!(rows.next(), Some("registry,repository,tag,op,old_digest,new_digest"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 6, "{csv}");
    assert_eq!(rows[4], ["quay", "search/old", "", "removed", "", ""]);
}
