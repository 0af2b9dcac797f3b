//! A directory for the contract suite.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use stocktake_sink::contract::{Harness, Visible};
use stocktake_sink::durable::STAGING_PREFIX;
use stocktake_sink::{Sink, SnapshotId, Table};

use super::found::{Found, orphans};
use crate::{SnapshotManifest, Target, names};

/// A directory, how the sink is opened on it, and how an object of its format is read.
#[derive(Debug)]
pub struct Directory<D> {
    scratch: D,
    open: fn(Target) -> Arc<dyn Sink>,
    read: fn(&Path, Table) -> Vec<RecordBatch>,
}

impl<D: AsRef<Path> + Send + Sync> Directory<D> {
    /// `scratch` is a directory that is empty and ours, such as a `TempDir`.
    pub fn new(scratch: D, open: fn(Target) -> Arc<dyn Sink>, read: fn(&Path, Table) -> Vec<RecordBatch>) -> Self {
        Self { scratch, open, read }
    }

    /// The root that the sink is opened on. It does not exist at first.
    pub fn root(&self) -> PathBuf {
        self.scratch.as_ref().join("inventory")
    }

    fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut unseen = vec![self.scratch.as_ref().to_owned()];
        while let Some(directory) = unseen.pop() {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    unseen.push(path);
                } else {
                    let key = path.strip_prefix(self.root()).unwrap_or(&path);
                    found.insert(key.display().to_string());
                }
            }
        }
        found
    }

    /// All manifests.
    pub fn manifests(&self) -> Vec<SnapshotManifest> {
        self.found().manifests()
    }

    fn found(&self) -> Found<'_> {
        let bytes = |key: &str| fs::read(self.root().join(key)).unwrap_or_else(|e| panic!("read {key}: {e}"));
        Found { keys: self.files(), bytes: Box::new(bytes) }
    }
}

#[async_trait]
impl<D: AsRef<Path> + Send + Sync> Harness for Directory<D> {
    async fn open(&self) -> Arc<dyn Sink> {
        (self.open)(Target::directory(self.root()))
    }

    async fn visible(&self) -> Vec<Visible> {
        self.found().visible(|object, _| (self.read)(&self.root().join(&object.key), object.table))
    }

    async fn plant_leftovers(&self, id: &SnapshotId) {
        let yesterday = SnapshotId { scheduled_at: id.scheduled_at - chrono::TimeDelta::days(1), ..id.clone() };
        let beside = |key: String| {
            let path = self.root().join(key);
            let name = path.file_name().expect("a name").to_str().expect("our own name");
            path.with_file_name(format!("{STAGING_PREFIX}0123456789abcdef-{name}"))
        };
        let mut planted: Vec<_> =
            [id, &yesterday].into_iter().flat_map(|id| orphans(id, None, "half")).map(beside).collect();
        planted.extend(Table::ALL.map(|table| beside(names::latest_object(table, &id.registry, "half"))));
        planted.extend([beside(names::manifest(id)), beside(names::latest(&id.registry))]);
        planted.push(beside(format!("{}/probe", names::version_root())));
        for path in planted {
            fs::create_dir_all(path.parent().expect("a directory")).expect("a place for leftovers");
            fs::write(path, "half").expect("a leftover");
        }
        // Killed before the manifest: whole objects that none names, perhaps of other rows.
        if let Some(manifest) = self.manifests().first() {
            for object in orphans(id, None, &manifest.format) {
                fs::write(self.root().join(object), "whole, and of another attempt").expect("an orphan");
            }
        }
    }

    async fn leftovers(&self) -> Vec<String> {
        self.found().leftovers()
    }
}
