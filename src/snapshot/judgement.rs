//! A verdict with its reason, and how strictly a registry is judged.

use stocktake_sink::Verdict;

/// How strictly the walks of one registry are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgeSettings {
    /// Accept an empty inventory.
    pub allow_empty: bool,
    /// The share (0 to 1) by which the inventory may shrink against the last snapshot.
    pub shrink_limit: f64,
}

impl Default for JudgeSettings {
    fn default() -> Self {
        Self { allow_empty: false, shrink_limit: 0.2 }
    }
}

/// The verdict, and why, where it is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One line for people: what was counted, and what it was compared with.
    pub reason: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// Whether the reason is a loss against the last snapshot, which a person may know of and accept.
    pub is_loss: bool,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict, reason: Some(reason.into()), remedy: Some(remedy.into()), is_loss: false }
    }

    /// A loss against the last snapshot.
    pub(super) fn loss(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { is_loss: true, ..Self::new(Verdict::Suspicious, reason, remedy) }
    }

    pub(super) fn bare(verdict: Verdict) -> Self {
        Self { verdict, reason: None, remedy: None, is_loss: false }
    }
}

/// `3 denied, 1 gone`, of those that there are.
pub(super) fn kinds(counts: &[(u64, &str)]) -> String {
    let there = counts.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}"));
    there.collect::<Vec<_>>().join(", ")
}
