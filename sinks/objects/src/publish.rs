//! The order of steps that makes a snapshot visible whole: stage all, commit all, manifest, pointer.
//!
//! Steps that touch the target run on a blocking thread. It gives up between batches once nobody waits for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use stocktake_sink::durable::Staged;
use stocktake_sink::{
    Abandoned, Receipt, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, WrittenObject, blocking, clock,
};

use crate::local::{Local, RegistryLock};
use crate::rows::Counted;
use crate::tee::Tee;
use crate::{FormatError, Latest, Manifest, ManifestObject, ObjectFormat, Target, names};

/// How long a publish waits for another one of the same registry, which usually is one being abandoned.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// A sink that publishes each table as one object of one format.
#[derive(Clone, Debug)]
pub struct ObjectSink {
    place: Local,
    format: Arc<dyn ObjectFormat>,
}

impl ObjectSink {
    /// Publishes to `target` in `format`. Each target takes one format.
    pub fn new(target: &Target, format: impl ObjectFormat + 'static) -> Self {
        Self { place: Local::new(target.directory()), format: Arc::new(format) }
    }
}

#[async_trait]
impl Sink for ObjectSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let lock = self.lock(snapshot.id()).await?;
        let (sink, snapshot) = (self.clone(), snapshot.clone());
        blocking(move |abandoned| {
            // Held by the thread, not by the future: whoever comes next waits until an abandoned one has cleaned up.
            let _lock: RegistryLock = lock;
            sink.publish_locked(&snapshot, abandoned)
        })
        .await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let place = self.place.clone();
        blocking(move |_| place.probe()).await
    }
}

impl ObjectSink {
    async fn lock(&self, id: &SnapshotId) -> Result<RegistryLock, SinkError> {
        let attempts = LOCK_PATIENCE.as_millis() / LOCK_INTERVAL.as_millis();
        for _ in 0..attempts {
            let (place, registry) = (self.place.clone(), id.registry.clone());
            if let Some(lock) = blocking(move |_| place.try_lock(&registry)).await? {
                return Ok(lock);
            }
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        let directory = self.place.location(&names::manifests(&id.registry));
        Err(SinkError::new(SinkErrorKind::Unavailable, format!("another process holds the lock on {directory}")))
    }

    fn publish_locked(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<Receipt, SinkError> {
        let id = snapshot.id();
        let left = self.place.sweep(&id.registry);
        let manifest = match self.committed(id)? {
            Some(manifest) => manifest,
            None => self.commit(snapshot, abandoned)?,
        };
        // The snapshot is visible by now. A pointer that cannot be moved is an error all the same: somebody must know, and
        // publishing again moves it.
        self.advance_latest(&manifest)?;
        Ok(Receipt { warnings: left.iter().map(ToString::to_string).collect(), ..self.receipt(&manifest) })
    }

    /// The manifest of a snapshot that is published already, if its objects are still what it says.
    fn committed(&self, id: &SnapshotId) -> Result<Option<Manifest>, SinkError> {
        let key = names::manifest(id);
        let Some(bytes) = self.place.read(&key)? else { return Ok(None) };
        let location = self.place.location(&key);
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|e| SinkError::new(SinkErrorKind::Invalid, format!("understand {location}")).with_source(e))?;
        let invalid = |message: String| Err(SinkError::new(SinkErrorKind::Invalid, message));
        if manifest.format != self.format.extension() {
            let (theirs, ours) = (&manifest.format, self.format.extension());
            return invalid(format!(
                "{location} was written by a sink of format {theirs}, not {ours}; give each sink a target of its own"
            ));
        }
        for object in &manifest.objects {
            if self.place.size(&object.key)? != Some(object.bytes) {
                let (object, bytes) = (self.place.location(&object.key), object.bytes);
                return invalid(format!(
                    "{location} names {object} of {bytes} bytes, which is gone or of another size; \
                     restore it, or remove the manifest to have the run published again"
                ));
            }
        }
        self.place.settle(&key)?;
        Ok(Some(manifest))
    }

    fn commit(&self, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<Manifest, SinkError> {
        // All rows are read and counted before the first object becomes visible.
        let tables = snapshot.tables().map(|table| self.stage(snapshot, table, abandoned));
        let (objects, staged): (Vec<_>, Vec<_>) = tables.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        if abandoned.is_set() {
            return Err(SinkError::new(SinkErrorKind::Unavailable, format!("publish {}: abandoned", snapshot.id())));
        }
        let manifest = Manifest::new(snapshot.record(), self.format.extension(), objects);
        match self.reveal(&manifest, staged) {
            Ok(true) => Ok(manifest),
            Ok(false) => self.committed(snapshot.id())?.ok_or_else(|| {
                let location = self.place.location(&names::manifest(snapshot.id()));
                SinkError::new(SinkErrorKind::Unavailable, format!("{location} came and went"))
            }),
            Err(e) => {
                // An error may come after the manifest became visible: then its objects must stay.
                if matches!(self.place.size(&names::manifest(snapshot.id())), Ok(None)) {
                    manifest.objects.iter().for_each(|o| self.place.discard(&o.key));
                }
                Err(e)
            }
        }
    }

    /// Commits the objects, then creates the manifest; false if another process was faster.
    fn reveal(&self, manifest: &Manifest, staged: Vec<Staged>) -> Result<bool, SinkError> {
        for (object, staged) in manifest.objects.iter().zip(staged) {
            self.place.commit(&object.key, staged)?;
        }
        let key = names::manifest(&manifest.id());
        self.place.create(&key, &json(manifest, &self.place.location(&key))?)
    }

    /// Writes one table under a hidden name.
    fn stage(
        &self,
        snapshot: &Snapshot,
        table: Table,
        abandoned: &Abandoned,
    ) -> Result<(ManifestObject, Staged), SinkError> {
        let key = names::object(snapshot.id(), table, self.format.extension());
        let context = format!("write {}", self.place.location(&key));
        let mut rows = Counted::new(snapshot, table, abandoned);
        let mut tee = Tee::new(self.place.stage(&key)?);
        let written = self.format.write(snapshot.id(), table, Box::new(&mut rows), &mut tee);
        let (target, rows_failed) = (tee.take_failure(), rows.failed());
        // A format may swallow an error; what the two ends of it saw decides.
        let error = match (written, rows.exact()) {
            (Ok(()), Some(rows)) if target.is_none() => {
                let (staged, bytes, sha256) = tee.finish();
                return Ok((ManifestObject { table, key, rows, bytes, sha256 }, staged));
            }
            (Ok(()), _) => FormatError::from("the format ended early"),
            (Err(e), _) => e,
        };
        Err(blame(context, error, target, rows_failed))
    }

    /// Moves the registry's pointer to this run, unless it names a newer one.
    fn advance_latest(&self, manifest: &Manifest) -> Result<(), SinkError> {
        if !manifest.verdict.is_publishable() {
            return Ok(());
        }
        let key = names::latest(&manifest.registry);
        let latest = Latest::of(manifest);
        // A pointer that cannot be understood is replaced: it is advisory, and the manifests are the truth.
        let standing = self.place.read(&key)?.and_then(|bytes| serde_json::from_slice::<Latest>(&bytes).ok());
        if standing.is_some_and(|standing| !latest.replaces(&standing, clock::now())) {
            return Ok(());
        }
        self.place.replace(&key, &json(&latest, &self.place.location(&key))?)
    }

    fn receipt(&self, manifest: &Manifest) -> Receipt {
        let objects = manifest.objects.iter().map(|o| WrittenObject {
            table: o.table,
            location: self.place.location(&o.key),
            rows: o.rows,
            bytes: o.bytes,
        });
        Receipt {
            location: self.place.location(&names::manifest(&manifest.id())),
            objects: objects.collect(),
            warnings: Vec::new(),
        }
    }
}

/// Whose fault an object is that could not be written: the target's if it refused bytes, else the rows'.
fn blame(context: String, error: FormatError, target: Option<io::Error>, rows_failed: bool) -> SinkError {
    match target {
        Some(refusal) if !rows_failed => SinkError::io(context, refusal),
        _ => SinkError::new(SinkErrorKind::Snapshot, context).with_source(error),
    }
}

fn json(value: &impl Serialize, location: &str) -> Result<Vec<u8>, SinkError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| SinkError::new(SinkErrorKind::Invalid, format!("encode {location}")).with_source(e))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests;
