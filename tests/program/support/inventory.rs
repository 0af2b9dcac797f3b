//! What a sink of files has published, read as a warehouse would: pointer, manifest, objects.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use stocktake_sink::offset_times;

use super::stranger::is_hidden;

/// The pointer to a registry's newest inventory, if there is one.
pub(crate) fn latest(root: &Path, registry: &str) -> Option<Value> {
    let path = root.join(format!("v1/_latest/registry={registry}.json"));
    path.exists().then(|| json(&path))
}

/// All manifests of a registry, oldest first. Hidden files are none, to any reader.
pub(crate) fn manifests(root: &Path, registry: &str) -> Vec<Value> {
    let directory = root.join(format!("v1/_runs/registry={registry}"));
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| !is_hidden(path)).collect();
    paths.sort();
    paths.iter().map(|path| json(path)).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The repositories of a registry's newest inventory, in the order of the file.
pub(crate) fn repositories(root: &Path, registry: &str) -> Vec<String> {
    let latest = latest(root, registry).expect("an inventory");
    let manifest = json(&root.join(latest["manifest"].as_str().unwrap()));
    let batches = rows(root, &manifest, "repositories");
    let names = batches.iter().flat_map(|batch| batch["repository"].as_string::<i32>().iter());
    names.map(|name| name.unwrap().to_owned()).collect()
}

/// The rows of a table of a registry's newest inventory as JSON objects, without what is null.
pub(crate) fn table(root: &Path, registry: &str, name: &str) -> Vec<Value> {
    let latest = latest(root, registry).expect("an inventory");
    table_of(root, &json(&root.join(latest["manifest"].as_str().unwrap())), name)
}

/// The same of the run that this manifest is of.
pub(crate) fn table_of(root: &Path, manifest: &Value, name: &str) -> Vec<Value> {
    let mut lines = arrow_json::LineDelimitedWriter::new(Vec::new());
    for batch in rows(root, manifest, name) {
        lines.write(&offset_times(&batch).unwrap()).unwrap();
    }
    lines.finish().unwrap();
    let lines = String::from_utf8(lines.into_inner()).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The row of table `runs` of a registry's newest run.
pub(crate) fn last_run(root: &Path, registry: &str) -> RunRow {
    let manifests = manifests(root, registry);
    let batches = rows(root, manifests.last().expect("a manifest"), "runs");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let row = &batches[0];
    let number = |column: &str| row[column].as_primitive::<Int64Type>().value(0);
    let errors = row["errors"].as_list::<i32>().value(0);
    let text = |column: &str| {
        let column = errors.as_struct().column_by_name(column).unwrap();
        column.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
    };
    RunRow {
        verdict: row["verdict"].as_string::<i32>().value(0).to_owned(),
        pages: number("pages"),
        requests: number("requests"),
        retries: number("retries"),
        token_requests: number("token_requests"),
        rows_repositories: number("rows_repositories"),
        rows_tags: number("rows_tags"),
        requests_saved: number("requests_saved"),
        error_codes: text("code"),
        error_messages: text("message"),
    }
}

/// What the tests look at of a row of table `runs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunRow {
    pub(crate) verdict: String,
    pub(crate) pages: i64,
    pub(crate) requests: i64,
    pub(crate) retries: i64,
    pub(crate) token_requests: i64,
    pub(crate) rows_repositories: i64,
    pub(crate) rows_tags: i64,
    pub(crate) requests_saved: i64,
    pub(crate) error_codes: Vec<String>,
    pub(crate) error_messages: Vec<String>,
}

/// The rows of a manifest's table, which must be as many as it says.
fn rows(root: &Path, manifest: &Value, table: &str) -> Vec<RecordBatch> {
    let mut objects = manifest["objects"].as_array().unwrap().iter();
    let object = objects.find(|object| object["table"] == table).expect("an object of this table");
    let file = File::open(root.join(object["key"].as_str().unwrap())).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    assert_eq!(object["rows"], batches.iter().map(RecordBatch::num_rows).sum::<usize>());
    batches
}
