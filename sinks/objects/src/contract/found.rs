//! What a reader finds at a target: the same in a directory and in a bucket.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use sha2::{Digest, Sha256};
use stocktake_sink::contract::Visible;
use stocktake_sink::durable::STAGING_PREFIX;
use stocktake_sink::{SnapshotId, Table};

use crate::{LatestPointer, ManifestObject, SnapshotManifest, names};

/// Returns the bytes of an object.
type ReadObject<'a> = dyn Fn(&str) -> Vec<u8> + 'a;

/// Everything at a target, as a reader finds it.
pub(super) struct Found<'a> {
    /// The keys of all objects, hidden ones too.
    pub(super) keys: BTreeSet<String>,
    pub(super) bytes: Box<ReadObject<'a>>,
}

impl Found<'_> {
    /// All manifests.
    pub(super) fn manifests(&self) -> Vec<SnapshotManifest> {
        let keys = self.keys.iter().filter(|f| f.starts_with("v1/_runs/") && !f.contains(STAGING_PREFIX));
        keys.map(|key| serde_json::from_slice(&(self.bytes)(key)).expect("a manifest")).collect()
    }

    /// The pointer names a manifest that is there, of a run that may be published, and none is newer.
    fn check_latest(&self, manifests: &[SnapshotManifest]) {
        let publishable = manifests.iter().filter(|m| m.verdict.is_publishable());
        let newest: BTreeMap<_, _> = publishable.map(|m| (&m.registry, m.id())).collect();
        for (registry, id) in newest {
            let latest: LatestPointer =
                serde_json::from_slice(&(self.bytes)(&names::latest(registry))).expect("a pointer");
            assert_eq!(latest.manifest, names::manifest(&id), "the pointer of {registry}");
            let of_newest = manifests.iter().filter(|manifest| manifest.id() == id);
            for (object, format) in of_newest.flat_map(|m| m.objects.iter().map(|object| (object, &m.format))) {
                let latest = names::latest_object(object.table, registry, format);
                assert_eq!(hex::encode(Sha256::digest((self.bytes)(&latest))), object.sha256, "{latest}");
            }
        }
    }

    pub(super) fn visible(&self, read: impl Fn(&ManifestObject, &[u8]) -> Vec<RecordBatch>) -> Vec<Visible> {
        let mut manifests = self.manifests();
        manifests.sort_by_key(SnapshotManifest::id);
        self.check_latest(&manifests);
        let of_one = |m: &SnapshotManifest| {
            let tables = m.objects.iter().map(|object| {
                let bytes = (self.bytes)(&object.key);
                assert_eq!(bytes.len() as u64, object.bytes, "size of {}", object.key);
                assert_eq!(hex::encode(Sha256::digest(&bytes)), object.sha256, "hash of {}", object.key);
                (object.table, read(object, &bytes))
            });
            Visible { id: m.id().to_string(), tables: tables.collect() }
        };
        manifests.iter().map(of_one).collect()
    }

    /// What belongs to no snapshot.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let manifests = self.manifests();
        let mut known: BTreeSet<_> = manifests.iter().map(|m| names::manifest(&m.id())).collect();
        known.extend(manifests.iter().flat_map(|m| m.objects.iter().map(|o| o.key.clone())));
        known.extend(manifests.iter().map(|m| names::latest(&m.registry)));
        let publishable = manifests.iter().filter(|m| m.verdict.is_publishable());
        known.extend(publishable.flat_map(|m| {
            let latest = |o: &ManifestObject| names::latest_object(o.table, &m.registry, &m.format);
            m.objects.iter().map(latest)
        }));
        self.keys.difference(&known).cloned().collect()
    }
}

/// The names of whole objects that no manifest names: a writer was killed before the manifest.
pub(super) fn orphans(id: &SnapshotId, seal: Option<&str>, extension: &str) -> Vec<String> {
    Table::ALL.map(|table| names::object(id, table, seal, extension)).to_vec()
}
