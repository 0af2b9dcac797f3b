//! A night that is compared with what was known before, and why that may fail.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::super::{Scope, SealError};

/// Why two nights could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// What was known before cannot be read.
    #[error(transparent)]
    Baseline(SealError),
    /// The tables of this night cannot be read, or its changes cannot be written.
    #[error(transparent)]
    Tonight(SealError),
}

/// A night that is compared with what was known before it.
#[derive(Clone, Copy, Debug)]
pub struct Night<'a> {
    /// The directory of its finished tables; the table of changes is written there.
    pub directory: &'a Path,
    /// What it covers.
    pub scope: &'a Scope,
    /// Its run.
    pub run_id: &'a str,
    /// The time at which changes count as found.
    pub detected_at: DateTime<Utc>,
}
