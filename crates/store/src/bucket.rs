//! Objects below a prefix of a bucket. One request each, with few retries: the program retries a whole publish.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use stocktake_sink::{SinkError, SinkErrorKind};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::StoredObject;
use crate::problem::{self, Peer, sink_error};
use crate::upload::Upload;

/// How long one small request may take, its retries included. Three attempts of the program stay below a minute.
const ANSWER_PATIENCE: Duration = Duration::from_secs(12);

/// Longest object that is read as a whole.
const LONGEST_WHOLE: u64 = 64 * 1024 * 1024;

/// A prefix of a bucket.
#[derive(Clone)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    prefix: String,
    /// The URL of the prefix, for people.
    url: String,
    peer: Peer,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Bucket {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, prefix: &str, url: String, peer: Peer) -> Self {
        Self { objects, prefix: prefix.to_owned(), url, peer }
    }

    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    pub(crate) fn path(&self, key: &str) -> Path {
        let whole = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        // Prefixes and keys have only characters that need no escape, and no empty segment.
        Path::from(whole.trim_matches('/'))
    }

    pub(crate) fn location(&self, key: &str) -> String {
        if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) }
    }

    pub(crate) fn explain(&self, doing: &str, key: &str, error: &object_store::Error) -> SinkError {
        problem::explain(format!("{doing} {}", self.location(key)), error, &self.peer)
    }

    /// Waits for the answer to a small request.
    fn answer<T>(
        &self,
        doing: &str,
        key: &str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<object_store::Result<T>, SinkError> {
        Handle::current().block_on(async { timeout(ANSWER_PATIENCE, request).await }).map_err(|_| {
            let (kind, cause, remedy) = problem::silent(&self.peer.endpoint);
            sink_error(kind, format!("{doing} {}", self.location(key)), cause, remedy)
        })
    }

    pub(crate) fn stage(&self, key: &str) -> Upload {
        Upload::new(self.clone(), key)
    }

    pub(crate) fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, SinkError> {
        let (path, payload) = (self.path(key), Bytes::copy_from_slice(bytes).into());
        let options = PutOptions::from(PutMode::Create);
        match self.answer("cannot create", key, self.objects.put_opts(&path, payload, options))? {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(self.explain("cannot create", key, &error)),
        }
    }

    pub(crate) fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), SinkError> {
        let (path, payload) = (self.path(key), Bytes::copy_from_slice(bytes).into());
        let put = self.answer("cannot write", key, self.objects.put(&path, payload))?;
        put.map(drop).map_err(|error| self.explain("cannot write", key, &error))
    }

    pub(crate) fn copy(&self, from: &str, key: &str) -> Result<(), SinkError> {
        let (from, to) = (self.path(from), self.path(key));
        let copied = Handle::current().block_on(self.objects.copy(&from, &to));
        copied.map_err(|error| self.explain("cannot copy to", key, &error))
    }

    pub(crate) fn read(&self, key: &str) -> Result<Option<Vec<u8>>, SinkError> {
        let path = self.path(key);
        let request = async {
            let found = self.objects.get(&path).await?;
            let size = found.meta.size;
            if size > LONGEST_WHOLE { Ok(Err(size)) } else { found.bytes().await.map(Ok) }
        };
        match self.answer("cannot read", key, request)? {
            Ok(Ok(bytes)) => Ok(Some(bytes.into())),
            Ok(Err(size)) => {
                let message =
                    format!("cannot read {}: it has {size} bytes, which is too long here", self.location(key));
                Err(SinkError::new(SinkErrorKind::Invalid, message))
            }
            Err(error @ object_store::Error::NotFound { .. }) if !problem::is_without_bucket(&error) => Ok(None),
            Err(error) => Err(self.explain("cannot read", key, &error)),
        }
    }

    pub(crate) fn read_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, SinkError> {
        let path = self.path(key);
        let read = Handle::current().block_on(self.objects.get_range(&path, range));
        read.map(Into::into).map_err(|error| self.explain("cannot read", key, &error))
    }

    pub(crate) fn size(&self, key: &str) -> Result<Option<u64>, SinkError> {
        let path = self.path(key);
        match self.answer("cannot read the size of", key, self.objects.head(&path))? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.explain("cannot read the size of", key, &error)),
        }
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, SinkError> {
        let path = self.path(prefix);
        let listed: object_store::Result<Vec<ObjectMeta>> =
            Handle::current().block_on(self.objects.list(Some(&path)).try_collect());
        let listed = listed.map_err(|error| self.explain("cannot list", prefix, &error))?;
        let mut objects: Vec<_> = listed.into_iter().filter_map(|meta| self.stored(meta)).collect();
        objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(objects)
    }

    fn stored(&self, meta: ObjectMeta) -> Option<StoredObject> {
        let whole = meta.location.as_ref();
        let key = if self.prefix.is_empty() { whole } else { whole.strip_prefix(&self.prefix)?.strip_prefix('/')? };
        Some(StoredObject { key: key.to_owned(), bytes: meta.size, modified: meta.last_modified })
    }

    pub(crate) fn remove(&self, key: &str) -> Result<(), SinkError> {
        let path = self.path(key);
        match self.answer("cannot remove", key, self.objects.delete(&path))? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.explain("cannot remove", key, &error)),
        }
    }

    /// Creates an object twice. The second time must be refused.
    pub(crate) fn probe(&self, below: &str) -> Result<(), SinkError> {
        // Two probes at once must not meet.
        let key = format!("{below}/_probe/{:016x}", fastrand::u64(..));
        // First of all, so that a bucket that does not exist is told by its answer and not by that of a write.
        self.answer("cannot list", "", async {
            self.objects.list(Some(&self.path(&format!("{below}/_probe")))).try_next().await
        })?
        .map_err(|error| self.explain("cannot list", "", &error))?;
        let first = self.create(&key, b"stocktake")?;
        let second = self.create(&key, b"stocktake");
        let removed = self.remove(&key);
        if first && second? {
            return Err(sink_error(
                SinkErrorKind::Invalid,
                format!("{} cannot be used", self.location("")),
                format!(
                    "the server at {} ignores conditional puts (If-None-Match), so that two writers could publish one run \
                     twice",
                    self.peer.endpoint
                ),
                "use a storage that honours them, such as Amazon S3, MinIO, Ceph from Reef on, Google Cloud Storage or \
                 Azure Blob Storage",
            ));
        }
        removed
    }
}
