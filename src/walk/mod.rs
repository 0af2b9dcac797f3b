//! Reads one registry into rows of the spool: lists names page by page, and reads several repositories at the same
//! time. Knows no verdict and no sink.

mod driver;
mod manifests;
mod memory;
mod notes;
mod reading;
mod recorder;
mod recording;
mod repository_contents;
mod seen_names;
mod settings;
mod taken_names;
mod unfinished;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stocktake_sink::{RunError, Table};

pub use driver::walk;
pub use recorder::{Unlisted, WalkCounts};
pub use settings::WalkSettings;
pub use unfinished::{NotResumed, Unfinished};

use crate::discovery::Discovery;
use crate::registry::{Contents, RegistryError};
pub use crate::snapshot::{Depth, NameFilter};
use crate::snapshot::{SnapshotLookup, Spool, SpoolError};

/// What a walk reads from.
#[derive(Clone, Debug)]
pub struct WalkSources<'a> {
    /// Lists the names of repositories.
    pub discovery: &'a dyn Discovery,
    /// Reads tags, manifests and configurations.
    pub contents: &'a dyn Contents,
    /// The last snapshot, if manifests may be taken from it.
    pub known: Option<Arc<SnapshotLookup>>,
    /// How many repositories are read at the same time.
    pub concurrency: NonZeroUsize,
}

/// How a walk begins.
#[derive(Debug)]
pub enum WalkStart {
    /// From the first page.
    Fresh {
        /// An empty spool, which takes the rows.
        spool: Spool,
        /// Hash of the settings. A later run resumes this walk only if its own hash is equal. `None`: the walk is never
        /// resumed, and writes no checkpoint.
        fingerprint: Option<String>,
    },
    /// Where an interrupted walk stopped.
    Unfinished(Box<Unfinished>),
}

/// Counters of a running walk, for other threads to read.
#[derive(Debug, Default)]
pub struct WalkProgress {
    pages: AtomicU64,
    listed: AtomicU64,
    is_list_whole: AtomicBool,
    to_read: AtomicU64,
    read: AtomicU64,
    tags: AtomicU64,
}

impl WalkProgress {
    /// Pages handled so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Names listed so far, before include and exclude.
    pub fn listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }

    /// Whether no further name will be listed.
    pub fn is_list_whole(&self) -> bool {
        self.is_list_whole.load(Ordering::Relaxed)
    }

    /// Repositories that are to be read, those that are read already among them. The number grows while names are listed.
    pub fn to_read(&self) -> u64 {
        self.to_read.load(Ordering::Relaxed)
    }

    /// Repositories read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Tags seen so far.
    pub fn tags(&self) -> u64 {
        self.tags.load(Ordering::Relaxed)
    }
}

/// How a walk ended.
#[derive(Debug)]
pub enum WalkEnd {
    /// After the last page and the last repository.
    Whole,
    /// At `max_repositories`; the registry may list more.
    Limited,
    /// The stop token was cancelled.
    Stopped,
    /// An error ended it.
    Failed(WalkError),
    /// The registry does not continue where the interrupted walk stopped. Nothing was read.
    Stale(WalkError),
}

/// What ends a walk early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server repeats names that it listed before.
    #[error("catalog page {page} lists only names that were listed before: the server repeats itself")]
    NoProgress {
        /// The page, from 1.
        page: u64,
    },
    /// The page after an interrupted walk's cursor repeats names that the walk had listed.
    #[error(
        "the catalog does not continue where the walk was interrupted: the server lists from the beginning, or in another order"
    )]
    Astray,
    /// The state directory's disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What a walk leaves.
#[derive(Debug)]
pub struct WalkOutcome {
    /// How it ended.
    pub ended: WalkEnd,
    /// Counts of the whole walk, including its part before an interruption.
    pub counts: WalkCounts,
    /// The rows.
    pub spool: Spool,
    /// Whether the walk left a checkpoint from which another run can resume it.
    pub resumable: bool,
}

impl WalkCounts {
    /// Errors of single repositories.
    pub fn errors(&self) -> Vec<RunError> {
        self.notes.clone().into_errors()
    }
}

impl WalkSettings {
    /// The tables that a walk with these settings fills.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![Table::Repositories];
        if self.depth > Depth::Repositories || !self.monitored.is_empty() {
            tables.push(Table::Tags);
        }
        if self.depth == Depth::Manifests {
            tables.push(Table::Manifests);
        }
        tables
    }
}

#[cfg(test)]
mod tests;
