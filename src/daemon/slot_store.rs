//! Stores the slots of each registry for the next start of the daemon: one small file per registry under `.daemon/` of the state
//! directory. A lock in that directory ensures that only one daemon uses it. A task of its own writes the files in order; of
//! several versions of a file it writes the last one.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::{RegistryName, durable};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use super::run_queue::described;
use crate::schedule::{Schedule, SlotHistory};
use crate::state::lock_file;

/// The time to write the files at a stop. They are small.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// The names of registries begin with a letter or a digit.
const DIRECTORY: &str = ".daemon";

/// The slot store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SlotStoreError {
    /// Another daemon is running.
    #[error("another daemon uses the state directory {}", path.display())]
    Locked {
        /// The state directory.
        path: PathBuf,
    },
    /// The directory cannot be read or written.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// One registry's file.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSlots {
    /// The schedule to which `past` belongs.
    schedule: Option<String>,
    past: SlotHistory,
}

/// What the store has of one registry.
#[derive(Debug)]
pub(super) struct RestoredSlots {
    pub(super) past: SlotHistory,
    /// Whether the store has nothing.
    pub(super) is_new: bool,
    /// Whether `past` belongs to another schedule.
    pub(super) is_rescheduled: bool,
}

/// The store, which is locked until it is dropped.
#[derive(Debug)]
pub(super) struct SlotStore {
    directory: Arc<PathBuf>,
    versions: mpsc::UnboundedSender<(RegistryName, StoredSlots)>,
    writer: JoinHandle<()>,
    lock: File,
}

impl SlotStore {
    /// Locks the store of a state directory, and creates it if necessary.
    pub(super) fn open(state: &Path) -> Result<Self, SlotStoreError> {
        let directory = state.join(DIRECTORY);
        let disk = |source| SlotStoreError::Disk { path: directory.clone(), source };
        durable::create_dirs(&directory).map_err(disk)?;
        let path = directory.join("lock");
        let lock = lock_file(&path).map_err(|source| SlotStoreError::Disk { path, source })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SlotStoreError::Locked { path: state.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(disk(e)),
        }
        for left in durable::sweep(&directory) {
            warn!("{left}");
        }
        let directory = Arc::new(directory);
        let (versions, to_write) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write_all(Arc::clone(&directory), to_write));
        Ok(Self { directory, versions, writer, lock })
    }

    /// Whether this is the store of the state directory, which may have several paths.
    pub(super) fn is_in(&self, state: &Path) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let there = fs::metadata(state.join(DIRECTORY).join("lock")).map(identity);
        matches!((there, self.lock.metadata().map(identity)), (Ok(there), Ok(ours)) if there == ours)
    }

    /// Reads the slots of a registry. A file that cannot be read counts as missing: the state of the registry prevents that a slot
    /// is served twice.
    pub(super) fn find(
        &self,
        registry: &RegistryName,
        schedule: Option<&Schedule>,
        now: DateTime<Utc>,
    ) -> RestoredSlots {
        let path = file(&self.directory, registry);
        let read =
            fs::read(&path).and_then(|json| serde_json::from_slice::<StoredSlots>(&json).map_err(io::Error::from));
        match read {
            Ok(stored) => RestoredSlots {
                is_new: false,
                is_rescheduled: stored.schedule != schedule.map(described),
                past: stored.past,
            },
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    warn!(%registry, "cannot read the stored slots of {registry} in {}: {e}; slots count from now on", path.display());
                }
                RestoredSlots { past: SlotHistory::new(now), is_new: true, is_rescheduled: false }
            }
        }
    }

    /// Has the writer store the slots of a registry.
    pub(super) fn keep(&self, registry: &RegistryName, schedule: Option<&Schedule>, past: &SlotHistory) {
        let stored = StoredSlots { schedule: schedule.map(described), past: past.clone() };
        // The writer ends after the store.
        let _ = self.versions.send((registry.clone(), stored));
    }

    /// Waits until all files are written, for a limited time.
    pub(super) async fn close(self) {
        let Self { versions, writer, .. } = self;
        drop(versions);
        let why = match timeout(WRITE_TIMEOUT, writer).await {
            Ok(Ok(())) => return,
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        };
        warn!("not all slots are stored: {why}; after a restart a slot may be caught up that was skipped");
    }
}

async fn write_all(directory: Arc<PathBuf>, mut versions: mpsc::UnboundedReceiver<(RegistryName, StoredSlots)>) {
    let mut is_well = true;
    while let Some((registry, stored)) = versions.recv().await {
        // Of several versions for one registry, the last one counts.
        let mut newest = BTreeMap::from([(registry, stored)]);
        while let Ok((registry, stored)) = versions.try_recv() {
            newest.insert(registry, stored);
        }
        let directory = Arc::clone(&directory);
        let written = tokio::task::spawn_blocking(move || {
            // After an error the other files are written all the same.
            let mut written = Ok(());
            for (registry, stored) in &newest {
                let json = serde_json::to_vec(stored).map_err(io::Error::from);
                written = written.and(json.and_then(|json| durable::write(&file(&directory, registry), &json)));
            }
            written
        });
        let written = written.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        match written {
            Err(e) if is_well => {
                warn!("cannot store slots: {e}; after a restart a slot may be caught up that was skipped");
                is_well = false;
            }
            Err(_) => {}
            Ok(()) => is_well = true,
        }
    }
}

fn file(directory: &Path, registry: &RegistryName) -> PathBuf {
    directory.join(format!("{registry}.json"))
}
