//! Writes an object into a bucket while its end is not known yet: in parts, several of which are on their way while the
//! next one is filled. An object that fits into one part is one request.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use stocktake_sink::SinkError;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::bucket::BucketObjects;

/// Size of a part. Providers want at least 5 MiB, and at most 10,000 parts: 80 GiB.
pub(crate) const PART: usize = 8 * 1024 * 1024;

/// Parts on their way at once, so that the line is busy while rows are encoded. With the one that is filled, 32 MiB.
const IN_FLIGHT: usize = 3;

/// How long a dropped upload waits for the bucket to forget its parts.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// An object on its way. Dropped before it is committed, its parts are given up.
#[derive(Debug)]
pub(crate) struct Upload {
    bucket: BucketObjects,
    key: String,
    part: Vec<u8>,
    parts: Option<Parts>,
    failure: Option<SinkError>,
}

#[derive(Debug)]
struct Parts {
    upload: Box<dyn MultipartUpload>,
    on_their_way: JoinSet<object_store::Result<()>>,
}

impl Upload {
    pub(crate) fn new(bucket: BucketObjects, key: &str) -> Self {
        Self { bucket, key: key.to_owned(), part: Vec::new(), parts: None, failure: None }
    }

    /// Sends what was written as a part.
    fn send(&mut self) -> Result<(), SinkError> {
        let part = Bytes::from(mem::take(&mut self.part));
        let (handle, path) = (Handle::current(), self.bucket.path(&self.key));
        let sent = handle.block_on(async {
            if self.parts.is_none() {
                let upload = self.bucket.objects().put_multipart(&path).await?;
                self.parts = Some(Parts { upload, on_their_way: JoinSet::new() });
            }
            let Some(parts) = &mut self.parts else { return Ok(()) };
            parts.wait(IN_FLIGHT - 1).await?;
            parts.on_their_way.spawn(parts.upload.put_part(part.into()));
            Ok(())
        });
        sent.map_err(|error| self.bucket.explain("cannot write", &self.key, &error))
    }

    pub(crate) fn end(&mut self) -> Result<(), SinkError> {
        if self.parts.is_none() {
            return Ok(());
        }
        if !self.part.is_empty() {
            self.send()?;
        }
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let waited = Handle::current().block_on(parts.wait(0));
        waited.map_err(|error| self.bucket.explain("cannot write", &self.key, &error))
    }

    pub(crate) fn commit(mut self) -> Result<(), SinkError> {
        self.end()?;
        let path = self.bucket.path(&self.key);
        let committed = if let Some(parts) = &mut self.parts {
            Handle::current().block_on(parts.upload.complete())
        } else {
            let bytes = Bytes::from(mem::take(&mut self.part));
            let options = PutOptions::from(PutMode::Overwrite);
            Handle::current().block_on(self.bucket.objects().put_opts(&path, bytes.into(), options))
        };
        committed.map_err(|error| self.bucket.explain("cannot commit", &self.key, &error))?;
        self.parts = None;
        Ok(())
    }

    pub(crate) fn take_failure(&mut self) -> Option<SinkError> {
        self.failure.take()
    }
}

impl Parts {
    /// Waits until at most so many parts are on their way.
    async fn wait(&mut self, most: usize) -> object_store::Result<()> {
        while self.on_their_way.len() > most {
            if let Some(sent) = self.on_their_way.join_next().await {
                sent??;
            }
        }
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.capacity() == 0 {
            // Small objects stay small; after the first part, the rest is probably large too.
            self.part.reserve(if self.parts.is_some() { PART } else { bytes.len().min(PART) });
        }
        // A full part waits for the next byte: the last part, and an object of one part, may be full.
        if self.part.len() == PART
            && let Err(error) = self.send()
        {
            self.failure = Some(error);
            return Err(io::Error::other("the bucket refused a part"));
        }
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        // On a thread of the runtime: a drop must not panic, wherever it happens.
        let Ok(handle) = Handle::try_current() else { return };
        let (done, wait) = mpsc::channel::<()>();
        handle.spawn(async move {
            parts.on_their_way.shutdown().await;
            let _ = tokio::time::timeout(ABORT_PATIENCE, parts.upload.abort()).await;
            drop(done);
        });
        let _ = wait.recv_timeout(ABORT_PATIENCE);
    }
}
