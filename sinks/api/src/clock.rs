//! The one place that reads the wall clock. Durations and deadlines use `tokio::time`, which tests can pause.

use chrono::{DateTime, TimeDelta, Utc};

/// A recorded time that is further in the future than this was recorded while the clock was wrong. A wrong time zone makes
/// a difference of at most 25 hours.
pub const FAR_AHEAD: TimeDelta = TimeDelta::hours(25);

/// The current time.
#[allow(clippy::disallowed_methods)] // this is the module that the rule points to
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
