//! The order of steps that makes all of a snapshot visible at once: stage all, commit all, manifest, `latest/`, pointer.
//!
//! Steps that touch the target run on a blocking thread. The thread gives up between batches if the call was dropped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use stocktake_sink::durable::Staged;
use stocktake_sink::{
    Abandoned, Receipt, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, WrittenObject, blocking, clock,
};

use crate::local::{LocalDirectory, RegistryLock};
use crate::{Encoded, LatestPointer, ManifestObject, ObjectFormat, SnapshotManifest, Target, encode, names};

/// How long a publish waits for another one of the same registry. Usually the other one was dropped and cleans up.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// A sink that publishes each table as one object of one format.
#[derive(Clone, Debug)]
pub struct ObjectSink {
    directory: LocalDirectory,
    format: Arc<dyn ObjectFormat>,
}

impl ObjectSink {
    /// Publishes to `target` in `format`. Each target takes one format.
    pub fn new(target: &Target, format: impl ObjectFormat + 'static) -> Self {
        Self { directory: LocalDirectory::new(target.directory()), format: Arc::new(format) }
    }
}

#[async_trait]
impl Sink for ObjectSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let lock = self.lock(snapshot.id()).await?;
        let (sink, snapshot) = (self.clone(), snapshot.clone());
        blocking(move |abandoned| {
            // The thread holds the lock, not the future: the next publish waits until a dropped one has cleaned up.
            let _lock: RegistryLock = lock;
            sink.publish_locked(&snapshot, abandoned)
        })
        .await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let directory = self.directory.clone();
        blocking(move |_| directory.probe()).await
    }
}

impl ObjectSink {
    async fn lock(&self, id: &SnapshotId) -> Result<RegistryLock, SinkError> {
        let attempts = LOCK_PATIENCE.as_millis() / LOCK_INTERVAL.as_millis();
        for _ in 0..attempts {
            let (directory, registry) = (self.directory.clone(), id.registry.clone());
            if let Some(lock) = blocking(move |_| directory.try_lock(&registry)).await? {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        let directory = self.directory.location(&names::manifests(&id.registry));
        Err(SinkError::new(SinkErrorKind::Unavailable, format!("another process holds the lock on {directory}")))
    }

    fn publish_locked(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<Receipt, SinkError> {
        let id = snapshot.id();
        let left = self.directory.sweep(&id.registry);
        let manifest = match self.committed(id)? {
            Some(manifest) => manifest,
            None => self.commit(snapshot, abandoned)?,
        };
        // The snapshot is visible now. If the pointer cannot be moved, that is an error anyway: the operator must know, and
        // the next publish moves it.
        self.advance_latest(&manifest)?;
        Ok(Receipt { warnings: left.iter().map(ToString::to_string).collect(), ..self.receipt(&manifest) })
    }

    /// The manifest of a snapshot that is published already. An error if its objects have changed.
    fn committed(&self, id: &SnapshotId) -> Result<Option<SnapshotManifest>, SinkError> {
        let key = names::manifest(id);
        let Some(bytes) = self.directory.read(&key)? else { return Ok(None) };
        let location = self.directory.location(&key);
        let manifest: SnapshotManifest = serde_json::from_slice(&bytes)
            .map_err(|e| SinkError::new(SinkErrorKind::Invalid, format!("cannot read {location}")).with_source(e))?;
        let invalid = |message: String| Err(SinkError::new(SinkErrorKind::Invalid, message));
        if manifest.format != self.format.extension() {
            let (theirs, ours) = (&manifest.format, self.format.extension());
            return invalid(format!(
                "{location} was written by a sink of format {theirs}, not {ours}; give each sink its own target"
            ));
        }
        for object in &manifest.objects {
            if self.directory.size(&object.key)? != Some(object.bytes) {
                let (object, bytes) = (self.directory.location(&object.key), object.bytes);
                return invalid(format!(
                    "{location} names {object} of {bytes} bytes, which is gone or of another size; \
                     restore it, or remove the manifest to have the run published again"
                ));
            }
        }
        self.directory.settle(&key)?;
        Ok(Some(manifest))
    }

    fn commit(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<SnapshotManifest, SinkError> {
        // All rows are read and counted before the first object becomes visible.
        let tables = snapshot.tables().map(|table| self.stage(snapshot, table, abandoned));
        let (objects, staged): (Vec<_>, Vec<_>) = tables.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        if abandoned.is_set() {
            return Err(SinkError::new(
                SinkErrorKind::Unavailable,
                format!("the publication of {} was abandoned", snapshot.id()),
            ));
        }
        let manifest = SnapshotManifest::new(snapshot.record(), self.format.extension(), objects);
        match self.reveal(&manifest, staged) {
            Ok(true) => Ok(manifest),
            Ok(false) => self.committed(snapshot.id())?.ok_or_else(|| {
                let location = self.directory.location(&names::manifest(snapshot.id()));
                SinkError::new(SinkErrorKind::Unavailable, format!("{location} appeared and disappeared"))
            }),
            Err(e) => {
                // An error may come after the manifest became visible: then its objects must stay.
                if matches!(self.directory.size(&names::manifest(snapshot.id())), Ok(None)) {
                    manifest.objects.iter().for_each(|o| self.directory.discard(&o.key));
                }
                Err(e)
            }
        }
    }

    /// Commits the objects, then creates the manifest. False if another process created it first.
    fn reveal(&self, manifest: &SnapshotManifest, staged: Vec<Staged>) -> Result<bool, SinkError> {
        for (object, staged) in manifest.objects.iter().zip(staged) {
            self.directory.commit(&object.key, staged)?;
        }
        let key = names::manifest(&manifest.id());
        self.directory.create(&key, &json(manifest, &self.directory.location(&key))?)
    }

    /// Writes one table under a hidden name.
    fn stage(
        &self,
        snapshot: &Snapshot,
        table: Table,
        abandoned: &Abandoned,
    ) -> Result<(ManifestObject, Staged), SinkError> {
        let key = names::object(snapshot.id(), table, self.format.extension());
        let context = format!("cannot write {}", self.directory.location(&key));
        let staged = self.directory.stage(&key)?;
        let (staged, encoded) = encode(snapshot, table, &*self.format, staged, &context, abandoned)?;
        let Encoded { rows, bytes, sha256 } = encoded;
        Ok((ManifestObject { table, key, rows, bytes, sha256 }, staged))
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
        let current = self.directory.read(&key)?.and_then(|bytes| serde_json::from_slice::<LatestPointer>(&bytes).ok());
        if current.is_some_and(|current| !latest.replaces(&current, clock::now())) {
            return Ok(());
        }
        for object in &manifest.objects {
            let latest = names::latest_object(object.table, &manifest.registry, self.format.extension());
            self.directory.link(&object.key, &latest)?;
        }
        self.directory.replace(&key, &json(&latest, &self.directory.location(&key))?)
    }

    fn receipt(&self, manifest: &SnapshotManifest) -> Receipt {
        let objects = manifest.objects.iter().map(|o| WrittenObject {
            table: o.table,
            location: self.directory.location(&o.key),
            rows: o.rows,
            bytes: o.bytes,
        });
        Receipt {
            location: self.directory.location(&names::manifest(&manifest.id())),
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
