//! The directory that a snapshot lies in while a plugin runs: made, locked, swept after a kill, removed.
//!
//! ```text
//! <directory>/stocktake-exec-<digest of the command>-<registry>/    locked while a publish lasts
//!     <run_id>.g<generation>/                                        what the plugin gets
//! ```
//!
//! The lock says whether its process lives. All processes of a plugin have the path in their environment, so a later
//! process ends what a killed one left running before it removes what the plugin reads.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use process_tree::ProgramMark;
use stocktake_sink::{SinkError, SinkErrorKind, blocking, durable};

use crate::running::GRACE;

/// The beginning of the names of our directories: others are not touched.
const PREFIX: &str = "stocktake-exec-";
/// How long a publish waits for another one of the same registry. A dropped one ends its plugin first.
const LOCK_PATIENCE: Duration = GRACE.saturating_mul(5);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// A locked directory. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes and locks the directory of this key, which is safe in a path. Ends and removes what killed processes left.
    pub(crate) async fn take(directory: &Path, key: &str) -> Result<Self, SinkError> {
        let path = directory.join(format!("{PREFIX}{key}"));
        for _ in 0..LOCK_PATIENCE.as_millis() / LOCK_INTERVAL.as_millis() {
            let wanted = path.clone();
            if let Some(scratch) = blocking(move |_| Self::try_take(&wanted)).await? {
                let directory = directory.to_owned();
                return blocking(move |_| {
                    scratch.sweep()?;
                    sweep_others(&directory);
                    Ok(scratch)
                })
                .await;
            }
            tokio::time::sleep(LOCK_INTERVAL).await;
        }
        Err(SinkError::new(SinkErrorKind::Unavailable, format!("another process holds the lock on {}", path.display())))
    }

    /// `None`: another process or task has it.
    fn try_take(path: &Path) -> Result<Option<Self>, SinkError> {
        let failed = |e| SinkError::io(format!("cannot create {}", path.display()), e);
        let parent = path.parent().unwrap_or(Path::new("."));
        durable::create_dirs(parent).map_err(failed)?;
        // The rows are for the user of stocktake alone.
        match DirBuilder::new().mode(0o700).create(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(failed)?,
        }
        // A plugin may have another working directory.
        let path = path.canonicalize().map_err(failed)?;
        Ok(lock(&path).map_err(failed)?.map(|lock| Self { path, _lock: lock }))
    }

    /// The directory for the files of a snapshot of this name. It does not exist yet.
    pub(crate) fn of_snapshot(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The mark of the plugin's processes.
    pub(crate) fn mark(&self) -> ProgramMark {
        mark(&self.path)
    }

    /// Ends what a killed process left running, and removes what it left lying.
    fn sweep(&self) -> Result<(), SinkError> {
        self.mark().end(GRACE);
        let failed = |e| SinkError::io(format!("cannot empty {}", self.path.display()), e);
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            fs::remove_dir_all(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next publish, or by that of another registry.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn mark(path: &Path) -> ProgramMark {
    ProgramMark::known(path.to_string_lossy())
}

/// Takes the lock; the system frees that of a killed process. `None`: another process or task has it, or has removed the
/// directory meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let opened = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match opened.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Some network file systems have no locks on directories. Runs of one registry exclude each other anyway.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    let is_same =
        fs::metadata(path).is_ok_and(|found| opened.metadata().is_ok_and(|own| identity(found) == identity(own)));
    Ok(is_same.then_some(opened))
}

/// Removes the directories of killed processes whose registry or command is no longer configured. What cannot be removed
/// is tried again by the next publish.
fn sweep_others(directory: &Path) {
    let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().filter(|entry| is_ours(&entry.file_name())) {
        let Ok(path) = entry.path().canonicalize() else { continue };
        if let Ok(Some(_lock)) = lock(&path) {
            mark(&path).end(GRACE);
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether a directory can be made there. Leaves nothing.
pub(crate) fn probe(directory: &Path) -> Result<(), SinkError> {
    let is_new = !directory.exists();
    let made = Scratch::try_take(&directory.join(format!("{PREFIX}probe-{}", std::process::id())));
    let probed = made.map(drop);
    if is_new {
        // Only if it is empty.
        let _ = fs::remove_dir(directory);
    }
    probed
}
