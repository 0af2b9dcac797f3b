//! One registry becomes rows in the spool: names page by page, and meanwhile the repositories themselves, several at
//! once. Knows no verdict and no sink.

mod driver;
mod manifests;
mod memory;
mod monitored;
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
use std::sync::atomic::{AtomicU64, Ordering};

use stocktake_sink::{RunError, Table};

pub use driver::walk;
pub use recorder::{Unlisted, WalkCounts};
pub use settings::{Depth, NameFilter, WalkSettings};
pub use unfinished::{NotResumed, Unfinished};

use crate::discovery::Discovery;
use crate::registry::{Contents, RegistryError};
use crate::snapshot::{SnapshotLookup, Spool, SpoolError};

/// Where a walk gets its answers.
#[derive(Clone, Debug)]
pub struct WalkSources<'a> {
    /// The names.
    pub discovery: &'a dyn Discovery,
    /// What the repositories hold.
    pub contents: &'a dyn Contents,
    /// What the last snapshot holds, where it may be relied on.
    pub known: Option<Arc<SnapshotLookup>>,
    /// Repositories read at once.
    pub concurrency: NonZeroUsize,
}

/// How a walk begins.
#[derive(Debug)]
pub enum WalkStart {
    /// From nothing.
    Fresh {
        /// Where rows go; empty.
        spool: Spool,
        /// What a later run's settings are compared with, before it goes on where this walk is cut off; none if none
        /// shall.
        fingerprint: Option<String>,
    },
    /// Where an earlier one was cut off.
    Unfinished(Box<Unfinished>),
}

/// Counters that others may read while a walk goes on.
#[derive(Debug, Default)]
pub struct WalkProgress {
    pages: AtomicU64,
    listed: AtomicU64,
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
    /// At `max_repositories`, before the last page or name.
    Limited,
    /// By the stop token.
    Stopped,
    /// By an error.
    Failed(WalkError),
    /// The place where an earlier walk was cut off is not to be found again. Nothing was done.
    Stale(WalkError),
}

/// What ends a walk early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server sends names we have, over and over.
    #[error("catalog page {page} holds no name that was not listed before: the server has lost its place")]
    NoProgress {
        /// The page, from 1.
        page: u64,
    },
    /// What the server sends in answer to an earlier walk's cursor does not come after what that walk listed.
    #[error(
        "the catalog does not go on where the walk was cut off: the server has lost its place, or its order is another"
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
    /// What was counted, an earlier part of the walk included.
    pub counts: WalkCounts,
    /// The rows.
    pub spool: Spool,
    /// Whether a checkpoint is left from which another run may go on.
    pub resumable: bool,
}

impl WalkCounts {
    /// What went wrong with single repositories.
    pub fn errors(&self) -> Vec<RunError> {
        self.notes.clone().into_errors()
    }
}

impl WalkSettings {
    /// The tables that a walk of these settings fills.
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
