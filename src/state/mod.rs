//! The state that is kept between runs, in one directory per registry: the last slot, the last published snapshot, and
//! which sinks have it. A [`RegistryState`] holds the registry's lock.
//!
//! `state.json` is the only pointer and is replaced atomically. A directory that it does not name was left by a killed
//! run and is removed.

mod history;
mod lock;
mod usable;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::clock::FAR_AHEAD;
use stocktake_sink::durable::{self, Left};
use stocktake_sink::{Receipt, RegistryName, SnapshotId};
use tracing::warn;

pub use history::{History, Inventory, LastRun, MOST_REFUSALS, MOST_REFUSALS_AN_HOUR, Reason, Refusals, SinkHistory};
pub use lock::lock_file;
pub use usable::{look, probe};

use crate::snapshot::{Extent, SealError, Sealed, discard};

const POINTER: &str = "state.json";
const WALK: &str = "walk";
const SEALED_PREFIX: &str = "sealed-";

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run of this registry is in progress.
    #[error("another run of this registry is in progress (process {pid})")]
    Locked {
        /// The process that holds the lock, as it wrote itself down.
        pid: String,
    },
    /// The state belongs to the daemon's user of `DynamicUser=`, which could not read files that root writes there.
    #[error("{} belongs to user {uid}, which systemd created for the daemon (`DynamicUser=`) and which cannot read files of root", path.display())]
    DynamicUser {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A file or directory cannot be read or written.
    #[error("cannot use the state directory {}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `state.json` is not a state file.
    #[error("{} is not a state file of stocktake; move it away to start without state", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// What `state.json` holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StateFile {
    last_slot: Option<DateTime<Utc>>,
    /// The last one that the schedule took.
    #[serde(default)]
    scheduled: Option<ScheduledSlot>,
    last: Option<LastSnapshot>,
    #[serde(default)]
    history: History,
}

/// A slot of the schedule, and the time that its run stands for: the same, unless that was another run's already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ScheduledSlot {
    slot: DateTime<Utc>,
    stands_for: DateTime<Utc>,
}

/// The newest snapshot that could be published.
#[derive(Debug, Serialize, Deserialize)]
struct LastSnapshot {
    id: SnapshotId,
    /// Kept here too, so that the guard against shrinkage outlives a damaged snapshot.
    rows_repositories: u64,
    #[serde(default)]
    rows_tags: Option<u64>,
    /// The counts that the next run is compared with; `None` if an earlier version wrote the file.
    #[serde(default)]
    extent: Option<Extent>,
    delivered: BTreeMap<String, Receipt>,
}

/// The facts of the newest snapshot that the next one is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSnapshot {
    /// The time it stands for.
    pub scheduled_at: DateTime<Utc>,
    /// Its counts.
    pub extent: Extent,
    /// The directory of its tables, which may have been lost.
    pub directory: PathBuf,
}

impl LastSnapshot {
    fn previous(&self, directory: &Path) -> PreviousSnapshot {
        let known = Extent { repositories: self.rows_repositories, tags: self.rows_tags, ..Extent::default() };
        let extent = self.extent.unwrap_or(known);
        let (scheduled_at, directory) = (self.id.scheduled_at, directory.join(sealed_name(&self.id)));
        PreviousSnapshot { scheduled_at, extent, directory }
    }
}

/// The state of one registry, locked against other processes until dropped.
#[derive(Debug)]
pub struct RegistryState {
    directory: PathBuf,
    pointer: StateFile,
    /// The operating system releases the lock with the file, however this process ends.
    _lock: File,
}

impl RegistryState {
    /// Locks the registry, and removes the files of a killed run except its walk, which may be resumed.
    ///
    /// # Errors
    /// [`StateError::Locked`] at once if another process has it; or if the directory cannot be used.
    pub fn lock(root: &Path, registry: &RegistryName) -> Result<Self, StateError> {
        let directory = directory(root, registry);
        let disk = |source| StateError::Disk { path: directory.clone(), source };
        refuse_of_dynamic_user(root, rustix::process::geteuid().is_root())?;
        durable::create_dirs(&directory).map_err(disk)?;
        let lock = lock_registry(&directory.join("lock"))?;
        let state = Self { pointer: read_pointer(&directory)?, directory: directory.clone(), _lock: lock };
        for left in state.sweep() {
            warn!(%registry, "{left}");
        }
        Ok(state)
    }

    /// Removes directories that the pointer does not name. Foreign entries, and those that cannot be removed, stay.
    fn sweep(&self) -> Vec<Left> {
        let mut left = durable::sweep(&self.directory);
        let kept = self.pointer.last.as_ref().map(|last| sealed_name(&last.id));
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) => {
                left.push(Left::new(&self.directory, e));
                return left;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(SEALED_PREFIX) && Some(&name) != kept.as_ref() {
                let foreign = |names: Vec<String>| {
                    format!("it contains entries that stocktake did not create: {}", names.join(", "))
                };
                match discard(&entry.path()) {
                    Ok(names) if names.is_empty() => {}
                    Ok(names) => left.push(Left::new(&entry.path(), io::Error::other(foreign(names)))),
                    Err(e) => left.push(Left::new(&entry.path(), e)),
                }
            }
        }
        left
    }

    /// Takes a slot for a manual run: `now` in whole seconds, or the first second after the last slot, so that no two
    /// runs have the same ID even if the clock was set back.
    ///
    /// # Errors
    /// If the slot cannot be stored.
    pub fn take_slot(&mut self, now: DateTime<Utc>) -> Result<DateTime<Utc>, StateError> {
        let slot = self.free_slot(now);
        self.pointer.last_slot = Some(slot);
        self.save()?;
        Ok(slot)
    }

    /// This time, or the first second after the last slot. A last slot that lies far ahead counts for nothing: runs
    /// would be named after times to come for as long as the clock was wrong.
    fn free_slot(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        let time = time.trunc_subsecs(0);
        let last = self.pointer.last_slot.filter(|last| *last - time <= FAR_AHEAD);
        let next = last.and_then(|last| last.checked_add_signed(TimeDelta::seconds(1)));
        next.map_or(time, |next| time.max(next))
    }

    /// How far ahead of this time a run would stand that takes its slot now.
    pub fn ahead_of(&self, now: DateTime<Utc>) -> TimeDelta {
        self.free_slot(now) - now
    }

    /// Takes a slot of the schedule; `None` if its run has ended before. A run that was killed takes its slot again,
    /// with the same ID. If a manual run has taken that second or a later one, the run gets the first second after
    /// that.
    ///
    /// # Errors
    /// If the slot cannot be stored.
    pub fn take_scheduled(&mut self, slot: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StateError> {
        if self.pointer.history.served == Some(slot) {
            return Ok(None);
        }
        let taken = self.pointer.scheduled.filter(|taken| taken.slot == slot).map(|taken| taken.stands_for);
        if taken.is_some() && self.pointer.last_slot == taken {
            return Ok(taken);
        }
        let stands_for = self.free_slot(slot);
        self.pointer.scheduled = Some(ScheduledSlot { slot, stands_for });
        self.pointer.last_slot = Some(stands_for);
        self.save()?;
        Ok(Some(stands_for))
    }

    /// Gives up a slot of the schedule: nothing of it is published, and no other run takes it.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub fn give_up(&mut self, slot: DateTime<Utc>) -> Result<(), StateError> {
        self.pointer.history.served = Some(slot);
        self.save()
    }

    /// How the runs so far ended.
    pub fn history(&self) -> &History {
        &self.pointer.history
    }

    /// Stores how a run ended, and which sinks have the newest snapshot.
    ///
    /// # Errors
    /// If the pointer cannot be written; sinks are then asked again by the next run, which changes nothing there.
    pub fn ended(
        &mut self,
        history: History,
        receipts: impl IntoIterator<Item = (String, Receipt)>,
    ) -> Result<(), StateError> {
        self.pointer.history = history;
        self.delivered(receipts)
    }

    /// The directory for the spool of a walk.
    pub fn walk_directory(&self) -> PathBuf {
        self.directory.join(WALK)
    }

    /// Removes a snapshot that was sealed and could not be kept.
    pub fn discard_sealed(&self, id: &SnapshotId) {
        // A pointer that names it after all then finds nothing to deliver in this run's name.
        let _ = discard(&self.sealed_directory(id));
    }

    /// Removes the spool of a walk.
    pub fn discard_walk(&self) {
        // What cannot be removed now is removed when the next walk begins.
        let _ = discard(&self.walk_directory());
    }

    /// The directory for the sealed snapshot of this ID.
    pub fn sealed_directory(&self, id: &SnapshotId) -> PathBuf {
        self.directory.join(sealed_name(id))
    }

    /// The newest snapshot that could be published.
    pub fn last(&self) -> Option<Result<Sealed, SealError>> {
        self.pointer.last.as_ref().map(|last| Sealed::open(&self.sealed_directory(&last.id)))
    }

    /// The snapshot that the next run is compared with.
    pub fn previous(&self) -> Option<PreviousSnapshot> {
        self.pointer.last.as_ref().map(|last| last.previous(&self.directory))
    }

    /// Whether this sink has the newest snapshot.
    pub fn is_delivered(&self, sink: &str) -> bool {
        self.pointer.last.as_ref().is_some_and(|last| last.delivered.contains_key(sink))
    }

    /// Makes a sealed snapshot of this extent the newest one. The one before it is removed.
    ///
    /// # Errors
    /// If the pointer cannot be written; then the one before remains.
    pub fn keep(&mut self, sealed: &Sealed, extent: Extent) -> Result<(), StateError> {
        let Extent { repositories: rows_repositories, tags: rows_tags, .. } = extent;
        let id = sealed.snapshot.id().clone();
        // The two counts beside the extent are for an earlier version that may be run again.
        let last = LastSnapshot { id, rows_repositories, rows_tags, extent: Some(extent), delivered: BTreeMap::new() };
        let before = self.pointer.last.replace(last);
        if let Err(e) = self.save() {
            self.pointer.last = before;
            return Err(e);
        }
        // What cannot be removed now is swept by the next run, which says so.
        let _ = self.sweep();
        Ok(())
    }

    /// Stores which sinks have the newest snapshot.
    ///
    /// # Errors
    /// If the pointer cannot be written; those sinks are then asked again by the next run, which changes nothing there.
    pub fn delivered(&mut self, receipts: impl IntoIterator<Item = (String, Receipt)>) -> Result<(), StateError> {
        if let Some(last) = &mut self.pointer.last {
            last.delivered.extend(receipts);
        }
        self.save()
    }

    fn save(&self) -> Result<(), StateError> {
        let path = self.directory.join(POINTER);
        let json = serde_json::to_vec_pretty(&self.pointer).map_err(io::Error::from);
        json.and_then(|json| durable::write(&path, &json)).map_err(|source| StateError::Disk { path, source })
    }
}

/// The snapshot that the next run is compared with, read without the lock, for a dry run.
///
/// # Errors
/// If there is a state file that cannot be read.
pub fn previous(root: &Path, registry: &RegistryName) -> Result<Option<PreviousSnapshot>, StateError> {
    let directory = directory(root, registry);
    Ok(read_pointer(&directory)?.last.as_ref().map(|last| last.previous(&directory)))
}

/// How the runs of a registry ended so far, read without the lock.
///
/// # Errors
/// If there is a state file that cannot be read.
pub fn history(root: &Path, registry: &RegistryName) -> Result<History, StateError> {
    Ok(read_pointer(&directory(root, registry))?.history)
}

/// When the state was last written; `None` if never.
pub fn written_at(root: &Path, registry: &RegistryName) -> Option<SystemTime> {
    fs::metadata(directory(root, registry).join(POINTER)).and_then(|metadata| metadata.modified()).ok()
}

/// Refuses the state of a user of systemd's `DynamicUser=` if this process is root. Other owners are accepted, because
/// root of a container writes to directories of any owner.
fn refuse_of_dynamic_user(root: &Path, is_root: bool) -> Result<(), StateError> {
    // The range that systemd.exec(5) names.
    const DYNAMIC: std::ops::RangeInclusive<u32> = 61184..=65519;
    match fs::metadata(root).map(|metadata| metadata.uid()) {
        Ok(uid) if is_root && DYNAMIC.contains(&uid) => Err(StateError::DynamicUser { path: root.to_owned(), uid }),
        _ => Ok(()),
    }
}

fn directory(root: &Path, registry: &RegistryName) -> PathBuf {
    root.join(registry.as_str())
}

fn sealed_name(id: &SnapshotId) -> String {
    format!("{SEALED_PREFIX}{id}")
}

fn lock_registry(path: &Path) -> Result<File, StateError> {
    let disk = |source| StateError::Disk { path: path.to_owned(), source };
    let mut file = lock_file(path).map_err(disk)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message of a process that finds it locked: on a full disk it cannot be written, and what fills the
            // disk may be a killed run's, which is swept after this. A file that has another name as well, as in a
            // backup of hard links, is left as it is.
            if file.metadata().is_ok_and(|metadata| metadata.nlink() == 1) {
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.take(20).read_to_string(&mut pid);
            Err(StateError::Locked { pid: if read.is_ok() && !pid.is_empty() { pid } else { "unknown".into() } })
        }
        Err(TryLockError::Error(e)) => Err(disk(e)),
    }
}

fn read_pointer(directory: &Path) -> Result<StateFile, StateError> {
    let path = directory.join(POINTER);
    match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(StateFile::default()),
        Err(source) => Err(StateError::Disk { path, source }),
        Ok(json) => serde_json::from_slice(&json).map_err(|source| StateError::Damaged { path, source }),
    }
}

#[cfg(test)]
mod tests;
