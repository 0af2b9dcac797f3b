//! From rows to a sealed snapshot: spool while the walk goes on, merge and seal when it ends, judge before anything is
//! published. Knows no registry and no sink.

mod columns;
mod judge;
mod keys;
mod merge;
mod rows;
mod sealed;
mod segment;
mod spool;

pub use columns::{RepositoryRow, RepositoryState};
pub use judge::{Ending, Evidence, JudgeSettings, Judgement, judge};
pub use rows::{LayerRow, ManifestRow, TagRow};
pub use sealed::{SealError, Sealed, Unsealed};
pub use spool::{Spool, SpoolError};

/// Rows per batch where many segments are read at once: small enough that a merge of a few hundred of them, one batch of
/// each in memory, stays within tens of MiB.
const BATCH_ROWS: usize = 2048;

/// Rows per batch where rows come in order and one segment takes them all: large enough to amortise a batch's headers.
const ORDERED_BATCH_ROWS: usize = 4096;
