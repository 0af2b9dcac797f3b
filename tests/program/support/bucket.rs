//! A bucket on a real server as the target of the program, and a copy of all that is in it for readers of files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use stocktake_store::testing::BucketServer;
use tempfile::TempDir;

use super::inventory::manifests;
use super::program::Workplace;

/// The prefix of all tests: each has a server of its own.
pub(crate) const PREFIX: &str = "inventory";

/// Starts moto.
pub(crate) async fn moto() -> Arc<BucketServer> {
    tokio::task::spawn_blocking(|| Arc::new(BucketServer::moto())).await.unwrap()
}

/// The settings of a sink that delivers Parquet to the bucket by way of this endpoint; its login is in a file, which is
/// written.
pub(crate) fn sink(place: &Workplace, server: &BucketServer, endpoint: &str) -> String {
    place.secret("bucket-login", server.login());
    let options =
        server.options_at(endpoint).iter().map(|(key, value)| format!("{key}: '{value}'")).collect::<Vec<_>>();
    let url = server.url(PREFIX);
    format!("{{type: parquet, url: '{url}', credentials_file: bucket-login, options: {{{}}}}}", options.join(", "))
}

/// A configuration with this sink, and the local one of [`super::program::one_registry`].
pub(crate) fn with_sink(yaml: &str, sink: &str) -> String {
    yaml.replacen("registries:", &format!("  bucket: {sink}\nregistries:"), 1)
}

/// Everything in the bucket as files. All objects that a manifest names are whole.
pub(crate) async fn mirror(server: &Arc<BucketServer>) -> TempDir {
    let server = Arc::clone(server);
    let copied = tokio::task::spawn_blocking(move || {
        let (directory, store) = (tempfile::tempdir().unwrap(), server.store(PREFIX));
        for object in store.list("").unwrap() {
            let path = directory.path().join(&object.key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, store.read(&object.key).unwrap().unwrap()).unwrap();
        }
        directory
    });
    let directory = copied.await.unwrap();
    for manifest in manifests(directory.path(), "quay") {
        for object in manifest["objects"].as_array().unwrap() {
            let bytes = fs::read(directory.path().join(object["key"].as_str().unwrap())).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), object["sha256"].as_str().unwrap(), "{object}");
        }
    }
    directory
}

/// Removes everything from the bucket.
pub(crate) async fn empty(server: &Arc<BucketServer>) {
    let server = Arc::clone(server);
    let emptied = tokio::task::spawn_blocking(move || {
        let store = server.store(PREFIX);
        for object in store.list("").unwrap() {
            store.remove(&object.key).unwrap();
        }
    });
    emptied.await.unwrap();
}

/// The objects of tables in a copy that no manifest names.
pub(crate) fn unnamed(root: &Path) -> BTreeSet<String> {
    let manifests = manifests(root, "quay");
    let objects = manifests.iter().flat_map(|manifest| manifest["objects"].as_array().unwrap());
    let named: BTreeSet<_> = objects.map(|object| object["key"].as_str().unwrap().to_owned()).collect();
    let mut found = BTreeSet::new();
    let mut unseen = vec![root.join("v1")];
    while let Some(directory) = unseen.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let key = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            // What a killed probe left is removed by one that comes ten minutes later.
            let is_pointer =
                ["v1/_runs/", "v1/_latest/", "v1/latest/", "v1/_probe/"].iter().any(|place| key.starts_with(place));
            if path.is_dir() {
                unseen.push(path);
            } else if !is_pointer && !named.contains(&key) {
                found.insert(key);
            }
        }
    }
    found
}

/// The runs that manifests name, in order.
pub(crate) fn runs(root: &Path) -> Vec<String> {
    let run = |manifest: &Value| manifest["run_id"].as_str().unwrap().to_owned();
    manifests(root, "quay").iter().map(run).collect()
}
