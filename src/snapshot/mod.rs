//! Turns rows into a sealed snapshot: spools them during the walk, merges and seals them when it ends, and judges the
//! walk before anything is published. Knows no registry and no sink.

mod cells;
mod change_counts;
mod changes;
mod checkpoint;
mod columns;
mod disk_retry;
mod files;
mod guards;
mod judge;
mod judgement;
mod keys;
mod lane;
mod limit;
mod lookup;
mod merge;
#[cfg(test)]
mod model_tests;
mod monitored;
mod newly_gone;
mod own;
mod rows;
mod scope;
mod sealed;
mod segment;
mod segments;
mod sorted_rows;
mod spool;
mod unread;
mod walk_summary;

pub use change_counts::ChangeCounts;
pub use changes::{ChangesError, Night, compare};
pub use judge::{judge, judge_accepting_loss};
pub use judgement::{JudgeSettings, Judgement};
pub use lookup::{KnownRepository, SnapshotLookup};
pub use monitored::MonitoredNames;
pub use newly_gone::newly_gone;
pub use own::{discard, is_unused};
pub use rows::{KnownTag, LayerRow, ManifestRow, RepositoryRow, RepositoryState, TagRow};
pub use scope::{Depth, ListCoverage, NameFilter, Scope};
pub use sealed::{SealError, Sealed, Unsealed};
pub use segments::{MOST_FILES, WIDE_MERGE_FILES};
pub use spool::{Spool, SpoolError};
pub use unread::{UnreadCause, UnreadRepositories, UnreadRepository};
pub use walk_summary::{Caller, Extent, Refused, WalkCompletion, WalkSummary};
