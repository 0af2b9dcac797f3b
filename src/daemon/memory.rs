//! What the daemon remembers of slots over a restart: one small file per registry under `.daemon/` of the state directory.
//! That directory's lock makes sure that there is one daemon. Writing happens aside, in order, and the last word counts.

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

use super::roster::described;
use crate::schedule::{Schedule, SlotHistory};
use crate::state::lock_file;

/// Pages are small; the disk that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(1);
/// No registry has this name: theirs begin with a letter or digit.
const DIRECTORY: &str = ".daemon";

/// The daemon's memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// There is a daemon.
    #[error("another daemon has the state directory {}", path.display())]
    Locked {
        /// The state directory.
        path: PathBuf,
    },
    /// The directory cannot be read or written.
    #[error("use {}", path.display())]
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
struct Page {
    /// The schedule that `past` is of.
    schedule: Option<String>,
    past: SlotHistory,
}

/// What was found of one registry.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) past: SlotHistory,
    /// Nothing: it is met for the first time.
    pub(super) is_new: bool,
    /// It was of another schedule.
    pub(super) is_rescheduled: bool,
}

/// Kept until dropped.
#[derive(Debug)]
pub(super) struct Memory {
    directory: Arc<PathBuf>,
    pages: mpsc::UnboundedSender<(RegistryName, Page)>,
    scribe: JoinHandle<()>,
    lock: File,
}

impl Memory {
    /// Takes the memory in a state directory.
    pub(super) fn open(state: &Path) -> Result<Self, MemoryError> {
        let directory = state.join(DIRECTORY);
        let disk = |source| MemoryError::Disk { path: directory.clone(), source };
        durable::create_dirs(&directory).map_err(disk)?;
        let path = directory.join("lock");
        let lock = lock_file(&path).map_err(|source| MemoryError::Disk { path, source })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MemoryError::Locked { path: state.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(disk(e)),
        }
        for left in durable::sweep(&directory) {
            warn!("{left}");
        }
        let directory = Arc::new(directory);
        let (pages, to_write) = mpsc::unbounded_channel();
        let scribe = tokio::spawn(write_all(Arc::clone(&directory), to_write));
        Ok(Self { directory, pages, scribe, lock })
    }

    /// Whether it is the memory of this state directory, under whatever name.
    pub(super) fn is_in(&self, state: &Path) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let there = fs::metadata(state.join(DIRECTORY).join("lock")).map(identity);
        matches!((there, self.lock.metadata().map(identity)), (Ok(there), Ok(ours)) if there == ours)
    }

    /// What is remembered of a registry. What cannot be read is as good as new: the registry's own state keeps a slot that
    /// was served from being served again.
    pub(super) fn find(&self, registry: &RegistryName, schedule: Option<&Schedule>, now: DateTime<Utc>) -> Found {
        let path = file(&self.directory, registry);
        let read = fs::read(&path).and_then(|json| serde_json::from_slice::<Page>(&json).map_err(io::Error::from));
        match read {
            Ok(page) => {
                Found { is_new: false, is_rescheduled: page.schedule != schedule.map(described), past: page.past }
            }
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    warn!(%registry, "what is remembered of the schedule of {registry} is lost: {}: {e}", path.display());
                }
                Found { past: SlotHistory::new(now), is_new: true, is_rescheduled: false }
            }
        }
    }

    /// Writes down what is to be remembered of it, soon.
    pub(super) fn keep(&self, registry: &RegistryName, schedule: Option<&Schedule>, past: &SlotHistory) {
        let page = Page { schedule: schedule.map(described), past: past.clone() };
        // The scribe ends after us.
        let _ = self.pages.send((registry.clone(), page));
    }

    /// Waits until all is written, unless the disk hangs.
    pub(super) async fn close(self) {
        let Self { pages, scribe, .. } = self;
        drop(pages);
        let why = match timeout(PATIENCE, scribe).await {
            Ok(Ok(())) => return,
            Ok(Err(e)) => e.to_string(),
            Err(e) => e.to_string(),
        };
        warn!("what was to be remembered of schedules is not all written: {why}");
    }
}

async fn write_all(directory: Arc<PathBuf>, mut pages: mpsc::UnboundedReceiver<(RegistryName, Page)>) {
    let mut is_well = true;
    while let Some((registry, page)) = pages.recv().await {
        // Of several pages of one registry the last one counts.
        let mut newest = BTreeMap::from([(registry, page)]);
        while let Ok((registry, page)) = pages.try_recv() {
            newest.insert(registry, page);
        }
        let directory = Arc::clone(&directory);
        let written = tokio::task::spawn_blocking(move || {
            // One that cannot be written keeps no other from being.
            let mut written = Ok(());
            for (registry, page) in &newest {
                let json = serde_json::to_vec(page).map_err(io::Error::from);
                written = written.and(json.and_then(|json| durable::write(&file(&directory, registry), &json)));
            }
            written
        });
        let written = written.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        match written {
            Err(e) if is_well => {
                warn!(
                    "what is to be remembered of schedules is not written: {e}; after a restart a slot may be caught up that was skipped"
                );
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
