//! The status of the daemon and its registries at one time, as plain data.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;

use crate::state::{History, Reason};
use crate::words::first_of;

/// So many registries are named in a remark.
const NAMED: usize = 10;

/// The status of the daemon and its registries.
#[derive(Clone, Debug)]
pub struct Status {
    /// The time of this status.
    pub now: DateTime<Utc>,
    /// When the daemon started.
    pub started_at: DateTime<Utc>,
    /// When the scheduler last ticked.
    pub ticked_at: DateTime<Utc>,
    /// Whether the daemon is stopping.
    pub is_stopping: bool,
    /// The configuration in use.
    pub configuration: ConfigurationStatus,
    /// In the order of the configuration.
    pub registries: Vec<RegistryStatus>,
}

/// Which configuration is in use.
#[derive(Clone, Debug)]
pub struct ConfigurationStatus {
    /// The main file.
    pub file: String,
    /// When the configuration was loaded.
    pub loaded_at: DateTime<Utc>,
    /// All problems of a later configuration that could not be loaded.
    pub error: Option<String>,
}

/// The status of one registry.
#[derive(Clone, Debug)]
pub struct RegistryStatus {
    /// The configured name.
    pub name: RegistryName,
    /// The URL without a password.
    pub url: String,
    /// When this registry was first loaded.
    pub first_seen_at: DateTime<Utc>,
    /// The schedule; none if runs take place only on request.
    pub schedule: Option<ScheduleStatus>,
    /// The current activity.
    pub activity: Activity,
    /// The runs so far, including those of other processes.
    pub history: History,
    /// Why the last run left no history: the state directory could not be used, or the run panicked.
    pub trouble: Option<Reason>,
    /// The token of the run in progress.
    pub token: TokenStatus,
    /// The most requests in flight.
    pub concurrency: usize,
    /// The names of the sinks in the order of the configuration.
    pub sinks: Vec<String>,
}

/// The schedule of a registry.
#[derive(Clone, Debug)]
pub struct ScheduleStatus {
    /// The configured expression: `0 2 * * *`.
    pub expression: String,
    /// `Europe/Dublin`.
    pub time_zone: String,
    /// The next start, jitter included; none if there is no further run.
    pub next: Option<DateTime<Utc>>,
    /// The longest gap between two successive slots.
    pub interval: Option<Duration>,
}

/// The activity of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// No run is queued or in progress.
    Idle,
    /// A run waits until fewer than `concurrency` runs are in progress.
    Queued,
    /// A run is in progress.
    Running {
        /// When the run started.
        since: DateTime<Utc>,
        /// Pages received.
        pages: u64,
        /// Names listed.
        listed: u64,
        /// Whether no further name will be listed.
        is_list_whole: bool,
        /// Repositories to be read, those that are read among them; 0 in a walk that reads only names.
        to_read: u64,
        /// Repositories read.
        read: u64,
    },
}

/// The token of a run in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// No token is held: no run is in progress, or no token was needed so far.
    None,
    /// The token that expires last.
    Held {
        /// When the token expires.
        expires_at: DateTime<Utc>,
        /// When the token is renewed.
        renew_at: DateTime<Utc>,
    },
    /// The token has expired or was rejected.
    Expired,
}

impl Status {
    /// The registries that nothing starts, and what to do about them; `None` if there are none.
    pub fn remark(&self) -> Option<String> {
        let idle: Vec<_> = self.registries.iter().filter(|registry| registry.is_left_alone()).collect();
        let names = first_of(idle.iter().map(|registry| &registry.name), NAMED);
        let (have, them) = if idle.len() == 1 { ("has", "it") } else { ("have", "them") };
        (!idle.is_empty()).then(|| {
            format!(
                "{names} {have} no schedule and never ran: the daemon never runs {them} by itself; add `schedule`, or \
                 ask for a run"
            )
        })
    }
}

impl RegistryStatus {
    /// Whether nothing starts it: it has no schedule, and nobody has ever asked for a run.
    pub fn is_left_alone(&self) -> bool {
        self.schedule.is_none() && self.is_new() && self.activity == Activity::Idle && self.trouble.is_none()
    }

    /// Whether no run of it has ended yet.
    pub fn is_new(&self) -> bool {
        self.history.last.is_none()
    }

    /// Whether the credentials were refused when they were last sent.
    pub fn are_credentials_rejected(&self) -> bool {
        self.history.refusals.is_some()
    }

    /// Whether scheduled runs are suspended until the credentials change.
    pub fn is_suspended(&self) -> bool {
        self.history.refusals.as_ref().is_some_and(crate::state::Refusals::is_suspended)
    }
}
