//! An object while it is written. Readers do not see it before it is committed.

use std::io::{self, Write};

use stocktake_sink::SinkError;
use stocktake_sink::durable::Staged;

#[cfg(feature = "bucket")]
use crate::upload::Upload;

/// An object that is written from its beginning to its end. If it is dropped before [`StagedObject::commit`], nothing of it
/// is left.
#[derive(Debug)]
pub struct StagedObject {
    target: Begun,
    location: String,
}

#[derive(Debug)]
enum Begun {
    File(Staged),
    #[cfg(feature = "bucket")]
    Upload(Box<Upload>),
}

impl StagedObject {
    pub(crate) fn file(staged: Staged, location: String) -> Self {
        Self { target: Begun::File(staged), location }
    }

    #[cfg(feature = "bucket")]
    pub(crate) fn upload(upload: Upload, location: String) -> Self {
        Self { target: Begun::Upload(Box::new(upload)), location }
    }

    /// Tells that all is written. What is still in memory goes to the bucket now, so that several objects that wait for
    /// their commits need little memory.
    ///
    /// # Errors
    /// If the bucket refuses a part.
    pub fn end(&mut self) -> Result<(), SinkError> {
        match &mut self.target {
            Begun::File(_) => Ok(()),
            #[cfg(feature = "bucket")]
            Begun::Upload(upload) => upload.end(),
        }
    }

    /// Makes the object visible under its key and durable. An existing object is replaced.
    ///
    /// # Errors
    /// If a step fails. Then nothing has become visible, except that the answer of a bucket may have been lost.
    pub fn commit(self) -> Result<(), SinkError> {
        match self.target {
            Begun::File(staged) => {
                staged.commit().map_err(|e| SinkError::io(format!("cannot commit {}", self.location), e))
            }
            #[cfg(feature = "bucket")]
            Begun::Upload(upload) => upload.commit(),
        }
    }

    /// Why the store refused bytes, if it is known better than by the error that [`Write::write`] returned.
    pub fn take_failure(&mut self) -> Option<SinkError> {
        match &mut self.target {
            Begun::File(_) => None,
            #[cfg(feature = "bucket")]
            Begun::Upload(upload) => upload.take_failure(),
        }
    }
}

impl Write for StagedObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Begun::File(staged) => staged.write(bytes),
            #[cfg(feature = "bucket")]
            Begun::Upload(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Begun::File(staged) => staged.flush(),
            #[cfg(feature = "bucket")]
            Begun::Upload(_) => Ok(()),
        }
    }
}
