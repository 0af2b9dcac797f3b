//! The one place that reads the wall clock. Durations and deadlines use `tokio::time`, which tests can pause.

use chrono::{DateTime, TimeDelta, Utc};

/// A recorded time that lies further ahead of the clock than this was recorded while the clock was wrong: a time zone
/// that is set wrongly makes 25 hours at most.
pub const FAR_AHEAD: TimeDelta = TimeDelta::hours(25);

/// The time now.
#[allow(clippy::disallowed_methods)] // this is the module that the rule points to
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
