//! The state that is kept between runs, in one directory per registry: the last slot, the last published snapshot, and
//! which sinks have it. A [`RegistryState`] holds the registry's lock.
//!
//! `state.json` is the only pointer and is replaced atomically. A directory that it does not name was left by a killed
//! run and is removed.

mod error;
mod history;
mod lock;
mod pointer;
mod undelivered;
mod usable;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use stocktake_sink::clock::FAR_AHEAD;
use stocktake_sink::durable::{self, Left};
use stocktake_sink::{Receipt, RegistryName, SnapshotId};
use tracing::warn;

pub use error::StateError;
pub use history::{
    History, Inventory, LastRun, LostNight, MOST_REFUSALS, MOST_REFUSALS_AN_HOUR, Reason, Refusals, SinkHistory,
};
pub use lock::lock_file;
pub use pointer::PreviousSnapshot;
pub use usable::{look, probe};

use crate::snapshot::{Extent, SealError, Sealed, discard};
use lock::lock_registry;
use pointer::{LastSnapshot, SEALED_PREFIX, ScheduledSlot, StateFile, sealed_name};
pub use undelivered::GivenUp;

const POINTER: &str = "state.json";
const WALK: &str = "walk";

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
        let kept = self.pointer.kept();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) => {
                left.push(Left::new(&self.directory, e));
                return left;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(SEALED_PREFIX) && !kept.contains(&name) {
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

    /// Stores how a run ended, and what was [received](Self::received) before.
    ///
    /// # Errors
    /// If the pointer cannot be written; sinks are then asked again by the next run, which changes nothing there.
    pub fn ended(&mut self, history: History) -> Result<(), StateError> {
        self.pointer.history = history;
        self.save()?;
        // What cannot be removed now is swept by the next run, which says so.
        let _ = self.sweep();
        Ok(())
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

    /// A snapshot that some sink does not have, or the newest one.
    ///
    /// # Errors
    /// If its files are missing or damaged.
    pub fn open(&self, id: &SnapshotId) -> Result<Sealed, SealError> {
        Sealed::open(&self.sealed_directory(id))
    }

    /// The snapshots that this sink does not have, the oldest first.
    pub fn owed(&self, sink: &str) -> Vec<SnapshotId> {
        self.pointer.owed(sink)
    }

    /// The runs of the snapshots that this sink does not have, the oldest first.
    pub fn owed_runs(&self, sink: &str) -> Vec<String> {
        self.owed(sink).iter().map(SnapshotId::run_id).collect()
    }

    /// Makes a sealed snapshot of this extent the newest one. The one before it is kept for those of the `keepers` that
    /// do not have it. A sink gets at most `most` snapshots later; beyond that, the oldest are given up and returned.
    ///
    /// # Errors
    /// If the pointer cannot be written; then all is as before.
    pub fn keep(
        &mut self,
        sealed: &Sealed,
        extent: Extent,
        keepers: &[String],
        most: usize,
    ) -> Result<Vec<GivenUp>, StateError> {
        let at = sealed.snapshot.record().finished_at;
        let Extent { repositories: rows_repositories, tags: rows_tags, .. } = extent;
        let id = sealed.snapshot.id().clone();
        // The two counts beside the extent are for an earlier version that may be run again.
        let last = LastSnapshot { id, rows_repositories, rows_tags, extent: Some(extent), delivered: BTreeMap::new() };
        let before = self.pointer.clone();
        let given_up = self.pointer.supersede(last, keepers, most);
        self.pointer.note_lost(&given_up, at);
        if let Err(e) = self.save() {
            self.pointer = before;
            return Err(e);
        }
        // What cannot be removed now is swept by the next run, which says so.
        let _ = self.sweep();
        Ok(given_up)
    }

    /// Notes that a sink has a snapshot. [`Self::ended`] stores it.
    pub fn received(&mut self, id: &SnapshotId, sink: &str, receipt: Receipt) {
        self.pointer.received(id, sink, receipt);
    }

    /// Notes that a sink will never get a snapshot that is not the newest; false if it is the newest, or was not owed.
    pub fn give_up_on(&mut self, id: &SnapshotId, sink: &str, now: DateTime<Utc>) -> bool {
        let was_owed = self.pointer.release(id, sink);
        if was_owed {
            self.pointer.note_lost(&[GivenUp { sink: sink.to_owned(), id: id.clone() }], now);
        }
        was_owed
    }

    /// Forgets what was owed to sinks that are not among these; returns how many snapshots that is for each.
    pub fn forget_other_sinks(&mut self, keepers: &[String]) -> BTreeMap<String, usize> {
        self.pointer.forget_other_sinks(keepers)
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
