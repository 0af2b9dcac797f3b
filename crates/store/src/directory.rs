//! Objects in a local directory. Everything that must survive a power cut goes through [`stocktake_sink::durable`].

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use stocktake_sink::SinkError;
use stocktake_sink::durable::{self, Left, STAGING_PREFIX, Staged};

use crate::kept::{Lock, StoredObject};

/// The directory below which all keys live.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryObjects {
    root: PathBuf,
}

impl DirectoryObjects {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.root.clone() } else { self.root.join(key) }
    }

    pub(crate) fn location(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }

    /// Takes the lock of a directory, which is created. `None`: another process or task holds it. The system frees the lock
    /// of a killed process.
    pub(crate) fn try_lock(&self, key: &str) -> Result<Option<Lock>, SinkError> {
        let directory = self.path(key);
        let opened = durable::create_dirs(&directory).and_then(|()| File::open(&directory));
        let directory = opened.map_err(|e| SinkError::io(format!("cannot open {}", directory.display()), e))?;
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks on directories. Without one, two processes that publish the same
            // run at the same moment are kept apart only by the object that one of them creates.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Lock::of(directory))),
        }
    }

    pub(crate) fn sweep(&self, key: &str) -> Vec<Left> {
        durable::sweep(&self.path(key))
    }

    pub(crate) fn sweep_children(&self, key: &str) -> Vec<Left> {
        let directory = self.path(key);
        match subdirectories(&directory) {
            Ok(children) => children.iter().flat_map(|child| durable::sweep(child)).collect(),
            Err(e) => vec![Left::new(&directory, e)],
        }
    }

    pub(crate) fn sweep_object(&self, key: &str) -> Vec<Left> {
        durable::sweep_target(&self.path(key))
    }

    pub(crate) fn sweep_probe(&self, below: &str) -> Vec<Left> {
        durable::sweep_target(&self.probe_file(below))
    }

    pub(crate) fn stage(&self, key: &str) -> Result<Staged, SinkError> {
        let path = self.path(key);
        Staged::create(&path).map_err(|e| SinkError::io(format!("cannot create {}", path.display()), e))
    }

    pub(crate) fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, SinkError> {
        let mut staged = self.stage(key)?;
        match staged.write_all(bytes).and_then(|()| staged.commit_new()) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            created => {
                created.map(|()| true).map_err(|e| SinkError::io(format!("cannot create {}", self.location(key)), e))
            }
        }
    }

    pub(crate) fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), SinkError> {
        durable::write(&self.path(key), bytes)
            .map_err(|e| SinkError::io(format!("cannot write {}", self.location(key)), e))
    }

    pub(crate) fn link(&self, from: &str, key: &str) -> Result<(), SinkError> {
        durable::link(&self.path(from), &self.path(key))
            .map_err(|e| SinkError::io(format!("cannot write {}", self.location(key)), e))
    }

    pub(crate) fn read(&self, key: &str) -> Result<Option<Vec<u8>>, SinkError> {
        match fs::read(self.path(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(|e| SinkError::io(format!("cannot read {}", self.location(key)), e)),
        }
    }

    pub(crate) fn read_range(&self, key: &str, range: Range<u64>) -> Result<Vec<u8>, SinkError> {
        let read = || {
            let mut file = File::open(self.path(key))?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e| SinkError::io(format!("cannot read {}", self.location(key)), e))
    }

    pub(crate) fn size(&self, key: &str) -> Result<Option<u64>, SinkError> {
        match fs::metadata(self.path(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found
                .map(|m| Some(m.len()))
                .map_err(|e| SinkError::io(format!("cannot read the size of {}", self.location(key)), e)),
        }
    }

    /// All files below a directory, without hidden ones of writers, in the order of their keys.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, SinkError> {
        let mut found = Vec::new();
        let mut unseen = vec![prefix.to_owned()];
        while let Some(directory) = unseen.pop() {
            let failed = |e| SinkError::io(format!("cannot list {}", self.location(&directory)), e);
            let entries = match fs::read_dir(self.path(&directory)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // A name that is not UTF-8 is none of ours.
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let key = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
                let metadata = match entry.metadata() {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(failed)?,
                };
                if metadata.is_dir() {
                    unseen.push(key);
                } else if !name.starts_with(STAGING_PREFIX) {
                    let modified = metadata.modified().map_err(failed)?;
                    found.push(StoredObject { key, bytes: metadata.len(), modified: DateTime::<Utc>::from(modified) });
                }
            }
        }
        found.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    pub(crate) fn remove(&self, key: &str) -> Result<(), SinkError> {
        match fs::remove_file(self.path(key)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(SinkError::io(format!("cannot remove {}", self.location(key)), e))
            }
            _ => Ok(()),
        }
    }

    /// Makes an entry durable. A process may have been killed between creating and syncing it.
    pub(crate) fn settle(&self, key: &str) -> Result<(), SinkError> {
        let path = self.path(key);
        let directory = path.parent().unwrap_or(&self.root);
        durable::sync_dir(directory).map_err(|e| SinkError::io(format!("cannot sync {}", directory.display()), e))
    }

    /// Whether a file can be created and written in the directory, or in the directory where that would be created.
    pub(crate) fn probe(&self, below: &str) -> Result<(), SinkError> {
        let file = self.probe_file(below);
        let probed = Staged::create(&file).and_then(|mut staged| {
            staged.write_all(b"stocktake")?;
            staged.flush()
        });
        probed.map_err(|e| {
            SinkError::io(format!("probe {}: create a file beside {}", self.root.display(), file.display()), e)
        })
    }

    /// In the deepest directory that exists: a probe creates no directory.
    fn probe_file(&self, below: &str) -> PathBuf {
        let root = self.path(below);
        let existing = root.ancestors().find(|a| a.symlink_metadata().is_ok()).unwrap_or(Path::new(""));
        existing.join("probe")
    }
}

fn subdirectories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}
