//! Independent readers open what we publish: `duckdb` and `pyarrow`, and a checksum over the manifest's objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use fake_registry::{CatalogOrder, FakeRegistry, RepositoryNames, Script};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stocktake_sink::{Sink as _, Table, Verdict, contract};
use stocktake_sink_objects::Target;
use tokio::process::Command;

use crate::support::inventory::manifests;
use crate::support::program::{LOGIN, Workplace, one_registry};
use crate::support::python;

const COUNT: usize = 1234;

/// Column by column: name, Arrow type, whether it may be null, and `duckdb`'s type of the Parquet file.
type ExpectedColumns = &'static [(&'static str, &'static str, bool, &'static str)];

const REPOSITORIES: ExpectedColumns = &[
    ("run_id", "string", false, "VARCHAR"),
    ("observed_at", "timestamp[us, tz=UTC]", false, "TIMESTAMP WITH TIME ZONE"),
    ("repository", "string", false, "VARCHAR"),
    ("namespace", "string", true, "VARCHAR"),
    ("tag_count", "int64", true, "BIGINT"),
    ("state", "string", false, "VARCHAR"),
    ("error_code", "string", true, "VARCHAR"),
    ("monitored", "bool", false, "BOOLEAN"),
];

const TAGS: ExpectedColumns = &[
    ("run_id", "string", false, "VARCHAR"),
    ("observed_at", "timestamp[us, tz=UTC]", false, "TIMESTAMP WITH TIME ZONE"),
    ("repository", "string", false, "VARCHAR"),
    ("tag", "string", false, "VARCHAR"),
    ("digest", "string", true, "VARCHAR"),
    ("media_type", "string", true, "VARCHAR"),
    ("size_bytes", "int64", true, "BIGINT"),
];

const MANIFESTS: ExpectedColumns = &[
    ("run_id", "string", false, "VARCHAR"),
    ("observed_at", "timestamp[us, tz=UTC]", false, "TIMESTAMP WITH TIME ZONE"),
    ("repository", "string", false, "VARCHAR"),
    ("digest", "string", false, "VARCHAR"),
    ("media_type", "string", false, "VARCHAR"),
    ("artifact_type", "string", true, "VARCHAR"),
    ("kind", "string", false, "VARCHAR"),
    ("config_digest", "string", true, "VARCHAR"),
    ("os", "string", true, "VARCHAR"),
    ("architecture", "string", true, "VARCHAR"),
    ("variant", "string", true, "VARCHAR"),
    ("layer_count", "int32", true, "INTEGER"),
    ("total_size_bytes", "int64", true, "BIGINT"),
    ("created_at", "timestamp[us, tz=UTC]", true, "TIMESTAMP WITH TIME ZONE"),
    ("subject_digest", "string", true, "VARCHAR"),
    ("child_digests", "list<item: string>", true, "VARCHAR[]"),
    (
        "layers",
        "list<item: struct<digest: string not null, size: int64, media_type: string not null>>",
        true,
        "STRUCT(digest VARCHAR, size BIGINT, media_type VARCHAR)[]",
    ),
    ("annotations_json", "string", true, "VARCHAR"),
    ("labels_json", "string", true, "VARCHAR"),
    ("notes", "list<item: string>", true, "VARCHAR[]"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An inventory in both formats.
async fn published(names: &RepositoryNames) -> Workplace {
    let script = Script { order: CatalogOrder::Shuffled(3), ..Script::quay_like(names.clone()) };
    let registry = FakeRegistry::start(script).await.unwrap();
    let feed = "  feed: {type: json, url: ./feed}\nregistries:";
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN).replace("registries:", feed));
    place.run(&["run"]).await.exits(0);
    place
}

/// The object of a table that the manifest of a place's only run names.
fn object(root: &Path, table: &str) -> PathBuf {
    let manifests = manifests(root, "quay");
    let mut objects = manifests[0]["objects"].as_array().unwrap().iter();
    root.join(objects.find(|object| object["table"] == table).unwrap()["key"].as_str().unwrap())
}

/// The readers' view of a Parquet object and one of JSON lines: types of all columns, and the rows of some.
async fn seen(parquet: &Path, lines: &Path, rows_of: &[&str]) -> Value {
    let mut command = Command::new(python());
    command.arg(root().join("tests/program/support/readers.py")).arg(parquet).arg(lines).args(rows_of);
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const READERS: [&str; 4] = ["parquet_by_duckdb", "parquet_by_pyarrow", "json_by_duckdb", "json_by_pyarrow"];

/// Parquet says what a column is and whether it may be null; JSON lines have all columns.
fn has_columns(seen: &Value, columns: ExpectedColumns) {
    let all = |of: fn(&(&str, &str, bool, &str)) -> Value| {
        columns.iter().map(|column| (column.0.to_owned(), of(column))).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(seen["parquet_by_pyarrow"]["columns"], json!(all(|column| json!([column.1, column.2]))));
    assert_eq!(seen["parquet_by_duckdb"]["columns"], json!(all(|column| json!(column.3))));
    for reader in ["json_by_duckdb", "json_by_pyarrow"] {
        let found = seen[reader]["columns"].as_object().unwrap();
        assert!(found.keys().eq(all(|_| Value::Null).keys()), "{reader}: {found:?}");
    }
}

#[tokio::test]
async fn duckdb_and_pyarrow_read_every_row_sorted_and_every_column_as_documented() {
    let names = RepositoryNames::generated(COUNT, 5);
    let place = published(&names).await;
    let object = |place: PathBuf| object(&place, "repositories");
    let seen = seen(&object(place.path("inventory")), &object(place.path("feed")), &["repository"]).await;

    let sorted: Vec<[&str; 1]> = names.iter().map(|name| [name]).collect();
    assert!(sorted.is_sorted());
    for reader in READERS {
        assert_eq!(seen[reader]["rows"], json!(sorted), "{reader}");
    }
    has_columns(&seen, REPOSITORIES);
    // pyarrow takes no text for a time unless told so.
    assert_eq!(seen["json_by_duckdb"]["columns"]["observed_at"], "TIMESTAMP WITH TIME ZONE");
    assert_eq!(seen["json_by_duckdb"]["columns"]["monitored"], "BOOLEAN");
}

/// A cell as JSON.
fn cell(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(row)),
        DataType::List(_) => {
            let entries = column.as_list::<i32>().value(row);
            (0..entries.len()).map(|entry| cell(&entries, entry)).collect()
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), cell(column, row))).collect()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn duckdb_and_pyarrow_read_tags_and_manifests_with_what_is_nested_in_them() {
    let id = contract::id("quay", 0);
    let walked = [Table::Repositories, Table::Tags, Table::Manifests, Table::Changes];
    let snapshot = contract::snapshot_of(&id, Verdict::Complete, contract::tables(&id, 600, &walked));
    let place = tempfile::tempdir().unwrap();
    let target = |name: &str| Target::directory(place.path().join(name));
    stocktake_sink_parquet::ParquetSink::new(&target("inventory")).publish(&snapshot).await.unwrap();
    stocktake_sink_json::JsonSink::new(&target("feed")).publish(&snapshot).await.unwrap();

    for (table, columns) in [(Table::Tags, TAGS), (Table::Manifests, MANIFESTS)] {
        // Times come as texts from one reader and as times from another; their types are compared.
        let compared: Vec<_> = columns.iter().map(|c| c.0).filter(|name| !name.ends_with("_at")).collect();
        let object = |root: &str| object(&place.path().join(root), table.as_str());
        let seen = seen(&object("inventory"), &object("feed"), &compared).await;
        let mut rows = Vec::new();
        for batch in snapshot.batches(table) {
            let batch = batch.unwrap();
            let row = |row| compared.iter().map(|name| cell(&batch[*name], row)).collect::<Value>();
            rows.extend((0..batch.num_rows()).map(row));
        }
        assert!(rows.len() >= 150, "{table}");
        for reader in READERS {
            assert_eq!(seen[reader]["rows"], json!(rows), "{table} {reader}");
        }
        has_columns(&seen, columns);
    }
}

#[test]
fn reading_the_data_documents_these_columns_and_which_are_never_null() {
    let page = fs::read_to_string(root().join("docs/reading-the-data.md")).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("| `repositories` | ")).expect("a row about the table");
    let mut depth = 0;
    let bare: String = line
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '(') - i32::from(*c == ')');
            depth == 0 && *c != ')'
        })
        .collect();
    let documented: Vec<_> = bare.trim_end_matches(" |").split(',').map(|word| word.replace(' ', "")).collect();
    let ours = REPOSITORIES.iter().map(|(name, _, null, _)| format!("{name}{}", if *null { "" } else { "!" }));
    assert_eq!(documented, ours.collect::<Vec<_>>());
}

#[tokio::test]
async fn manifests_name_every_object_with_its_size_rows_and_digest() {
    let place = published(&RepositoryNames::generated(COUNT, 6)).await;
    for (root, format) in [("inventory", "parquet"), ("feed", "jsonl.zst")] {
        let manifests = manifests(&place.path(root), "quay");
        assert_eq!(manifests.len(), 1);
        let manifest = &manifests[0];
        assert_eq!((&manifest["verdict"], &manifest["format"]), (&json!("complete"), &json!(format)));
        let mut named = Vec::new();
        for object in manifest["objects"].as_array().unwrap() {
            let key = object["key"].as_str().unwrap();
            let bytes = fs::read(place.path(root).join(key)).unwrap();
            assert_eq!(object["bytes"], bytes.len(), "{key}");
            let digest = Sha256::digest(&bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            assert_eq!(object["sha256"], digest, "{key}");
            named.push((object["table"].as_str().unwrap(), object["rows"].as_u64().unwrap(), key));
        }
        assert_eq!(
            named.iter().map(|(table, rows, _)| (*table, *rows)).collect::<Vec<_>>(),
            [("repositories", 1234), ("changes", 0), ("runs", 1)]
        );

        // Nothing lies there that no manifest names.
        let mut files: Vec<_> = place.tree(root).into_keys().filter(|name| !name.ends_with('/')).collect();
        files.retain(|name| !name.starts_with("v1/_"));
        let latest: Vec<_> = files.extract_if(.., |name| name.starts_with("v1/latest/")).collect();
        let expected =
            ["changes", "repositories", "runs"].map(|table| format!("v1/latest/{table}/registry=quay/latest.{format}"));
        assert_eq!(latest, expected);
        named.sort_by_key(|(table, ..)| *table);
        for (latest, (.., key)) in latest.iter().zip(&named) {
            assert_eq!(fs::read(place.path(root).join(latest)).unwrap(), fs::read(place.path(root).join(key)).unwrap());
        }
        assert_eq!(files, named.iter().map(|(_, _, key)| *key).collect::<Vec<_>>());
    }
}
