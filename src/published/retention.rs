//! Which runs are old: pure functions of the runs, the rule and the time.

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{PublishedRun, PublishedRuns};

use super::current;

/// What is kept of each registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// The newest so many published inventories, and every run since the oldest of them.
    Keep(usize),
    /// Every run whose scheduled time is not longer ago than this.
    Younger(TimeDelta),
}

impl Retention {
    /// The runs that may go, the oldest first. What readers take for the newest stays in any case. Manifests that cannot be
    /// read are not among the runs, and so stay too.
    pub fn expired<'r>(&self, runs: &'r PublishedRuns, now: DateTime<Utc>) -> Vec<&'r PublishedRun> {
        let Some(oldest_kept) = self.oldest_kept(runs, now) else { return Vec::new() };
        let newest = runs.newest();
        let is_old = |run: &&PublishedRun| run.id.scheduled_at < oldest_kept && !newest.contains(&run.id);
        runs.runs.iter().filter(is_old).collect()
    }

    /// Runs of earlier slots are old.
    fn oldest_kept(self, runs: &PublishedRuns, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            // Nights that published nothing are not counted: a month of them must not remove the last good inventory.
            Self::Keep(count) => {
                let mut published = current(runs).rev().filter(|run| run.verdict.is_publishable());
                published.nth(count.checked_sub(1)?).map(|run| run.id.scheduled_at)
            }
            Self::Younger(age) => now.checked_sub_signed(age),
        }
    }
}

#[cfg(test)]
mod tests;
