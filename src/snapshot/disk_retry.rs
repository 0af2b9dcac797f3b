//! Retries operations on files while the disk is full or the process has no free descriptor, so that no row is lost. An
//! operation that failed for lack of space has done nothing, so it may be retried. A failed fsync may not, and is not.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::error::ArrowError;
use rustix::io::Errno;
use tracing::warn;

/// Pauses between tries: six seconds in all, so that a walk that is told to stop meanwhile stops in time.
const PAUSES: [Duration; 6] = {
    let ms = Duration::from_millis;
    [ms(100), ms(200), ms(400), ms(800), ms(1600), ms(3000)]
};

/// Retries for the files of one spool. After it has given up once, it does not retry any more.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskRetry {
    spent: Arc<AtomicBool>,
}

/// An error that may come from a full disk.
pub(super) trait DiskError {
    fn io(&self) -> Option<&io::Error>;
}

impl DiskError for io::Error {
    fn io(&self) -> Option<&io::Error> {
        Some(self)
    }
}

impl DiskError for ArrowError {
    fn io(&self) -> Option<&io::Error> {
        match self {
            Self::IoError(_, source) => Some(source),
            _ => None,
        }
    }
}

impl DiskRetry {
    /// Does work on the file or directory `at`, and retries it while the disk is full. Sleeps on the calling thread.
    pub(super) fn during<T, E: DiskError>(&self, at: &Path, mut work: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        for (nth, pause) in PAUSES.into_iter().enumerate() {
            let refused = match work() {
                Err(e) if e.io().is_some_and(is_want_of_room) => e,
                done => return done,
            };
            if self.spent.load(Ordering::Relaxed) {
                return Err(refused);
            }
            if let (0, Some(why)) = (nth, refused.io()) {
                warn!("{}: {why}; retrying for six seconds; no row is lost meanwhile", at.display());
            }
            #[expect(clippy::disallowed_methods, reason = "on a thread that waits for the disk anyway")]
            std::thread::sleep(pause);
        }
        let last = work();
        if last.is_err() {
            self.end();
        }
        last
    }

    /// Does not retry any more.
    pub(super) fn end(&self) {
        self.spent.store(true, Ordering::Relaxed);
    }
}

/// No space, over a quota, or no free descriptor.
fn is_want_of_room(error: &io::Error) -> bool {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE].into_iter().any(is)
}

/// A file whose writes are retried.
#[derive(Debug)]
pub(super) struct RetryingFile {
    file: File,
    disk_retry: DiskRetry,
    path: Box<Path>,
}

impl RetryingFile {
    /// A new file. There must be none, so that a link is not followed.
    pub(super) fn create(path: &Path, disk_retry: &DiskRetry) -> io::Result<Self> {
        let file = disk_retry.during(path, || File::create_new(path))?;
        Ok(Self { file, disk_retry: disk_retry.clone(), path: path.into() })
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

impl Write for RetryingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { file, disk_retry, path } = self;
        disk_retry.during(path, || file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn want_of_room_is_waited_for_and_no_other_error() {
        for (errno, tries) in
            [(Errno::NOSPC, 3), (Errno::DQUOT, 3), (Errno::MFILE, 3), (Errno::NFILE, 3), (Errno::IO, 1)]
        {
            let mut tried = 0;
            let done: io::Result<()> = DiskRetry::default().during(Path::new("x"), || {
                tried += 1;
                if tried < 3 { Err(refused(errno)) } else { Ok(()) }
            });
            assert_eq!((done.is_ok(), tried), (tries > 1, tries), "{errno}");
        }
    }

    #[test]
    fn a_patience_that_has_ended_waits_no_more() {
        let disk_retry = DiskRetry::default();
        disk_retry.end();
        let mut tried = 0;
        let done: Result<(), ArrowError> = disk_retry.during(Path::new("x"), || {
            tried += 1;
            Err(refused(Errno::NOSPC).into())
        });
        assert_eq!((done.is_err(), tried), (true, 1));
    }
}
