//! How everything stands at one moment: what the daemon knows, for whoever shows it. Plain data; nothing is read here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;

use crate::state::{History, Reason};

/// The daemon and its registries.
#[derive(Clone, Debug)]
pub struct Status {
    /// The moment.
    pub now: DateTime<Utc>,
    /// When the daemon began.
    pub started_at: DateTime<Utc>,
    /// When the scheduling loop last turned.
    pub ticked_at: DateTime<Utc>,
    /// Whether it has been told to stop.
    pub is_stopping: bool,
    /// The configuration in use.
    pub configuration: ConfigurationStatus,
    /// In the order of the configuration.
    pub registries: Vec<RegistryStatus>,
}

/// Which configuration is in use.
#[derive(Clone, Debug)]
pub struct ConfigurationStatus {
    /// Its main file.
    pub file: String,
    /// When it was loaded.
    pub loaded_at: DateTime<Utc>,
    /// Why a later one was not taken, all problems of it; none: there was none, or it was.
    pub error: Option<String>,
}

/// One registry.
#[derive(Clone, Debug)]
pub struct RegistryStatus {
    /// Its configured name.
    pub name: RegistryName,
    /// Its address, without a password.
    pub url: String,
    /// When this definition was first met.
    pub first_seen_at: DateTime<Utc>,
    /// When it runs; none: only when a person asks.
    pub schedule: Option<ScheduleStatus>,
    /// What it is doing.
    pub activity: Activity,
    /// Its runs so far, those of other processes included.
    pub history: History,
    /// Why the last run came to nothing and left no history: the state directory could not be used, or it panicked.
    pub trouble: Option<Reason>,
    /// The tokens of the run in progress.
    pub token: TokenStatus,
    /// Most requests in flight.
    pub concurrency: usize,
    /// The names of its sinks, in their order.
    pub sinks: Vec<String>,
}

/// When a registry runs.
#[derive(Clone, Debug)]
pub struct ScheduleStatus {
    /// As configured: `0 2 * * *`.
    pub expression: String,
    /// `Europe/Dublin`.
    pub time_zone: String,
    /// The next start, jitter included; none: never again.
    pub next: Option<DateTime<Utc>>,
    /// The longest gap between two successive slots.
    pub interval: Option<Duration>,
}

/// What a registry is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing.
    Idle,
    /// It is its turn, and `concurrency` others are running.
    Queued,
    /// A run is in progress.
    Running {
        /// Since when.
        since: DateTime<Utc>,
        /// Pages received.
        pages: u64,
        /// Names listed.
        listed: u64,
        /// Repositories read.
        read: u64,
    },
}

/// The token of a run in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// None is held: no run is in progress, or none was needed so far.
    None,
    /// The one that lives longest.
    Held {
        /// When it dies.
        expires_at: DateTime<Utc>,
        /// When it is to be renewed.
        renew_at: DateTime<Utc>,
    },
    /// There was one, and it is dead or was refused.
    Expired,
}

impl RegistryStatus {
    /// Whether the credentials were refused when they were last sent.
    pub fn are_credentials_rejected(&self) -> bool {
        self.history.refusals.is_some()
    }

    /// Whether the schedule leaves the registry alone until they change.
    pub fn is_suspended(&self) -> bool {
        self.history.refusals.as_ref().is_some_and(crate::state::Refusals::is_suspended)
    }
}
