//! Objects below a prefix of a bucket. One request each, with few retries: the program retries a whole publish.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use stocktake_sink::{SinkError, SinkErrorKind};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::kept::StoredObject;
use crate::problem::{self, Peer, sink_error};

/// How long one small request may take, its retries included.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Longer than any probe takes.
const LONGEST_PROBE: TimeDelta = TimeDelta::minutes(10);

/// Longest object that is read as a whole.
const LONGEST_WHOLE: u64 = 64 * 1024 * 1024;

/// A prefix of a bucket.
#[derive(Clone)]
pub(crate) struct BucketObjects {
    objects: Arc<dyn ObjectStore>,
    prefix: String,
    /// The URL of the prefix, for people.
    url: String,
    peer: Peer,
}

impl fmt::Debug for BucketObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketObjects").field("url", &self.url).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl BucketObjects {
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
        let mut objects: Vec<_> = listed.iter().filter_map(|meta| self.stored(meta)).collect();
        objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(objects)
    }

    fn stored(&self, meta: &ObjectMeta) -> Option<StoredObject> {
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
        let directory = format!("{below}/_probe");
        // Two probes at once must not meet.
        let key = format!("{directory}/{:016x}", fastrand::u64(..));
        let first = self.create(&key, b"stocktake")?;
        // A login that may write and not list is found out here, and not at the end of a delivery.
        let listed = self.list(&directory);
        let second = self.create(&key, b"stocktake");
        let removed = self.remove(&key);
        for stale in stale(&listed?, &key) {
            self.remove(stale)?;
        }
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

/// What probes left that were killed: older than our own by more than any probe takes, by the clock of the server.
fn stale<'o>(listed: &'o [StoredObject], ours: &str) -> Vec<&'o str> {
    let now = listed.iter().find(|object| object.key == ours).map(|object| object.modified);
    let is_stale = |object: &&StoredObject| now.is_some_and(|now| now - object.modified > LONGEST_PROBE);
    listed.iter().filter(is_stale).map(|object| object.key.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_leftovers_of_probes_are_removed() {
        let at = |seconds: i64| chrono::DateTime::from_timestamp(1_795_402_800 + seconds, 0).unwrap();
        let object = |key: &str, seconds| StoredObject { key: key.to_owned(), bytes: 9, modified: at(seconds) };
        let listed = [object("old", 0), object("ours", 601), object("running", 590), object("other", 700)];
        assert_eq!(stale(&listed, "ours"), ["old"]);
        assert_eq!(stale(&listed, "not listed"), [""; 0]);
    }

    #[test]
    fn a_silent_server_is_given_up_within_a_minute() {
        // The program tries three times, with pauses of at most 1 s and 4 s: a part of an object, and then two questions.
        let pauses = Duration::from_secs(5);
        assert!(crate::open::REQUEST_PATIENCE + 2 * ANSWER_PATIENCE + pauses < Duration::from_secs(55));
        assert!(crate::open::REQUEST_PATIENCE > crate::open::RETRY_TIME, "a silent server is not asked again at once");
    }
}
