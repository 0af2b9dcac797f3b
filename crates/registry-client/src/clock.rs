//! The one module of this crate that reads the wall clock. Durations and deadlines use `tokio::time`, which tests can
//! pause.

use chrono::{DateTime, Utc};

/// The time now.
#[allow(clippy::disallowed_methods)] // this is the module that the rule points to
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
