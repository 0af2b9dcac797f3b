//! Removing published runs: a note of what is to go, the manifest, the objects, and last the note.
//!
//! The manifest goes before the objects, so that no manifest ever names an object that is gone. A process that is killed
//! between the two leaves objects that no manifest names, as a publisher does that is at work. The note tells the two apart, and
//! the next removal completes what the note says.

use std::collections::BTreeSet;

use stocktake_sink::{PublishedFiles, RegistryName, SinkError, SinkErrorKind, SnapshotId};

use stocktake_store::Lock;

use crate::publish::LOCK_INTERVAL;
use crate::readable::ReadableStore;
use crate::{SnapshotManifest, names};

/// Removes these runs, except those that readers take for the newest. Returns the removed ones.
pub(crate) fn runs(
    files: &dyn PublishedFiles,
    target: &ReadableStore,
    registry: &RegistryName,
    wanted: &[SnapshotId],
    lock_attempts: u32,
) -> Result<Vec<SnapshotId>, SinkError> {
    let _lock = lock(target, registry, lock_attempts)?;
    // Read with the lock: it may have moved since the caller chose.
    let published = files.runs(registry)?;
    complete(target, registry)?;
    let newest = published.newest();
    let mut removed = Vec::new();
    for id in wanted.iter().filter(|id| !newest.contains(id)) {
        let key = names::manifest(id);
        let Some(bytes) = target.store.read(&key)? else { continue };
        let manifest = SnapshotManifest::parse(&bytes, &target.store.location(&key))?;
        target.store.replace(&names::removal(id), &bytes)?;
        target.remove(&key)?;
        remove_objects(target, &manifest)?;
        removed.push(id.clone());
    }
    Ok(removed)
}

fn lock(target: &ReadableStore, registry: &RegistryName, attempts: u32) -> Result<Lock, SinkError> {
    let directory = names::manifests(registry);
    for attempt in 0..attempts {
        if attempt > 0 {
            target.wait(LOCK_INTERVAL);
        }
        if let Some(lock) = target.store.try_lock(&directory)? {
            return Ok(lock);
        }
    }
    let location = target.store.location(&directory);
    let message = format!("another process holds the lock on {location}: it publishes this registry; try again later");
    Err(SinkError::new(SinkErrorKind::Unavailable, message))
}

/// Completes removals that were begun. A run that was published again since then stays.
fn complete(target: &ReadableStore, registry: &RegistryName) -> Result<(), SinkError> {
    for key in target.keys(&names::removals(registry))? {
        let Some(bytes) = target.store.read(&key)? else { continue };
        let manifest = SnapshotManifest::parse(&bytes, &target.store.location(&key))?;
        if manifest.registry == *registry {
            remove_objects(target, &manifest)?;
        }
    }
    target.tidy(&names::removals(registry));
    Ok(())
}

/// Removes the objects of a removed manifest, and then the note.
fn remove_objects(target: &ReadableStore, manifest: &SnapshotManifest) -> Result<(), SinkError> {
    let id = manifest.id();
    let key = names::manifest(&id);
    let again = target
        .store
        .read(&key)?
        .map(|bytes| SnapshotManifest::parse(&bytes, &target.store.location(&key)))
        .transpose()?;
    let again = again.iter().flat_map(|again| &again.objects);
    let named_again: BTreeSet<_> = again.map(|object| object.key.as_str()).collect();
    for object in manifest.objects.iter().filter(|object| !named_again.contains(object.key.as_str())) {
        if names::is_object(&object.key, object.table, &id.registry) {
            target.remove(&object.key)?;
        }
    }
    target.remove(&names::removal(&id))
}
