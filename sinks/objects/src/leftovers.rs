//! What writers that were killed or lost a race left at the target, and when it may be removed.
//!
//! In a directory, the lock of the registry says that no other writer is at work. In a bucket that is unknown, so an object
//! is removed only if the manifest of its run exists and names another seal: then no writer can make a manifest that
//! names it. Objects of a run without a manifest stay, since their writer may be about to create it. A later publish of the
//! same snapshot overwrites them, because its seal is the same.

use std::collections::{BTreeMap, BTreeSet};

use stocktake_sink::durable::Left;
use stocktake_sink::{RegistryName, SinkError, Table};
use stocktake_store::Store;

use crate::{SnapshotManifest, names};

/// Removes the hidden files of killed writers of this registry from a directory. Only with its lock, because the files of a
/// running publish look the same. Files that cannot be removed or read are returned; no published snapshot depends on them.
pub(crate) fn sweep(store: &Store, registry: &RegistryName) -> Vec<Left> {
    let mut left = Vec::new();
    for table in Table::ALL {
        left.extend(store.sweep_children(&names::partitions(table, registry)));
    }
    left.extend(store.sweep(&names::manifests(registry)));
    for table in Table::ALL {
        // The extension does not matter: all of them are swept.
        let latest = names::latest_object(table, registry, "");
        left.extend(store.sweep(latest.rsplit_once('/').map_or("", |(directory, _)| directory)));
    }
    // Registries share these two directories.
    left.extend(store.sweep_object(&names::latest(registry)));
    left.extend(store.sweep_probe(&names::version_root()));
    left
}

/// Removes the objects of writers that lost a race for a run of this registry. What cannot be done is a warning: no published
/// snapshot depends on it.
pub(crate) fn remove_losers(store: &Store, registry: &RegistryName, extension: &str) -> Vec<String> {
    if !store.is_bucket() {
        return Vec::new();
    }
    let removed = sealed_objects(store, registry, extension).and_then(|objects| {
        objects
            .into_iter()
            .filter(|(_, seals)| seals.len() > 1)
            .try_for_each(|(run, seals)| remove(store, registry, &run, &seals))
    });
    removed.err().map(|error| format!("objects of writers that lost a race may be left: {error}")).into_iter().collect()
}

/// The keys of one run by their seals.
type Seals = BTreeMap<String, Vec<String>>;

/// All objects of a registry: runs by the end of their names, such as `quay-20261123T020000Z` or `….g2`.
fn sealed_objects(
    store: &Store,
    registry: &RegistryName,
    extension: &str,
) -> Result<BTreeMap<String, Seals>, SinkError> {
    let mut runs = BTreeMap::<String, Seals>::new();
    for table in Table::ALL {
        for object in store.list(&names::partitions(table, registry))? {
            let Some((name, seal)) = names::split_seal(&object.key, extension) else { continue };
            let run = name.rsplit_once('/').map_or(name, |(_, run)| run).to_owned();
            runs.entry(run).or_default().entry(seal.to_owned()).or_default().push(object.key);
        }
    }
    Ok(runs)
}

fn remove(store: &Store, registry: &RegistryName, run: &str, seals: &Seals) -> Result<(), SinkError> {
    let is_forced = run.rsplit_once(".g").is_some_and(|(_, generation)| generation.parse::<i32>().is_ok());
    let generation = if is_forced { "" } else { ".g1" };
    let key = format!("{}/{run}{generation}.json", names::manifests(registry));
    let manifest = store.read(&key)?.and_then(|bytes| serde_json::from_slice::<SnapshotManifest>(&bytes).ok());
    let Some(manifest) = manifest else { return Ok(()) };
    let Some(winner) = &manifest.seal else { return Ok(()) };
    let named: BTreeSet<_> = manifest.objects.iter().map(|object| &object.key).collect();
    let losers = seals.iter().filter(|(seal, _)| *seal != winner).flat_map(|(_, keys)| keys);
    losers.filter(|key| !named.contains(key)).try_for_each(|key| store.remove(key))
}
