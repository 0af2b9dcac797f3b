//! The contract suite with a plugin that keeps each directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use stocktake_sink::SnapshotId;
use stocktake_sink::contract::{Harness, Visible, run};

use super::*;

/// Copies the directory under a hidden name and renames it: the commit point. A snapshot that is there is not touched.
const KEEP: &str = r#"
set -eu
[ "$1" != --probe ] || { echo '{"ok":true}'; exit; }
store=${0%/*}/store name=$STOCKTAKE_RUN_ID.g$STOCKTAKE_GENERATION
if [ ! -d "$store/$name" ]; then
    rm -rf "$store/.$name"
    mkdir -p "$store"
    cp -r "$STOCKTAKE_SNAPSHOT" "$store/.$name"
    mv "$store/.$name" "$store/$name"
fi
"#;

struct Kept(PluginBench);

impl Kept {
    fn new() -> Self {
        let place = PluginBench::new();
        place.script(&format!("{KEEP}{ANSWER}"));
        Self(place)
    }

    fn stored(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path("store")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[async_trait]
impl Harness for Kept {
    async fn open(&self) -> Arc<dyn Sink> {
        Arc::new(ExecSink::new(self.0.settings(&self.0.path("plugin"))))
    }

    async fn visible(&self) -> Vec<Visible> {
        let kept = self.stored().into_iter().filter(|name| !name.starts_with('.'));
        kept.map(|id| {
            let directory = self.0.path("store").join(&id);
            let manifest = fs::read(directory.join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            let objects = manifest["objects"].as_array().unwrap();
            let read = |object: &Value| {
                let table: Table = serde_json::from_value(object["table"].clone()).unwrap();
                let file = File::open(directory.join(object["key"].as_str().unwrap())).unwrap();
                assert_eq!(file.metadata().unwrap().len(), object["bytes"]);
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
                (table, reader.map(Result::unwrap).collect::<Vec<RecordBatch>>())
            };
            let tables: BTreeMap<_, _> = objects.iter().map(read).collect();
            assert_eq!(fs::read_dir(&directory).unwrap().count(), tables.len() + 1, "no other files");
            Visible { id, tables }
        })
        .collect()
    }

    async fn plant_leftovers(&self, id: &SnapshotId) {
        let sink = ExecSink::new(self.0.settings(&self.0.path("plugin")));
        let other_command = "0123abcd-quay".to_owned();
        for key in [sink.plugin.key(id), other_command] {
            let directory = self.0.path("exec").join(format!("stocktake-exec-{key}")).join(id.to_string());
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("tags.parquet"), "half").unwrap();
        }
        fs::create_dir_all(self.0.path("store").join(format!(".{id}"))).unwrap();
    }

    async fn leftovers(&self) -> Vec<String> {
        let hidden = self.stored().into_iter().filter(|name| name.starts_with('.'));
        hidden.chain(self.0.entries()).collect()
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    run(Kept::new).await;
}
