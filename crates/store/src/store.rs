//! The store: one interface, whatever is below it.

use std::ops::Range;
use std::path::Path;

use stocktake_sink::durable::Left;
use stocktake_sink::{SecretText, SinkError};

use crate::directory::DirectoryObjects;
use crate::kept::{Lock, StoredObject};
use crate::{BucketSettings, Place, StagedObject};

#[cfg(feature = "bucket")]
use crate::{bucket::BucketObjects, upload::Upload};

/// Objects below one root. Clones share connections.
#[derive(Clone, Debug)]
pub struct Store(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Directory(DirectoryObjects),
    #[cfg(feature = "bucket")]
    Bucket(BucketObjects),
}

/// Calls the same function of whatever is below.
macro_rules! below {
    ($store:expr, $below:ident => $call:expr) => {
        match &$store.0 {
            Backend::Directory($below) => $call,
            #[cfg(feature = "bucket")]
            Backend::Bucket($below) => $call,
        }
    };
}

impl Store {
    /// A store in a local directory. Touches nothing yet.
    pub fn directory(root: &Path) -> Self {
        Self(Backend::Directory(DirectoryObjects::new(root)))
    }

    /// Opens a place. `settings` and `login`, the text of a secret file, are for buckets; without a login, the usual
    /// environment, a web identity or the metadata of the machine is asked. Sends nothing yet.
    ///
    /// # Errors
    /// If the settings or the login cannot be used, or if this build is without such buckets.
    pub fn open(
        place: &Place,
        settings: Option<&BucketSettings>,
        login: Option<&SecretText>,
    ) -> Result<Self, SinkError> {
        match place {
            Place::Directory(path) => Ok(Self::directory(path)),
            #[cfg(feature = "bucket")]
            Place::Bucket { .. } => crate::open::bucket(place, settings, login).map(|b| Self(Backend::Bucket(b))),
            #[cfg(not(feature = "bucket"))]
            Place::Bucket { kind, .. } => {
                let _ = (settings, login);
                Err(place.left_out(*kind))
            }
        }
    }

    /// Whether it is a bucket: it has no locks, and several writers may complete an object of one key.
    pub fn is_bucket(&self) -> bool {
        !matches!(self.0, Backend::Directory(_))
    }

    /// The full path or URL of an object, for people.
    pub fn location(&self, key: &str) -> String {
        below!(self, below => below.location(key))
    }

    /// Begins an object.
    ///
    /// # Errors
    /// If it cannot be begun.
    pub fn stage(&self, key: &str) -> Result<StagedObject, SinkError> {
        let location = self.location(key);
        match &self.0 {
            Backend::Directory(directory) => Ok(StagedObject::file(directory.stage(key)?, location)),
            #[cfg(feature = "bucket")]
            Backend::Bucket(bucket) => Ok(StagedObject::upload(Upload::new(bucket.clone(), key), location)),
        }
    }

    /// Creates a small object that must not exist; false if it does.
    ///
    /// # Errors
    /// If that is not certain. The answer of a bucket may have been lost, so the object may exist now or appear later.
    pub fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, SinkError> {
        below!(self, below => below.create(key, bytes))
    }

    /// Creates or replaces a small object.
    ///
    /// # Errors
    /// If that failed.
    pub fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), SinkError> {
        below!(self, below => below.replace(key, bytes))
    }

    /// Makes `key` a copy of the object `from`, instead of what it was before: a hard link in a directory, a copy on the
    /// server in a bucket.
    ///
    /// # Errors
    /// If that failed. Then `key` is as before.
    pub fn copy(&self, from: &str, key: &str) -> Result<(), SinkError> {
        match &self.0 {
            Backend::Directory(directory) => directory.link(from, key),
            #[cfg(feature = "bucket")]
            Backend::Bucket(bucket) => bucket.copy(from, key),
        }
    }

    /// The bytes of a small object, if there is one.
    ///
    /// # Errors
    /// If it cannot be read; in a bucket, also if it has more than 64 MiB, or if there is no such bucket.
    pub fn read(&self, key: &str) -> Result<Option<Vec<u8>>, SinkError> {
        below!(self, below => below.read(key))
    }

    /// Bytes of an object; fewer where it ends before.
    ///
    /// # Errors
    /// If it cannot be read or does not exist.
    pub fn read_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, SinkError> {
        below!(self, below => below.read_range(key, range))
    }

    /// The size of an object, if there is one. A bucket that does not exist looks like an object that does not.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn size(&self, key: &str) -> Result<Option<u64>, SinkError> {
        below!(self, below => below.size(key))
    }

    /// All objects below `prefix`, which is a whole segment or several, in the order of their keys. A directory that does
    /// not exist has none.
    ///
    /// # Errors
    /// If they cannot be listed, or if there is no such bucket.
    pub fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, SinkError> {
        below!(self, below => below.list(prefix))
    }

    /// Removes an object; also succeeds if there is none.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, key: &str) -> Result<(), SinkError> {
        below!(self, below => below.remove(key))
    }

    /// Makes an entry durable that a killed process may have left undurable.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn settle(&self, key: &str) -> Result<(), SinkError> {
        match &self.0 {
            Backend::Directory(directory) => directory.settle(key),
            #[cfg(feature = "bucket")]
            Backend::Bucket(_) => Ok(()),
        }
    }

    /// Takes the lock on the directory `key`, which is created. `None`: another process or task has it. A bucket has no
    /// locks, so no other process is kept out.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub fn try_lock(&self, key: &str) -> Result<Option<Lock>, SinkError> {
        match &self.0 {
            Backend::Directory(directory) => directory.try_lock(key),
            #[cfg(feature = "bucket")]
            Backend::Bucket(_) => Ok(Some(Lock::none())),
        }
    }

    /// Removes what killed writers left in the directory `key`, not in those below it. Only with its lock, because the files
    /// of running writers look the same. Returns what cannot be removed. A bucket shows nothing of unfinished uploads.
    pub fn sweep(&self, key: &str) -> Vec<Left> {
        self.local(|directory| directory.sweep(key))
    }

    /// The same for each directory that is directly in `key`.
    pub fn sweep_children(&self, key: &str) -> Vec<Left> {
        self.local(|directory| directory.sweep_children(key))
    }

    /// The same for one object, whose directory others write to.
    pub fn sweep_object(&self, key: &str) -> Vec<Left> {
        self.local(|directory| directory.sweep_object(key))
    }

    /// The same for what [`Store::probe`] left.
    pub fn sweep_probe(&self, below: &str) -> Vec<Left> {
        self.local(|directory| directory.sweep_probe(below))
    }

    fn local(&self, sweep: impl FnOnce(&DirectoryObjects) -> Vec<Left>) -> Vec<Left> {
        match &self.0 {
            Backend::Directory(directory) => sweep(directory),
            #[cfg(feature = "bucket")]
            Backend::Bucket(_) => Vec::new(),
        }
    }

    /// Whether objects can be written below `below`. In a bucket, also whether an object that exists is not overwritten by
    /// a conditional put. Leaves nothing.
    ///
    /// # Errors
    /// If not, with the cause and the remedy.
    pub fn probe(&self, below: &str) -> Result<(), SinkError> {
        below!(self, below_it => below_it.probe(below))
    }
}
