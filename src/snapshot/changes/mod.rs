//! Table `changes`: how a snapshot differs from what was last known of each repository.
//!
//! What is last known is the *baseline*: of a repository that was read wholly, the rows of that night; of one that could
//! not be read, what was known before. The last sealed snapshot is the baseline, with files beside it that hold what
//! was carried on from nights before it. Replaying the changes of all nights over the first snapshot gives exactly the
//! baseline. `docs/reading-the-data.md` has the rules.

mod baseline;
mod carried;
mod compare;
mod decision;
mod rows;
mod tag_rows;
#[cfg(test)]
mod tests;
mod tonight;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Scope, SealError, Sealed};
use baseline::Baseline;
use compare::Comparing;
use tonight::Tonight;

pub(super) use carried::FILES as CARRIED_FILES;

/// How many rows of table `changes` there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Repositories and tags that came.
    pub added: u64,
    /// Repositories and tags that went.
    pub removed: u64,
    /// Tags that point to another digest.
    pub moved: u64,
}

impl ChangeCounts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.added + self.removed + self.moved
    }
}

/// Why two nights could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// What was known before cannot be read.
    #[error(transparent)]
    Baseline(SealError),
    /// The tables of this night cannot be read, or its changes cannot be written.
    #[error(transparent)]
    Tonight(SealError),
}

/// A night that is compared with what was known before it.
#[derive(Clone, Copy, Debug)]
pub struct Night<'a> {
    /// The directory of its finished tables; the table of changes is written there.
    pub directory: &'a Path,
    /// What it covers.
    pub scope: &'a Scope,
    /// Its run.
    pub run_id: &'a str,
    /// The time at which changes count as found.
    pub detected_at: DateTime<Utc>,
}

/// Writes the table `changes` of a night, and what is carried on beside it. On a first night, without a baseline, the
/// table has no rows. Waits for the disk.
///
/// # Errors
/// If a table cannot be read or written. What was written so far is replaced by the next try.
pub fn compare(before: Option<&Sealed>, night: &Night<'_>) -> Result<ChangeCounts, ChangesError> {
    let baseline = before.map(Baseline::open).transpose().map_err(ChangesError::Baseline)?.flatten();
    let tonight = Tonight::open(night).map_err(ChangesError::Tonight)?;
    Comparing::new(baseline, tonight, night).map_err(ChangesError::Tonight)?.finish()
}
