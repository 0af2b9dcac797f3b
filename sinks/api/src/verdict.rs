//! The verdict on a walk. It is decided before anything is published.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The verdict on one run. It is known before a sink gets the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every repository is known and was read.
    Complete,
    /// Every name is known, but some repositories could not be read. Their rows say so.
    Gaps,
    /// The list of names is incomplete.
    Partial,
    /// The registry refused the login or the list.
    Denied,
    /// The registry has no catalog.
    Unsupported,
    /// Read without an error, but empty or much smaller than before.
    Suspicious,
    /// The walk read no page, or its rows could not be stored.
    Failed,
}

impl Verdict {
    /// All verdicts, from best to worst.
    pub const ALL: [Self; 7] =
        [Self::Complete, Self::Gaps, Self::Partial, Self::Denied, Self::Unsupported, Self::Suspicious, Self::Failed];

    /// Whether a snapshot with this verdict may replace the last good inventory.
    pub fn is_publishable(self) -> bool {
        matches!(self, Self::Complete | Self::Gaps)
    }

    /// The word used in tables, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Gaps => "gaps",
            Self::Partial => "partial",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Suspicious => "suspicious",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
