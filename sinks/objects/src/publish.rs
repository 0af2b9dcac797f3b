//! The order of steps that makes all of a snapshot visible at once: stage all, commit all, manifest, `latest/`, pointer.
//!
//! Steps that touch the target run on a blocking thread. The thread gives up between batches if the call was dropped.
//!
//! A bucket has no locks, so several processes may publish one run at once. Names with a seal keep the objects of different
//! walks apart, and the manifest, which only one of them creates, decides. A publisher that finds a manifest of
//! another one compares seals: its own manifest may be there already, because the answer to a request was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use stocktake_sink::{
    Abandoned, Receipt, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, WrittenObject, blocking, clock,
};

use stocktake_store::{Lock, StagedObject, Store};

use crate::{Encoded, LatestPointer, ManifestObject, ObjectFormat, SnapshotManifest, Target, encode, leftovers, names};

/// How often a publish or a removal tries to get the lock of a registry: for ten seconds. Usually another publish of it
/// was dropped and cleans up.
pub(crate) const LOCK_ATTEMPTS: u32 = 500;
pub(crate) const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// A sink that publishes each table as one object of one format.
#[derive(Clone, Debug)]
pub struct ObjectSink {
    target: Target,
    format: Arc<dyn ObjectFormat>,
    /// Whether the bucket has shown that it honours conditional puts.
    proven: Arc<AtomicBool>,
}

impl ObjectSink {
    /// Publishes to `target` in `format`. Each target takes one format.
    pub fn new(target: &Target, format: impl ObjectFormat + 'static) -> Self {
        Self { target: target.clone(), format: Arc::new(format), proven: Arc::default() }
    }
}

#[async_trait]
impl Sink for ObjectSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        // Opened each time, so that a login that was exchanged is used.
        let store = self.target.open().await?;
        let (sink, id) = (self.clone(), snapshot.id().clone());
        let lock = lock(&store, &id).await?;
        let snapshot = snapshot.clone();
        blocking(move |abandoned| {
            // The thread holds the lock, not the future: the next publish waits until a dropped one has cleaned up.
            let _lock: Lock = lock;
            sink.prove(&store)?;
            Publication { store, format: sink.format }.publish(&snapshot, abandoned)
        })
        .await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let store = self.target.open().await?;
        blocking(move |_| store.probe(&names::version_root())).await
    }
}

impl ObjectSink {
    /// Probes a bucket on its first use: nothing may be published to one that lets two writers win.
    fn prove(&self, store: &Store) -> Result<(), SinkError> {
        if store.is_bucket() && !self.proven.load(Ordering::Relaxed) {
            store.probe(&names::version_root())?;
            self.proven.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn lock(store: &Store, id: &SnapshotId) -> Result<Lock, SinkError> {
    let directory = names::manifests(&id.registry);
    for _ in 0..LOCK_ATTEMPTS {
        let (store, directory) = (store.clone(), directory.clone());
        if let Some(lock) = blocking(move |_| store.try_lock(&directory)).await? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_INTERVAL).await;
    }
    let directory = store.location(&directory);
    Err(SinkError::new(SinkErrorKind::Unavailable, format!("another process holds the lock on {directory}")))
}

/// One call of [`Sink::publish`], on its blocking thread.
struct Publication {
    store: Store,
    format: Arc<dyn ObjectFormat>,
}

impl Publication {
    fn publish(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<Receipt, SinkError> {
        let id = snapshot.id();
        let left = leftovers::sweep(&self.store, &id.registry);
        let manifest = match self.committed(id)? {
            Some(manifest) => manifest,
            None => self.commit(snapshot, abandoned)?,
        };
        // The snapshot is visible now. If the pointer cannot be moved, that is an error anyway: the operator must know, and
        // the next publish moves it.
        self.advance_latest(&manifest)?;
        let mut warnings: Vec<_> = left.iter().map(ToString::to_string).collect();
        warnings.extend(leftovers::remove_losers(&self.store, &id.registry, self.format.extension()));
        Ok(Receipt { warnings, ..self.receipt(&manifest) })
    }

    /// The manifest of a snapshot that is published already. An error if its objects have changed.
    fn committed(&self, id: &SnapshotId) -> Result<Option<SnapshotManifest>, SinkError> {
        let key = names::manifest(id);
        let Some(bytes) = self.store.read(&key)? else { return Ok(None) };
        let location = self.store.location(&key);
        let manifest = SnapshotManifest::parse(&bytes, &location)?;
        let invalid = |message: String| Err(SinkError::new(SinkErrorKind::Invalid, message));
        if manifest.format != self.format.extension() {
            let (theirs, ours) = (&manifest.format, self.format.extension());
            return invalid(format!(
                "{location} was written by a sink of format {theirs}, not {ours}; give each sink its own target"
            ));
        }
        for object in &manifest.objects {
            if self.store.size(&object.key)? != Some(object.bytes) {
                let (object, bytes) = (self.store.location(&object.key), object.bytes);
                return invalid(format!(
                    "{location} names {object} of {bytes} bytes, which is gone or of another size; \
                     restore it, or remove the manifest to have the run published again"
                ));
            }
        }
        self.store.settle(&key)?;
        Ok(Some(manifest))
    }

    fn commit(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<SnapshotManifest, SinkError> {
        let seal = self.store.is_bucket().then(|| names::seal(snapshot.record()));
        // All rows are read and counted before the first object becomes visible.
        let tables = snapshot.tables().map(|table| self.stage(snapshot, table, seal.as_deref(), abandoned));
        let (objects, staged): (Vec<_>, Vec<_>) = tables.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        if abandoned.is_set() {
            return Err(SinkError::new(
                SinkErrorKind::Unavailable,
                format!("the publication of {} was abandoned", snapshot.id()),
            ));
        }
        let manifest = SnapshotManifest::new(snapshot.record(), self.format.extension(), seal, objects);
        match self.reveal(&manifest, staged) {
            Ok(true) => Ok(manifest),
            Ok(false) => self.decided(&manifest)?.ok_or_else(|| {
                let location = self.store.location(&names::manifest(snapshot.id()));
                SinkError::new(SinkErrorKind::Unavailable, format!("{location} appeared and disappeared"))
            }),
            // The manifest may be visible although its answer was lost. It may even appear later, and then it needs its
            // objects: in a bucket they stay, and the next attempt overwrites them.
            Err(e) if self.store.is_bucket() => match self.decided(&manifest) {
                Ok(Some(decided)) => Ok(decided),
                _ => Err(e),
            },
            Err(e) => {
                // An error may come after the manifest became visible: then its objects must stay.
                if matches!(self.store.size(&names::manifest(snapshot.id())), Ok(None)) {
                    self.discard(&manifest);
                }
                Err(e)
            }
        }
    }

    /// The manifest that decided a race, perhaps our own. If it is another one, our objects are removed.
    fn decided(&self, ours: &SnapshotManifest) -> Result<Option<SnapshotManifest>, SinkError> {
        let decided = self.committed(&ours.id())?;
        if let Some(theirs) = &decided
            && ours.seal.is_some()
            && theirs.seal != ours.seal
        {
            self.discard(ours);
        }
        Ok(decided)
    }

    /// Removes objects that no manifest names. If that fails, the next attempt of the run overwrites or removes them.
    fn discard(&self, manifest: &SnapshotManifest) {
        for object in &manifest.objects {
            let _ = self.store.remove(&object.key);
        }
    }

    /// Commits the objects, then creates the manifest. False if another process created it first.
    fn reveal(&self, manifest: &SnapshotManifest, staged: Vec<StagedObject>) -> Result<bool, SinkError> {
        for staged in staged {
            staged.commit()?;
        }
        let key = names::manifest(&manifest.id());
        self.store.create(&key, &json(manifest, &self.store.location(&key))?)
    }

    /// Writes one table under a hidden name.
    fn stage(
        &self,
        snapshot: &Snapshot,
        table: Table,
        seal: Option<&str>,
        abandoned: &Abandoned,
    ) -> Result<(ManifestObject, StagedObject), SinkError> {
        let key = names::object(snapshot.id(), table, seal, self.format.extension());
        let context = format!("cannot write {}", self.store.location(&key));
        let mut staged = self.store.stage(&key)?;
        match encode(snapshot, table, &*self.format, &mut staged, &context, abandoned) {
            Ok(Encoded { rows, bytes, sha256 }) => {
                staged.end()?;
                Ok((ManifestObject { table, key, rows, bytes, sha256 }, staged))
            }
            // A bucket knows better why it refused bytes.
            Err(error) if error.kind() != SinkErrorKind::Snapshot => Err(staged.take_failure().unwrap_or(error)),
            Err(error) => Err(error),
        }
    }

    /// Moves `latest/` and the registry's pointer to this run, unless the pointer names a newer one.
    ///
    /// The pointer moves last: a process that is killed before that moves `latest/` again, because the pointer still names an
    /// older run. A table that this run does not have keeps its newest object.
    fn advance_latest(&self, manifest: &SnapshotManifest) -> Result<(), SinkError> {
        if !manifest.verdict.is_publishable() {
            return Ok(());
        }
        let key = names::latest(&manifest.registry);
        let latest = LatestPointer::of(manifest);
        // A pointer that cannot be read is replaced: it is advisory, the manifests decide.
        let current = self.store.read(&key)?.and_then(|bytes| serde_json::from_slice::<LatestPointer>(&bytes).ok());
        if current.is_some_and(|current| !latest.replaces(&current, clock::now())) {
            return Ok(());
        }
        for object in &manifest.objects {
            let latest = names::latest_object(object.table, &manifest.registry, self.format.extension());
            self.store.copy(&object.key, &latest)?;
        }
        self.store.replace(&key, &json(&latest, &self.store.location(&key))?)
    }

    fn receipt(&self, manifest: &SnapshotManifest) -> Receipt {
        let objects = manifest.objects.iter().map(|o| WrittenObject {
            table: o.table,
            location: self.store.location(&o.key),
            rows: o.rows,
            bytes: o.bytes,
        });
        Receipt {
            location: self.store.location(&names::manifest(&manifest.id())),
            objects: objects.collect(),
            warnings: Vec::new(),
        }
    }
}

fn json(value: &impl Serialize, location: &str) -> Result<Vec<u8>, SinkError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| SinkError::new(SinkErrorKind::Invalid, format!("cannot encode {location}")).with_source(e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;
