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
mod night;
mod rows;
mod tag_rows;
#[cfg(test)]
mod tests;
mod tonight;

use super::{ChangeCounts, Sealed};
use baseline::Baseline;
use compare::Comparing;
use tonight::Tonight;

pub use night::{ChangesError, Night};

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
