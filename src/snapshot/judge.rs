//! The verdict: a pure function from what a walk saw to what may be done with it.
//!
//! Its rule of rules: good data is never replaced by less because of an error. What looks like an empty or a sharply
//! smaller registry is more often a lost permission than the truth. `guards` compares with the last snapshot; what is
//! here looks at tonight alone.

use serde::{Deserialize, Serialize};
use stocktake_sink::Verdict;

use super::guards;

/// How sceptical to be of one registry.
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

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After the last page, or at the configured number of repositories.
    Whole,
    /// By an error before anything was read: the registry refused us.
    Denied,
    /// By an error before the first page: there is no catalog.
    Unsupported,
    /// By any other error before anything was read, or by our own disk.
    Failed,
    /// By an error after something was read.
    CutShort,
}

/// How much is in a snapshot, as far as it is compared with the one before. What was not asked for is none, and so is
/// what an earlier version did not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extent {
    /// Rows of table `repositories`.
    pub repositories: u64,
    /// Names the registry listed, before include and exclude.
    pub listed: Option<u64>,
    /// Of the rows, the repositories that the registry says are gone; counted of those that were read.
    pub gone: u64,
    /// Repositories with at least one tag; none where tags were not asked for of every repository, as with the rest.
    pub tagged: Option<u64>,
    /// Rows of table `tags`.
    pub tags: Option<u64>,
    /// Tags that lead to a digest; none where manifests were not asked for, as with the rest.
    pub digests: Option<u64>,
    /// Rows of table `manifests`.
    pub manifests: Option<u64>,
    /// Manifests and configurations that something leads to, and that the registry says are not there.
    pub missing: Option<u64>,
}

/// As whom the registry was asked for its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Credentials are configured.
    Account,
    /// None are, and the registry has accounts: what it shows to everybody may be nothing.
    Anonymous,
    /// None are, and the registry asks for none.
    Anybody,
}

/// Repositories of which not even the tags could be listed, because of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The registry refused access.
    pub denied: u64,
    /// Anything else went wrong.
    pub failed: u64,
}

impl Refused {
    /// All of them.
    pub fn count(self) -> u64 {
        self.denied + self.failed
    }
}

/// What a walk saw.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// How it ended.
    pub ending: Ending,
    /// Names the registry listed, before include and exclude.
    pub listed: u64,
    /// What there is to publish.
    pub found: Extent,
    /// Listed names that break the grammar; no rows are made of them.
    pub invalid: u64,
    /// They, and repositories that could not be read, or only in part.
    pub unreadable: u64,
    /// Of those, the repositories of which not even the tags are known.
    pub refused: Refused,
    /// Repositories of which all is known that was asked for, or their tags at least.
    pub readable: u64,
    /// Repositories for which the registry wrote `null` instead of a list of tags.
    pub null: u64,
    /// Reasons why the list of names may not be whole.
    pub shortfalls: u64,
    /// Repositories that were complete in the last snapshot and are gone; at most [`Extent::gone`], and 0 where that is few
    /// more than last time.
    pub newly_gone: u64,
    /// As whom it asked.
    pub caller: Caller,
    /// What is in the last snapshot that could be published.
    pub previous: Option<Extent>,
}

/// The verdict, and why, where it is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One line for people: what was seen, and what it was compared with.
    pub reason: Option<String>,
    /// What to do now.
    pub remedy: Option<String>,
}

impl Judgement {
    pub(super) fn new(verdict: Verdict, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict, reason: Some(reason.into()), remedy: Some(remedy.into()) }
    }

    fn bare(verdict: Verdict) -> Self {
        Self { verdict, reason: None, remedy: None }
    }
}

/// Judges a walk.
pub fn judge(seen: &Evidence, settings: &JudgeSettings) -> Judgement {
    let verdict = match seen.ending {
        Ending::Denied => Verdict::Denied,
        Ending::Unsupported => Verdict::Unsupported,
        Ending::Failed => Verdict::Failed,
        Ending::CutShort => Verdict::Partial,
        Ending::Whole => {
            return nothing_listed(seen, settings)
                .or_else(|| nothing_readable(seen, settings))
                .or_else(|| guards::suspicion(seen, settings))
                .unwrap_or_else(|| with_gaps(seen, settings));
        }
    };
    // The error that ended the walk is the reason; whoever has it, tells it.
    Judgement::bare(verdict)
}

/// The registry lists nothing at all, which is what an account without permissions sees. Monitored repositories have
/// rows all the same; where some could be read, `with_gaps` publishes them.
fn nothing_listed(seen: &Evidence, settings: &JudgeSettings) -> Option<Judgement> {
    let Evidence { found, previous, .. } = seen;
    if seen.listed > 0 || settings.allow_empty {
        return None;
    }
    if found.repositories > 0 {
        // What was listed last time: by an earlier version's count, whatever is no row any more.
        let before = previous.map_or(0, |before| {
            before.listed.unwrap_or_else(|| before.repositories.saturating_sub(found.repositories))
        });
        return (before > 0).then(|| {
            let reason = format!("not one repository is listed any more; listed: {before} last time, 0 now");
            Judgement::new(Verdict::Suspicious, reason, guards::LOST_PERMISSIONS_OR_EMPTY)
        });
    }
    match seen.caller {
        Caller::Account => Some(Judgement::new(
            Verdict::Suspicious,
            "credentials are configured and not one repository is visible",
            guards::LOST_PERMISSIONS_OR_EMPTY,
        )),
        Caller::Anonymous => Some(Judgement::new(
            Verdict::Denied,
            "the registry has accounts, none is configured, and it lists no repository to anonymous callers",
            "configure `auth` with an account that may read the repositories; if the registry really is empty, set \
             `allow_empty: true`",
        )),
        Caller::Anybody => None,
    }
}

/// Not one repository could be read, for whatever reasons. At any size, and whatever the last night was, that is no
/// inventory.
fn nothing_readable(seen: &Evidence, settings: &JudgeSettings) -> Option<Judgement> {
    let Evidence { found, refused, null, invalid, .. } = seen;
    let (rows, gone) = (found.repositories, found.gone);
    let only_invalid = rows == 0 && *invalid > 0 && *invalid == seen.listed;
    if seen.readable > 0 || !(rows > 0 || only_invalid) {
        return None;
    }
    let all = rows + invalid;
    let reason = |kinds: &str| format!("not one of {all} repositories could be read: {kinds}");
    if refused.count() > 0 || only_invalid {
        let kinds = kinds(&[
            (refused.denied, "denied"),
            (refused.failed, "failed"),
            (gone, "gone"),
            (*null, "answered `tags: null`"),
            (*invalid, "with a name that breaks the specification"),
        ]);
        let denied = refused.denied > refused.failed;
        let verdict = if denied { Verdict::Denied } else { Verdict::Failed };
        let remedy = if denied {
            "grant this account Read (pull) on the repositories; where the names are enough, set `depth: repositories`"
        } else {
            "run `stocktake check` for this registry: it shows what the registry answers"
        };
        return Some(Judgement::new(verdict, reason(&kinds), remedy));
    }
    // From here on, it is the registry's word that nothing is there. docker-registry lists emptied repositories for ever.
    let before = seen.previous.filter(|before| before.tags.is_some());
    // An earlier version published what may not have been empty.
    let accepted = before.is_some_and(|before| before.tags == Some(0) && before.tagged.is_some());
    if settings.allow_empty || accepted {
        return None;
    }
    let kinds = kinds(&[(gone, "gone"), (*null, "answered `tags: null`")]);
    let live = before.map_or(0, |before| before.repositories.saturating_sub(before.gone));
    if live > 0 && *null == 0 {
        let reason = format!("all {rows} repositories are gone, of which {live} were there last time");
        return Some(Judgement::new(Verdict::Suspicious, reason, guards::LOST_TAGS_OR_EMPTY));
    }
    Some(Judgement::new(Verdict::Failed, reason(&kinds), guards::LOST_TAGS_OR_EMPTY))
}

fn with_gaps(seen: &Evidence, settings: &JudgeSettings) -> Judgement {
    let all = seen.found.repositories + seen.invalid;
    let mut reasons = Vec::new();
    let mut remedies = Vec::new();
    if seen.listed == 0 && seen.found.repositories > 0 && !settings.allow_empty {
        reasons.push(format!(
            "the registry lists no repository to this caller; only monitored repositories were asked: {all}"
        ));
        remedies.push(match seen.caller {
            Caller::Account => {
                "grant this account Read on the other repositories; if there are none, set `allow_empty: true`"
            }
            Caller::Anonymous | Caller::Anybody => {
                "configure `auth` with an account that may see the others; if there are none, set `allow_empty: true`"
            }
        });
    }
    if seen.unreadable > 0 {
        reasons.push(format!("{} of {all} repositories could not be read", seen.unreadable));
        remedies
            .push("table `runs` and the log say which and why; grant Read on them, or take them out with `exclude`");
    }
    if seen.shortfalls > 0 {
        reasons.push("the list of repositories may not be whole".to_owned());
        remedies.push("see the run's errors for what is missing, and correct it under `discovery` or at the registry");
    }
    if reasons.is_empty() {
        return Judgement::bare(Verdict::Complete);
    }
    Judgement::new(Verdict::Gaps, reasons.join("; "), remedies.join("; "))
}

/// `3 denied, 1 gone`, of those that there are.
pub(super) fn kinds(counts: &[(u64, &str)]) -> String {
    let there = counts.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}"));
    there.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
