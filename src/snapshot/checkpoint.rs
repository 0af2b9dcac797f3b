//! `checkpoint.json`, from which an interrupted walk is resumed: it names the durable segments, and holds a note of the
//! walk that is not read here.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stocktake_sink::{Table, durable};

use super::segments::ClosedSegment;
use super::{files, own};

/// The version of this file and of the segments that it names. Other versions are not resumed.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    version: u32,
    /// The spool's tables, those without rows included, and the segments of each, the earliest first.
    pub(super) tables: BTreeMap<Table, Vec<ClosedSegment>>,
    pub(super) note: serde_json::Value,
}

impl Checkpoint {
    pub(super) fn new(tables: BTreeMap<Table, Vec<ClosedSegment>>, note: serde_json::Value) -> Self {
        Self { version: VERSION, tables, note }
    }

    /// The checkpoint in a spool's directory; `None` if there is none that can be read.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        // A link is not ours, and what came after the checkpoint is about to be removed.
        let is_ours = fs::symlink_metadata(directory).ok()?.is_dir();
        let json = is_ours.then(|| fs::read(directory.join(files::CHECKPOINT)).ok())??;
        let checkpoint: Self = serde_json::from_slice(&json).ok()?;
        (checkpoint.version == VERSION).then_some(checkpoint)
    }

    /// Replaces the previous checkpoint. The segments that this one names must be durable. May be retried.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        // The names of new segments first: after a loss of power the old checkpoint is worth more than a new one whose
        // segments are nowhere.
        durable::sync_dir(directory)?;
        durable::write(&directory.join(files::CHECKPOINT), &serde_json::to_vec(self)?)
    }
}

/// Removes the checkpoint of a directory for good, if there is one.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    if own::remove_if_there(&directory.join(files::CHECKPOINT))? { durable::sync_dir(directory) } else { Ok(()) }
}
