//! The checkpoint of an interrupted walk, which was killed or stopped, or lost its network. Another run resumes it
//! while it is recent and the cursor still works.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::recorder::WalkCounts;
use crate::registry::Cursor;
use crate::snapshot::{Spool, SpoolError, is_unused};
use crate::words::counted;

/// What a checkpoint stores beside the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WalkCheckpoint {
    /// Hash of the settings that the walk used.
    pub(super) fingerprint: String,
    pub(super) begun_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) pages: ListPosition,
    /// Repositories that were listed and not read yet.
    pub(super) pending: Vec<String>,
    #[serde(rename = "books")]
    pub(super) counts: WalkCounts,
}

/// How far the list of names was read.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) enum ListPosition {
    /// No page was recorded yet.
    None,
    /// Up to this cursor.
    Until(Cursor),
    /// To a page without a cursor: only the process that read it can ask for the next page.
    Lost,
    /// To the last page, or to `max_repositories`.
    Over {
        /// Whether the registry may list more names.
        limited: bool,
    },
}

/// An interrupted walk that can be resumed.
#[derive(Debug)]
pub struct Unfinished {
    pub(super) spool: Spool,
    pub(super) cut: WalkCheckpoint,
}

/// Why no walk is resumed.
#[derive(Debug, thiserror::Error)]
pub enum NotResumed {
    /// No walk was interrupted.
    #[error("there is none")]
    Nothing,
    /// It was interrupted before its first checkpoint, or the checkpoint is damaged.
    #[error("it left no checkpoint that can be read")]
    Unreadable,
    /// The configuration turns resuming off.
    #[error("`resume_within` is off")]
    Off,
    /// The settings changed after the walk began.
    #[error("the configuration has changed since")]
    OtherSettings,
    /// The walk began too long ago.
    #[error("it is older than `resume_within`")]
    TooOld,
    /// The walk began in the future, by the clock of today.
    #[error("it begins in the future: was the clock set back?")]
    Ahead,
    /// Files that are newer than its checkpoint cannot be removed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Unfinished {
    /// The interrupted walk in this directory, if it can be resumed: it has the same settings, and began less than
    /// `within` before `now` and not in the future.
    ///
    /// # Errors
    /// If there is none, or it cannot be resumed.
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

    /// A description of this walk for log messages.
    pub fn described(&self) -> String {
        let WalkCheckpoint { begun_at, ended_at, counts, pending, .. } = &self.cut;
        let clock = |time: &DateTime<Utc>| time.format("%H:%M:%S UTC").to_string();
        format!(
            "the walk of {}, interrupted at {} after {} and {}, {} of them still to be read",
            clock(begun_at),
            clock(ended_at),
            counted(counts.pages, "page", "pages"),
            counted(counts.listed, "name", "names"),
            pending.len()
        )
    }
}
