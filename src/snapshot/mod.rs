//! From rows to a sealed snapshot: spool while the walk goes on, merge and seal when it ends, judge before anything is
//! published. Knows no registry and no sink.

mod cells;
mod checkpoint;
mod columns;
mod guards;
mod judge;
mod keys;
mod known;
mod lane;
mod merge;
#[cfg(test)]
mod model_tests;
mod newly_gone;
mod own;
mod patience;
mod rows;
mod sealed;
mod segment;
mod segments;
mod spool;

pub use judge::{Caller, Ending, Evidence, Extent, JudgeSettings, Judgement, Refused, judge};
pub use known::{Known, KnownRepository, KnownTag};
pub use newly_gone::newly_gone;
pub use own::{discard, is_unused};
pub use rows::{LayerRow, ManifestRow, RepositoryRow, RepositoryState, TagRow};
pub use sealed::{SealError, Sealed, Unsealed};
pub use segments::{MOST_FILES, WIDE_MERGE_FILES};
pub use spool::{Spool, SpoolError};

/// Where something is full: at so many rows or so many bytes, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    rows: usize,
    bytes: usize,
}

/// A batch where many segments are read at once: 256 of them, one batch of each in memory, stay within 32 MiB.
const MERGED_BATCH: Limit = Limit { rows: 2048, bytes: 128 * 1024 };

/// A batch where rows come in order and one segment takes them all: large enough to amortise a batch's headers. Some
/// four thousand repositories, two and a half thousand tags, two to three hundred manifests.
const ORDERED_BATCH: Limit = Limit { rows: 4096, bytes: 512 * 1024 };
