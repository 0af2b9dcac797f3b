//! A store as readers need it: names in a directory, objects as files, and whether two keys are one file.

use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use stocktake_sink::durable::STAGING_PREFIX;
use stocktake_sink::{SinkError, SinkErrorKind};
use stocktake_store::Store;
use tokio::runtime::{EnterGuard, Handle};

use crate::Target;

/// So much of an object of a bucket is asked for at once.
const FETCHED_AT_ONCE: u64 = 8 * 1024 * 1024;

/// An opened target.
#[derive(Clone, Debug)]
pub(crate) struct ReadableStore {
    pub(crate) store: Store,
    /// The root of a directory.
    root: Option<PathBuf>,
    /// Requests are made by this runtime, from whatever thread.
    runtime: Handle,
}

impl ReadableStore {
    pub(crate) async fn open(target: &Target) -> Result<Self, SinkError> {
        let root = target.place().as_directory().map(PathBuf::from);
        Ok(Self { store: target.open().await?, root, runtime: Handle::current() })
    }

    /// Makes requests of this thread possible.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(key))
    }

    /// The keys below a directory, sorted, without hidden ones; none if there is no such directory.
    pub(crate) fn keys(&self, directory: &str) -> Result<Vec<String>, SinkError> {
        let found = self.store.list(directory)?.into_iter().map(|object| object.key);
        Ok(found.filter(|key| !key.rsplit('/').next().unwrap_or_default().starts_with(STAGING_PREFIX)).collect())
    }

    /// The object as a file, if there is one. An object of a bucket is first fetched into a file without a name.
    pub(crate) fn open_object(&self, key: &str) -> Result<Option<File>, SinkError> {
        let Some(path) = self.path(key) else { return self.fetch(key) };
        match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some).map_err(|e| SinkError::io(format!("cannot open {}", self.store.location(key)), e)),
        }
    }

    fn fetch(&self, key: &str) -> Result<Option<File>, SinkError> {
        let Some(bytes) = self.store.size(key)? else { return Ok(None) };
        let local = |e| {
            let directory = std::env::temp_dir();
            SinkError::io(format!("cannot keep an object in {} (set by TMPDIR)", directory.display()), e)
        };
        let mut file = tempfile::tempfile().map_err(local)?;
        let mut at = 0;
        while at < bytes {
            let read = self.store.read_range(key, at..bytes.min(at + FETCHED_AT_ONCE))?;
            if read.is_empty() {
                let message = format!("{} became shorter while it was read", self.store.location(key));
                return Err(SinkError::new(SinkErrorKind::Unavailable, message));
            }
            file.write_all(&read).map_err(local)?;
            at += read.len() as u64;
        }
        file.rewind().map_err(local)?;
        Ok(Some(file))
    }

    /// Whether both keys name one file, so that both have the same bytes.
    pub(crate) fn is_same(&self, one: &str, other: &str) -> bool {
        let identity = |key| self.path(key).and_then(|path| fs::metadata(path).ok()).map(|m| (m.dev(), m.ino()));
        matches!((identity(one), identity(other)), (Some(one), Some(other)) if one == other)
    }

    /// Removes an object, durably; one that is gone already is no error. A directory that is empty then is removed too.
    pub(crate) fn remove(&self, key: &str) -> Result<(), SinkError> {
        self.store.remove(key)?;
        let Some(path) = self.path(key) else { return Ok(()) };
        if path.parent().is_none_or(|directory| fs::remove_dir(directory).is_err()) {
            // There is more in it.
            self.store.settle(key)?;
        }
        Ok(())
    }
}
