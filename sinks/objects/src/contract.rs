//! The contract suite's view of a target directory, for the tests of a format.
//!
//! It reads as any other program would: manifests first, then the objects that they name, checking size and hash.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use stocktake_sink::contract::{Harness, Visible};
use stocktake_sink::durable::STAGING_PREFIX;
use stocktake_sink::{Sink, SnapshotId, Table};

use crate::{LatestPointer, SnapshotManifest, Target, names};

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
        let files = self.files();
        let keys = files.iter().filter(|f| f.starts_with("v1/_runs/") && !f.contains(STAGING_PREFIX));
        keys.map(|key| serde_json::from_slice(&self.bytes(key)).expect("a manifest")).collect()
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        fs::read(self.root().join(key)).unwrap_or_else(|e| panic!("read {key}: {e}"))
    }

    /// The pointer names a manifest that is there, of a run that may be published, and none is newer.
    fn check_latest(&self, manifests: &[SnapshotManifest]) {
        let publishable = manifests.iter().filter(|m| m.verdict.is_publishable());
        let newest: BTreeMap<_, _> = publishable.map(|m| (&m.registry, m.id())).collect();
        for (registry, id) in newest {
            let latest: LatestPointer =
                serde_json::from_slice(&self.bytes(&names::latest(registry))).expect("a pointer");
            assert_eq!(latest.manifest, names::manifest(&id), "the pointer of {registry}");
            let of_newest = manifests.iter().filter(|manifest| manifest.id() == id);
            for (object, format) in of_newest.flat_map(|m| m.objects.iter().map(|object| (object, &m.format))) {
                let latest = names::latest_object(object.table, registry, format);
                assert_eq!(hex::encode(Sha256::digest(self.bytes(&latest))), object.sha256, "{latest}");
            }
        }
    }
}

#[async_trait]
impl<D: AsRef<Path> + Send + Sync> Harness for Directory<D> {
    async fn open(&self) -> Arc<dyn Sink> {
        (self.open)(Target::parse(&self.root().display().to_string()).expect("a path"))
    }

    async fn visible(&self) -> Vec<Visible> {
        let mut manifests = self.manifests();
        manifests.sort_by_key(SnapshotManifest::id);
        self.check_latest(&manifests);
        let read = |m: &SnapshotManifest| {
            let tables = m.objects.iter().map(|object| {
                let bytes = self.bytes(&object.key);
                assert_eq!(bytes.len() as u64, object.bytes, "size of {}", object.key);
                assert_eq!(hex::encode(Sha256::digest(&bytes)), object.sha256, "hash of {}", object.key);
                (object.table, (self.read)(&self.root().join(&object.key), object.table))
            });
            Visible { id: m.id().to_string(), tables: tables.collect() }
        };
        manifests.iter().map(read).collect()
    }

    async fn plant_leftovers(&self, id: &SnapshotId) {
        let yesterday = SnapshotId { scheduled_at: id.scheduled_at - chrono::TimeDelta::days(1), ..id.clone() };
        let beside = |key: String| {
            let path = self.root().join(key);
            let name = path.file_name().expect("a name").to_str().expect("our own name");
            path.with_file_name(format!("{STAGING_PREFIX}0123456789abcdef-{name}"))
        };
        let mut planted: Vec<_> = [id, &yesterday]
            .into_iter()
            .flat_map(|id| Table::ALL.map(|table| beside(names::object(id, table, "half"))))
            .collect();
        planted.extend(Table::ALL.map(|table| beside(names::latest_object(table, &id.registry, "half"))));
        planted.extend([beside(names::manifest(id)), beside(names::latest(&id.registry))]);
        planted.push(beside(format!("{}/probe", names::version_root())));
        for path in planted {
            fs::create_dir_all(path.parent().expect("a directory")).expect("a place for leftovers");
            fs::write(path, "half").expect("a leftover");
        }
        // Killed before the manifest: whole objects that none names, perhaps of other rows.
        if let Some(manifest) = self.manifests().first() {
            for object in Table::ALL.map(|table| names::object(id, table, &manifest.format)) {
                fs::write(self.root().join(object), "whole, and of another attempt").expect("an orphan");
            }
        }
    }

    async fn leftovers(&self) -> Vec<String> {
        let manifests = self.manifests();
        let mut known: BTreeSet<_> = manifests.iter().map(|m| names::manifest(&m.id())).collect();
        known.extend(manifests.iter().flat_map(|m| m.objects.iter().map(|o| o.key.clone())));
        known.extend(manifests.iter().map(|m| names::latest(&m.registry)));
        let publishable = manifests.iter().filter(|m| m.verdict.is_publishable());
        known.extend(publishable.flat_map(|m| {
            let latest = |o: &crate::ManifestObject| names::latest_object(o.table, &m.registry, &m.format);
            m.objects.iter().map(latest)
        }));
        self.files().difference(&known).cloned().collect()
    }
}
