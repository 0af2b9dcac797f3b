//! The one place that reads the wall clock. Durations and deadlines use `tokio::time`, which tests can pause.

use chrono::{DateTime, Utc};

/// The time now.
#[allow(clippy::disallowed_methods)] // this is the module that the rule points to
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
