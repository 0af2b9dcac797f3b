//! The verdict on a walk, as a pure function: whether its rows may be published.
//!
//! An error must never replace a good inventory by a smaller one. A registry that looks empty or much smaller has more
//! often revoked a permission than lost its repositories. `guards` compares with the last snapshot; this file looks at
//! this walk alone.

use stocktake_sink::Verdict;

use super::guards;
use super::judgement::{JudgeSettings, Judgement, kinds};
use super::walk_summary::{Caller, WalkCompletion, WalkSummary};
use crate::words::counted;

/// Judges a walk.
pub fn judge(seen: &WalkSummary, settings: &JudgeSettings) -> Judgement {
    judged(seen, settings, false)
}

/// Judges a walk of which a person knows that the registry has lost something. An inventory that was empty before as well,
/// or of which nothing could be read, is no loss: it is judged as ever.
pub fn judge_accepting_loss(seen: &WalkSummary, settings: &JudgeSettings) -> Judgement {
    judged(seen, settings, true)
}

fn judged(seen: &WalkSummary, settings: &JudgeSettings, accepts_loss: bool) -> Judgement {
    let verdict = match seen.ending {
        WalkCompletion::Denied => Verdict::Denied,
        WalkCompletion::Unsupported => Verdict::Unsupported,
        WalkCompletion::Failed => Verdict::Failed,
        WalkCompletion::CutShort => Verdict::Partial,
        WalkCompletion::Whole => {
            let guards = [nothing_listed, nothing_readable, guards::suspicion];
            let mut refused = guards.into_iter().filter_map(|guard| guard(seen, settings));
            let refused = refused.find(|judgement| !(accepts_loss && judgement.is_loss));
            return refused.unwrap_or_else(|| with_gaps(seen, settings));
        }
    };
    // The error that ended the walk is the reason. The caller has that error and reports it.
    Judgement::bare(verdict)
}

/// The registry lists nothing at all, which is what an account without permissions sees. Monitored repositories have
/// rows all the same; where some could be read, `with_gaps` publishes them.
fn nothing_listed(seen: &WalkSummary, settings: &JudgeSettings) -> Option<Judgement> {
    let WalkSummary { found, previous, .. } = seen;
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
            Judgement::loss(reason, guards::LOST_PERMISSIONS_OR_EMPTY)
        });
    }
    let before = previous.map(|before| before.repositories);
    match seen.caller {
        // The last inventory was empty as well, and somebody has accepted it.
        Caller::Account if before == Some(0) && previous.is_some_and(|before| before.listed == Some(0)) => None,
        // `guards` has the words for this.
        Caller::Account if before > Some(0) => None,
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
fn nothing_readable(seen: &WalkSummary, settings: &JudgeSettings) -> Option<Judgement> {
    let WalkSummary { found, refused, null, invalid, .. } = seen;
    let (rows, gone) = (found.repositories, found.gone);
    let only_invalid = rows == 0 && *invalid > 0 && *invalid == seen.listed;
    if seen.readable > 0 || !(rows > 0 || only_invalid) {
        return None;
    }
    let all = rows + invalid;
    let all = counted(all, "repository", "repositories");
    let reason = |kinds: &str| format!("not one of {all} could be read: {kinds}");
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
    // From here on, it is the registry's word that nothing is there. docker-registry lists emptied repositories for
    // ever.
    let before = seen.previous.filter(|before| before.tags.is_some());
    // An earlier version published what may not have been empty.
    let accepted = before.is_some_and(|before| before.tags == Some(0) && before.tagged.is_some());
    if settings.allow_empty || accepted {
        return None;
    }
    let kinds = kinds(&[(gone, "gone"), (*null, "answered `tags: null`")]);
    let live = before.map_or(0, |before| before.repositories.saturating_sub(before.gone));
    if live > 0 && *null == 0 {
        let reason = match rows {
            1 => "the one repository is gone, which was there last time".to_owned(),
            _ => format!("all {rows} repositories are gone; there last time: {live}"),
        };
        return Some(Judgement::loss(reason, guards::LOST_TAGS_OR_EMPTY));
    }
    Some(Judgement::new(Verdict::Failed, reason(&kinds), guards::LOST_TAGS_OR_EMPTY))
}

fn with_gaps(seen: &WalkSummary, settings: &JudgeSettings) -> Judgement {
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
        let all = counted(all, "repository", "repositories");
        reasons.push(format!("{} of {all} could not be read", seen.unreadable));
        remedies.push("take those that nobody needs out with `exclude`");
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

#[cfg(test)]
#[path = "accepted_loss_tests.rs"]
mod accepted_loss_tests;
#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
