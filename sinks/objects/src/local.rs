//! Objects in a directory: staging, committing, reading, sweeping, and a lock for one writer per registry.
//!
//! Objects have keys; errors have the full path. Formats and the order of steps are not known here.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use stocktake_sink::durable::{self, Left, Staged};
use stocktake_sink::{RegistryName, SinkError, Table};

use crate::names;

/// The directory below which all keys live.
#[derive(Clone, Debug)]
pub(crate) struct LocalDirectory {
    root: PathBuf,
}

/// While it lives, no other process or task publishes the same registry here.
#[derive(Debug)]
pub(crate) struct RegistryLock {
    _directory: File,
}

impl LocalDirectory {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The path of an object.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    pub(crate) fn location(&self, key: &str) -> String {
        self.path(key).display().to_string()
    }

    /// Takes the lock of the registry. `None`: another process or task holds it. The system frees the lock of a killed process.
    pub(crate) fn try_lock(&self, registry: &RegistryName) -> Result<Option<RegistryLock>, SinkError> {
        // The directory of manifests is the lock file, so no other file is needed.
        let directory = self.path(&names::manifests(registry));
        let opened = durable::create_dirs(&directory).and_then(|()| File::open(&directory));
        let directory = opened.map_err(|e| SinkError::io(format!("cannot open {}", directory.display()), e))?;
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks on directories. Without one, two processes that publish the same
            // run at the same moment are kept apart only by the manifest, which one of them creates.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(RegistryLock { _directory: directory })),
        }
    }

    /// Removes the hidden files of killed runs of this registry. Only with its lock, because the files of a running publish
    /// look the same. Files that cannot be removed or read are returned; no published snapshot depends on them.
    pub(crate) fn sweep(&self, registry: &RegistryName) -> Vec<Left> {
        let mut left = Vec::new();
        for table in Table::ALL {
            let partitions = self.path(&names::partitions(table, registry));
            match subdirectories(&partitions) {
                Ok(dates) => left.extend(dates.iter().flat_map(|date| durable::sweep(date))),
                Err(e) => left.push(Left::new(&partitions, e)),
            }
        }
        left.extend(durable::sweep(&self.path(&names::manifests(registry))));
        for table in Table::ALL {
            // The extension does not matter: all of them are swept.
            let latest = self.path(&names::latest_object(table, registry, ""));
            left.extend(durable::sweep(latest.parent().unwrap_or(&self.root)));
        }
        // Registries share these two directories.
        left.extend(durable::sweep_target(&self.path(&names::latest(registry))));
        left.extend(durable::sweep_target(&self.probe_file()));
        left
    }

    /// Begins an object under a hidden name.
    pub(crate) fn stage(&self, key: &str) -> Result<Staged, SinkError> {
        let path = self.path(key);
        Staged::create(&path).map_err(|e| SinkError::io(format!("cannot create {}", path.display()), e))
    }

    /// Makes a staged object visible.
    pub(crate) fn commit(&self, key: &str, staged: Staged) -> Result<(), SinkError> {
        staged.commit().map_err(|e| SinkError::io(format!("cannot commit {}", self.location(key)), e))
    }

    /// Creates an object that must not exist; false if it does.
    pub(crate) fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, SinkError> {
        let mut staged = self.stage(key)?;
        match staged.write_all(bytes).and_then(|()| staged.commit_new()) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            created => {
                created.map(|()| true).map_err(|e| SinkError::io(format!("cannot create {}", self.location(key)), e))
            }
        }
    }

    /// Creates or replaces a small object.
    pub(crate) fn replace(&self, key: &str, bytes: &[u8]) -> Result<(), SinkError> {
        durable::write(&self.path(key), bytes)
            .map_err(|e| SinkError::io(format!("cannot write {}", self.location(key)), e))
    }

    /// Makes `key` another name of the object `from`, instead of what it named before.
    pub(crate) fn link(&self, from: &str, key: &str) -> Result<(), SinkError> {
        durable::link(&self.path(from), &self.path(key))
            .map_err(|e| SinkError::io(format!("cannot write {}", self.location(key)), e))
    }

    /// The bytes of a small object, if there is one.
    pub(crate) fn read(&self, key: &str) -> Result<Option<Vec<u8>>, SinkError> {
        match fs::read(self.path(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(|e| SinkError::io(format!("cannot read {}", self.location(key)), e)),
        }
    }

    /// The size of an object, if there is one.
    pub(crate) fn size(&self, key: &str) -> Result<Option<u64>, SinkError> {
        match fs::metadata(self.path(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found
                .map(|m| Some(m.len()))
                .map_err(|e| SinkError::io(format!("cannot read the size of {}", self.location(key)), e)),
        }
    }

    /// The object, open for reading, if there is one.
    pub(crate) fn open(&self, key: &str) -> Result<Option<File>, SinkError> {
        match File::open(self.path(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some).map_err(|e| SinkError::io(format!("cannot open {}", self.location(key)), e)),
        }
    }

    /// The names in a directory, sorted, without hidden ones; none if there is no such directory.
    pub(crate) fn names(&self, directory: &str) -> Result<Vec<String>, SinkError> {
        let read = || {
            let entries = match fs::read_dir(self.path(directory)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.filter(|name| !matches!(name, Ok(name) if name.starts_with('.'))).collect::<io::Result<Vec<_>>>()
        };
        let mut names =
            read().map_err(|e| SinkError::io(format!("cannot read the directory {}", self.location(directory)), e))?;
        names.sort();
        Ok(names)
    }

    /// Whether both keys name one file, so that both have the same bytes.
    pub(crate) fn is_same(&self, one: &str, other: &str) -> bool {
        let identity = |key| fs::metadata(self.path(key)).map(|m| (m.dev(), m.ino()));
        matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// Removes an object, durably; one that is gone already is no error. A directory of one day is removed if it is empty.
    pub(crate) fn remove(&self, key: &str) -> Result<(), SinkError> {
        let path = self.path(key);
        let directory = path.parent().unwrap_or(&self.root);
        let removed = match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| durable::sync_dir(directory)),
        };
        let is_of_a_day = directory.file_name().is_some_and(|name| name.to_string_lossy().contains("snapshot_date="));
        if is_of_a_day {
            // It fails if there is another run of that day.
            let _ = fs::remove_dir(directory);
        }
        removed.map_err(|e| SinkError::io(format!("cannot remove {}", self.location(key)), e))
    }

    /// Removes an object that no manifest names. If that fails, the next attempt of the run overwrites the object.
    pub(crate) fn discard(&self, key: &str) {
        let _ = fs::remove_file(self.path(key));
    }

    /// Makes an entry durable. A process may have been killed between creating and syncing it.
    pub(crate) fn settle(&self, key: &str) -> Result<(), SinkError> {
        let path = self.path(key);
        let directory = path.parent().unwrap_or(&self.root);
        durable::sync_dir(directory).map_err(|e| SinkError::io(format!("cannot sync {}", directory.display()), e))
    }

    /// Whether a file can be created and written in the target directory, or in the directory where that would be created.
    pub(crate) fn probe(&self) -> Result<(), SinkError> {
        let file = self.probe_file();
        let probed = Staged::create(&file).and_then(|mut staged| {
            staged.write_all(b"stocktake")?;
            staged.flush()
        });
        probed.map_err(|e| {
            SinkError::io(format!("probe {}: create a file beside {}", self.root.display(), file.display()), e)
        })
    }

    /// In the deepest directory that exists: a probe creates no directory.
    fn probe_file(&self) -> PathBuf {
        let root = self.path(&names::version_root());
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
