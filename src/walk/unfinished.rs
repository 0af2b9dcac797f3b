//! A walk that was cut off, as its checkpoint tells of it: killed, stopped, or left by the network. Another run may go on
//! where it ended, while the catalog is still much the same and the cursor works.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::recorder::WalkCounts;
use crate::registry::Cursor;
use crate::snapshot::{Spool, SpoolError, is_unused};

/// What a checkpoint says beside the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WalkCheckpoint {
    /// For which settings of the registry the walk was made.
    pub(super) fingerprint: String,
    pub(super) begun_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) pages: ListPosition,
    /// Repositories whose names are entered and which are still to be read.
    pub(super) pending: Vec<String>,
    #[serde(rename = "books")]
    pub(super) counts: WalkCounts,
}

/// How far the list of names has come.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) enum ListPosition {
    /// No page is entered yet.
    None,
    /// Up to here.
    Until(Cursor),
    /// To a page after which nobody can go on but whoever read it.
    Lost,
    /// To the end, or as far as was wanted.
    Over {
        /// Whether there would have been more.
        limited: bool,
    },
}

/// A walk that may be taken up again.
#[derive(Debug)]
pub struct Unfinished {
    pub(super) spool: Spool,
    pub(super) cut: WalkCheckpoint,
}

/// Why no walk is gone on with.
#[derive(Debug, thiserror::Error)]
pub enum NotResumed {
    /// None was cut off.
    #[error("there is none")]
    Nothing,
    /// It was cut off before its first checkpoint, or what it left is damaged.
    #[error("it left no checkpoint that can be read")]
    Unreadable,
    /// Walks are not gone on with.
    #[error("`resume_within` is off")]
    Off,
    /// The walk was made for other settings.
    #[error("the configuration has changed since")]
    OtherSettings,
    /// The walk began too long ago.
    #[error("it is older than `resume_within`")]
    TooOld,
    /// By the clock, the walk has not begun yet.
    #[error("it begins in the future: was the clock set back?")]
    Ahead,
    /// What came after its checkpoint cannot be removed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Unfinished {
    /// The walk that was cut off in this directory, if it is worth going on with: of the same settings, begun no longer
    /// than `within` before `now`, and not in the future.
    ///
    /// # Errors
    /// Why it is not, or that there is none.
    pub fn find(directory: &Path, fingerprint: &str, within: Duration, now: DateTime<Utc>) -> Result<Self, NotResumed> {
        if is_unused(directory) {
            return Err(NotResumed::Nothing);
        }
        let of = |note| serde_json::from_value::<WalkCheckpoint>(note).ok();
        let cut = Spool::peek(directory).and_then(of).ok_or(NotResumed::Unreadable)?;
        let age = now - cut.begun_at;
        if within.is_zero() {
            Err(NotResumed::Off)
        } else if cut.fingerprint != fingerprint {
            Err(NotResumed::OtherSettings)
        } else if age < TimeDelta::zero() {
            Err(NotResumed::Ahead)
        } else if age >= TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX) {
            Err(NotResumed::TooOld)
        } else {
            let (spool, note) = Spool::resume(directory)?.ok_or(NotResumed::Unreadable)?;
            Ok(Self { spool, cut: of(note).ok_or(NotResumed::Unreadable)? })
        }
    }

    /// Which walk this is, for people.
    pub fn described(&self) -> String {
        let WalkCheckpoint { begun_at, ended_at, counts, pending, .. } = &self.cut;
        let clock = |time: &DateTime<Utc>| time.format("%H:%M:%S UTC").to_string();
        format!(
            "the walk of {}, cut off at {} after {} pages and {} names, {} of them still to be read",
            clock(begun_at),
            clock(ended_at),
            counts.pages,
            counts.listed,
            pending.len()
        )
    }
}
