//! From rows to a sealed snapshot: spool while the walk goes on, merge and seal when it ends, judge before anything is
//! published. Knows no registry and no sink.

mod columns;
mod judge;
mod keys;
mod merge;
mod sealed;
mod segment;
mod spool;

pub use columns::{RepositoryRow, RepositoryState};
pub use judge::{Ending, Evidence, JudgeSettings, Judgement, judge};
pub use sealed::{SealError, Sealed, Unsealed};
pub use spool::{Spool, SpoolError};

/// Rows per batch in spooled and sealed files: large enough to amortise a batch's header, small enough that a merge of
/// a few hundred segments, one batch of each in memory, stays within tens of MiB.
const BATCH_ROWS: usize = 2048;
