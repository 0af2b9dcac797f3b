//! What a walk turned out to be, decided before anything is published.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The judgement over one run; known before a sink sees anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every repository is known and was read.
    Complete,
    /// Every name is known, some repositories could not be read; their rows say so.
    Gaps,
    /// The list of names is cut short.
    Partial,
    /// The registry refused us.
    Denied,
    /// The registry has no catalog.
    Unsupported,
    /// Read without an error, yet empty or sharply smaller than before.
    Suspicious,
    /// The walk did not get as far as one page, or its rows could not be kept.
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
