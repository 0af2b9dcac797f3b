//! Reading back what a target holds: manifests, rows of objects, and whether the objects are as their manifests say.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use stocktake_sink::{
    Damage, PublishedFiles, PublishedObject, PublishedOpening, PublishedRows, PublishedRun, PublishedRuns,
    RegistryName, SinkError, SinkErrorKind, SnapshotId,
};

use crate::publish::LOCK_ATTEMPTS;
use crate::readable::ReadableStore;
use crate::{FormatError, LatestPointer, ManifestObject, ReadableFormat, SnapshotManifest, Target, names, remove};

/// So much of an object is in memory while it is hashed.
const HASHED_AT_ONCE: usize = 1024 * 1024;

/// What was published to one target in one format.
#[derive(Clone, Debug)]
pub struct PublishedObjects {
    files: ReadableStore,
    format: Arc<dyn ReadableFormat>,
}

impl PublishedObjects {
    /// Opens a target to which a sink of this format has written. Called in a runtime.
    ///
    /// # Errors
    /// As of [`Target::open`].
    pub async fn open(target: &Target, format: impl ReadableFormat + 'static) -> Result<Self, SinkError> {
        Ok(Self { files: ReadableStore::open(target).await?, format: Arc::new(format) })
    }

    /// The same, for a [`ConfiguredSink`](stocktake_sink::ConfiguredSink).
    pub fn opening(target: &Target, format: impl ReadableFormat + 'static) -> PublishedOpening {
        let target = target.clone();
        Box::pin(async move { Ok(Arc::new(Self::open(&target, format).await?) as Arc<dyn PublishedFiles>) })
    }

    /// The run of a manifest; damage if the manifest cannot be read, or is not of this registry.
    fn run(&self, registry: &RegistryName, key: &str) -> Result<Option<Result<PublishedRun, Damage>>, SinkError> {
        // It is gone if it was removed since the directory was read.
        let Some(bytes) = self.files.store.read(key)? else { return Ok(None) };
        let damage = |what: String| Ok(Some(Err(Damage::new(self.files.store.location(key), what))));
        let manifest: SnapshotManifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(e) => return damage(format!("it is no manifest: {e}")),
        };
        if manifest.registry != *registry || names::manifest(&manifest.id()) != key {
            return damage(format!("it is the manifest of {}", manifest.id()));
        }
        if let Some(object) = manifest.objects.iter().find(|o| !names::is_object(&o.key, o.table, registry)) {
            return damage(format!("it names {:?}, which is no object of table {}", object.key, object.table));
        }
        Ok(Some(Ok(self.described(manifest, key))))
    }

    fn described(&self, manifest: SnapshotManifest, key: &str) -> PublishedRun {
        let id = manifest.id();
        let object = |ManifestObject { table, key, rows, bytes, sha256 }| {
            let location = self.files.store.location(&key);
            PublishedObject { table, key, location, rows, bytes, sha256 }
        };
        PublishedRun {
            id,
            verdict: manifest.verdict,
            finished_at: manifest.finished_at,
            exporter_version: manifest.exporter_version,
            schema_version: manifest.schema_version,
            format: manifest.format,
            location: self.files.store.location(key),
            objects: manifest.objects.into_iter().map(object).collect(),
        }
    }

    /// The run that the pointer names. A pointer that cannot be read names none: it is advisory.
    fn latest(&self, registry: &RegistryName) -> Result<Option<SnapshotId>, SinkError> {
        let Some(bytes) = self.files.store.read(&names::latest(registry))? else { return Ok(None) };
        let pointer: Option<LatestPointer> = serde_json::from_slice(&bytes).ok();
        Ok(pointer.map(|pointer| SnapshotId {
            registry: registry.clone(),
            scheduled_at: pointer.scheduled_at,
            generation: pointer.generation,
        }))
    }

    /// In what the object under `key` differs from `object`.
    fn difference(&self, key: &str, object: &PublishedObject, opened: Option<&mut File>) -> io::Result<Option<String>> {
        let Some(file) = opened else { return Ok(Some("it is gone".to_owned())) };
        let bytes = file.metadata()?.len();
        if bytes != object.bytes {
            return Ok(Some(format!("it has {bytes} bytes, and {} were written", object.bytes)));
        }
        // Another name of a file that is examined under its own name.
        if key != object.key && self.files.is_same(key, &object.key) {
            return Ok(None);
        }
        let sha256 = sha256_of(file)?;
        file.rewind()?;
        Ok((sha256 != object.sha256).then(|| format!("its SHA-256 is {sha256}, and {} was written", object.sha256)))
    }

    fn unreadable(&self, key: &str) -> impl Fn(io::Error) -> SinkError {
        let context = format!("cannot read {}", self.files.store.location(key));
        move |e| SinkError::io(context.clone(), e)
    }
}

fn sha256_of(file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(read) => hash.update(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

impl PublishedFiles for PublishedObjects {
    fn location(&self) -> String {
        self.files.store.location("")
    }

    fn registries(&self) -> Result<Vec<RegistryName>, SinkError> {
        let _requests = self.files.enter();
        let directory = names::all_manifests();
        let name =
            |key: &String| key.strip_prefix(&directory)?.strip_prefix("/registry=")?.split('/').next()?.parse().ok();
        let mut names: Vec<RegistryName> = self.files.keys(&directory)?.iter().filter_map(name).collect();
        // By their bytes: in keys, `quay-2/` comes before `quay/`.
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn runs(&self, registry: &RegistryName) -> Result<PublishedRuns, SinkError> {
        let _requests = self.files.enter();
        // The pointer first: a run that is published meanwhile is then newer than the pointer, and not the other way round.
        let mut found = PublishedRuns { latest: self.latest(registry)?, ..PublishedRuns::default() };
        for key in self
            .files
            .keys(&names::manifests(registry))?
            .iter()
            .filter(|key| Path::new(key).extension().is_some_and(|e| e == "json"))
        {
            match self.run(registry, key)? {
                Some(Ok(run)) => found.runs.push(run),
                Some(Err(damage)) => found.unreadable.push(damage),
                None => {}
            }
        }
        found.runs.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    fn rows(&self, object: &PublishedObject, columns: &[&str]) -> Result<PublishedRows, SinkError> {
        let _requests = self.files.enter();
        let context = format!("cannot read {}", object.location);
        let file = self.files.open_object(&object.key)?.ok_or_else(|| {
            SinkError::new(SinkErrorKind::Invalid, format!("{} is gone; its manifest names it", object.location))
        })?;
        let failed = move |e: FormatError| SinkError::new(SinkErrorKind::Invalid, context.clone()).with_source(e);
        let rows = self.format.read(object.table, columns, file).map_err(&failed)?;
        Ok(Box::new(rows.map(move |batch| batch.map_err(&failed))))
    }

    fn damage(&self, id: &SnapshotId, object: &PublishedObject) -> Result<Option<Damage>, SinkError> {
        let _requests = self.files.enter();
        let mut file = self.files.open_object(&object.key)?;
        let different = self.difference(&object.key, object, file.as_mut()).map_err(self.unreadable(&object.key))?;
        let (None, Some(file)) = (&different, file) else {
            return Ok(different.map(|what| Damage::new(&object.location, what)));
        };
        // The bytes are those that were written. What the format says is asked all the same, because a manifest can be wrong.
        let what = match self.format.count(id, object.table, file) {
            Ok(rows) if rows == object.rows => return Ok(None),
            Ok(rows) => format!("it has {rows} rows, and its manifest says {}", object.rows),
            Err(e) => format!("it is no whole {} of {id}: {e}", self.format.extension()),
        };
        Ok(Some(Damage::new(&object.location, what)))
    }

    fn damage_of_latest(
        &self,
        registry: &RegistryName,
        any_of: &[&PublishedObject],
    ) -> Result<Option<Damage>, SinkError> {
        let _requests = self.files.enter();
        let mut last = None;
        for object in any_of {
            let key = names::latest_object(object.table, registry, self.format.extension());
            let mut file = self.files.open_object(&key)?;
            let different = self.difference(&key, object, file.as_mut()).map_err(self.unreadable(&key))?;
            let Some(what) = different else { return Ok(None) };
            last = Some(Damage::new(self.files.store.location(&key), format!("{what} for {}", object.location)));
        }
        Ok(last)
    }

    fn remove(&self, registry: &RegistryName, runs: &[SnapshotId]) -> Result<Vec<SnapshotId>, SinkError> {
        let _requests = self.files.enter();
        remove::runs(self, &self.files, registry, runs, LOCK_ATTEMPTS)
    }
}

#[cfg(test)]
mod tests;
