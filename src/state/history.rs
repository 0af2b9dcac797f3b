//! The history of runs: how the last one ended, when the last complete one ended, which sinks failed, and how often the
//! credentials were rejected. It is stored, so that alerts survive a restart.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::{Trigger, Verdict};

use crate::snapshot::{ChangeCounts, UnreadRepositories};

/// After this many rejections in a row, scheduled runs do not send the credentials again: some services lock an account
/// at the fifth.
pub const MOST_REFUSALS: u32 = 3;

/// After this many rejections within an hour, scheduled runs do not send changed credentials either: a credential
/// program that prints a new secret each time would lock the account too.
pub const MOST_REFUSALS_AN_HOUR: usize = 4;

/// The runs of one registry that had a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// The last one.
    pub last: Option<LastRun>,
    /// The last slot of the schedule whose run ended without interruption, sinks included.
    pub served: Option<DateTime<Utc>>,
    /// When the last run ended that was complete and delivered to every sink.
    pub last_success_at: Option<DateTime<Utc>>,
    /// Runs since the last one that was published.
    pub failures: u32,
    /// How much is in the last published snapshot.
    pub inventory: Option<Inventory>,
    /// The sinks by their configured names.
    pub sinks: BTreeMap<String, SinkHistory>,
    /// The refusals of the credentials since they were last accepted.
    pub refusals: Option<Refusals>,
}

/// A run that had a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// `quay-20261123T020000Z`.
    pub run_id: String,
    /// The time it stands for.
    pub slot: DateTime<Utc>,
    /// Whether a schedule or a person started it.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended, sinks included.
    pub finished_at: DateTime<Utc>,
    /// When its walk was judged; sealing and sinks came after.
    pub judged_at: DateTime<Utc>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not complete.
    pub reason: Option<Reason>,
    /// Rows of `repositories`, published or not.
    pub repositories: u64,
    /// Requests sent.
    pub requests: u64,
    /// The repositories that could not be read.
    #[serde(default)]
    pub unread: UnreadRepositories,
    /// The command that shows all of them.
    #[serde(default)]
    pub show_all: Option<String>,
    /// What differs from what was known before; `None` on a first night, and where nothing was published.
    #[serde(default)]
    pub changes: Option<ChangeCounts>,
}

/// Why a run is not complete, for machines and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One of a fixed list of codes: `credentials_rejected`.
    pub code: String,
    /// What happened and where.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// How much is in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Rows of `repositories`.
    pub repositories: u64,
    /// Rows of `tags`.
    pub tags: u64,
    /// Rows of `manifests`.
    pub manifests: u64,
    /// The time that it stands for; `None` if an earlier version wrote this.
    #[serde(default)]
    pub slot: Option<DateTime<Utc>>,
}

/// One sink of one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkHistory {
    /// When it last took a snapshot. The record of a run that published nothing is none.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Where that is.
    pub location: Option<String>,
    /// Why the last delivery failed, and what to do; `None` if it succeeded.
    pub error: Option<String>,
    /// The runs whose snapshots it does not have, the oldest first.
    pub owed: Vec<String>,
    /// The last snapshot that it will never get.
    pub lost: Option<LostNight>,
}

/// A snapshot that a sink will never get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostNight {
    /// Its run.
    pub run_id: String,
    /// When it was given up.
    pub at: DateTime<Utc>,
}

/// Refusals of one and the same secret in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// How many.
    pub count: u32,
    /// The last one.
    pub at: DateTime<Utc>,
    /// The reason, and what to do.
    pub reason: Reason,
    /// PBKDF2 of the secret, hex, by which another one is told from it.
    pub fingerprint: String,
    /// Its salt, hex.
    pub salt: String,
    /// The last refusals, of this secret and of those before it, oldest first: no more than are allowed in an hour.
    #[serde(default)]
    pub times: Vec<DateTime<Utc>>,
}

impl Refusals {
    /// Whether the schedule leaves the registry alone: until the secret changes or a person's run is accepted, or for a
    /// while, where other secrets were refused as well.
    pub fn is_suspended(&self) -> bool {
        self.is_of_one_secret() || self.times.last().is_some_and(|last| self.is_too_soon(*last))
    }

    /// Whether this secret alone was refused too often.
    pub fn is_of_one_secret(&self) -> bool {
        self.count >= MOST_REFUSALS
    }

    /// What happens next: whether scheduled runs send the credentials again.
    pub fn next(&self) -> String {
        if self.is_of_one_secret() {
            return "scheduled runs send nothing until the secret changes or a run by hand is accepted".to_owned();
        }
        if let Some(until) = self.suspended_until() {
            let count = self.times.len();
            return format!(
                "{count} secrets were refused within an hour, so scheduled runs send nothing before {}",
                until.format("%Y-%m-%d %H:%M:%SZ")
            );
        }
        let left = MOST_REFUSALS.saturating_sub(self.count);
        let times = if left == 1 { "1 more refusal".to_owned() } else { format!("{left} more refusals") };
        format!("the next scheduled run sends them again; after {times} in a row, none does until the secret changes")
    }

    /// Until when scheduled runs send no secret at all, because several were refused in short order.
    pub fn suspended_until(&self) -> Option<DateTime<Utc>> {
        let is_waiting = !self.is_of_one_secret() && self.is_suspended();
        self.times.first().filter(|_| is_waiting).map(|oldest| *oldest + TimeDelta::hours(1))
    }

    /// Whether at this time too many refusals, of whatever secrets, are less than an hour away. Those that lie ahead
    /// for longer than that come from a clock that was wrong.
    pub fn is_too_soon(&self, now: DateTime<Utc>) -> bool {
        let is_near = |at: &&DateTime<Utc>| (now - **at).abs() < TimeDelta::hours(1);
        self.times.iter().filter(is_near).count() >= MOST_REFUSALS_AN_HOUR
    }
}
