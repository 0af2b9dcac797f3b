//! Compares the counts of a walk with those of the last snapshot, and refuses losses that are too large. Pure.
//!
//! Small registries do change: a person deletes two of five repositories. So a few of anything may go in one night, and
//! beyond that a share; the loss of everything is always suspicious. Losses that the registry states (not listed, gone,
//! no tags) are bounded by `shrink_limit`, because the snapshot would call itself complete without them. Repositories
//! that could not be read make gaps, which are reported, unless nearly everything is lost.

use super::judgement::{JudgeSettings, Judgement, kinds};
use super::walk_summary::WalkSummary;
use crate::words::counted;

/// Below this many in the last snapshot, [`FEW`] may go.
const SMALL: u64 = 20;
/// So many may go from a small registry in one night.
const FEW: f64 = 3.0;
/// Beyond this share, nearly everything is lost.
const NEARLY_ALL: f64 = 0.8;
/// The share by which tags and manifests may become fewer, whatever the limit for repositories: cleaning up removes
/// most of them at once, and is no accident.
const CLEANED_UP: f64 = 0.9;
/// So many tags or manifests may go in one night, at any size: `CLEANED_UP` of twenty.
const FEW_TAGS: f64 = 18.0;

/// What to do about a list that became empty.
pub(super) const LOST_PERMISSIONS_OR_EMPTY: &str = "most likely the account lost its permissions: grant it Read on the repositories, `stocktake check` shows what it \
     may see; if the registry really is empty, set `allow_empty: true`";
/// What to do about repositories that have nothing any more.
pub(super) const LOST_TAGS_OR_EMPTY: &str =
    "look at one of the repositories by another way; if they really have no tags any more, set `allow_empty: true`";
const LOST_OR_DELETED: &str = "most likely the account lost its permissions: `stocktake check` shows what it may see";

/// The first of the guards that has something to say.
pub(super) fn suspicion(seen: &WalkSummary, settings: &JudgeSettings) -> Option<Judgement> {
    let this = Compared { seen, settings };
    if let Some(suspicious) = names(this) {
        return Some(suspicious);
    }
    let empty = seen.found.repositories == 0 || seen.found.tags == Some(0) && seen.refused.count() == 0;
    if settings.allow_empty && empty {
        return None;
    }
    let guards = [repositories_with_tags, tags, digests, manifests, missing];
    guards.into_iter().find_map(|guard| guard(this))
}

#[derive(Clone, Copy)]
struct Compared<'a> {
    seen: &'a WalkSummary,
    settings: &'a JudgeSettings,
}

impl Compared<'_> {
    /// `shrink_limit`, or a higher limit that holds whatever that one says.
    fn limit(self, at_least: f64) -> f64 {
        self.settings.shrink_limit.max(at_least)
    }

    /// Whether everything is lost, and that is not accepted.
    fn all_lost(self, before: u64, now: u64) -> bool {
        before > 0 && now == 0 && self.settings.shrink_limit < 1.0
    }
}

fn suspicious(reason: String) -> Judgement {
    Judgement::loss(reason, LOST_OR_DELETED)
}

/// `tags: 40 last time, 1 now`.
fn compared(what: &str, before: u64, now: u64) -> String {
    format!("{what}: {before} last time, {now} now")
}

fn names(Compared { seen, settings }: Compared<'_>) -> Option<Judgement> {
    let (before, now) = (seen.previous.unwrap_or_default().repositories, seen.found.repositories);
    if now == 0 {
        return (before > 0 && !settings.allow_empty).then(|| {
            let reason = format!(
                "the inventory is empty (the registry listed {} before include and exclude); {}",
                counted(seen.listed, "name", "names"),
                compared("repositories", before, now)
            );
            Judgement::loss(reason, LOST_PERMISSIONS_OR_EMPTY)
        });
    }
    is_too_much(lost(before, now), before, settings.shrink_limit, few(before)).then(|| {
        let share = share(lost(before, now), before) * 100.0;
        let limit = settings.shrink_limit;
        let compared = compared("repositories", before, now);
        suspicious(format!("the inventory shrank; {compared} ({share:.0}% fewer, more than `shrink_limit: {limit}`)"))
    })
}

/// Whether repositories that had tags still have some. Fewer of them by the registry's own word are unlisted, gone or
/// emptied; those that could not be read may have all that they had.
fn repositories_with_tags(this: Compared<'_>) -> Option<Judgement> {
    let Compared { seen, settings } = this;
    let (before, now) = (seen.previous?.tagged?, seen.found.tagged?);
    let refused = seen.refused.count();
    let vanished = lost(before, now + refused).max(seen.newly_gone);
    let by_its_word = is_too_much(vanished, before, settings.shrink_limit, few(before));
    let by_any = is_too_much(lost(before, now), before, this.limit(NEARLY_ALL), FEW);
    (by_its_word || by_any).then(|| {
        let empty = seen.found.repositories.saturating_sub(now + refused + seen.found.gone);
        let others = kinds(&[
            (seen.found.gone, "gone"),
            (empty, "without tags"),
            (seen.refused.denied, "denied"),
            (seen.refused.failed, "failed"),
        ]);
        let newly_gone = seen.newly_gone;
        let what = if newly_gone * 2 > lost(before, now) {
            format!("{newly_gone} repositories are newly gone")
        } else {
            "too many repositories lost all their tags".to_owned()
        };
        let others = if others.is_empty() { String::new() } else { format!("; the others now: {others}") };
        suspicious(format!("{what}; {}{others}", compared("repositories with tags", before, now)))
    })
}

fn tags(this: Compared<'_>) -> Option<Judgement> {
    let (before, now) = (this.seen.previous?.tags?, this.seen.found.tags?);
    cleaned_up_too_far(this, before, now)
        .then(|| suspicious(format!("the inventory lost nearly all tags; {}", compared("tags", before, now))))
}

/// Tags that are there, and lead nowhere although they did.
fn digests(this: Compared<'_>) -> Option<Judgement> {
    let (before, now) = (this.seen.previous?, this.seen.found);
    let (had, have) = (before.digests?, now.digests?);
    let nulls = |tags: Option<u64>, digests: u64| tags.unwrap_or_default().saturating_sub(digests);
    let newly_null = lost(nulls(now.tags, have), nulls(before.tags, had)).min(lost(had, have));
    (this.all_lost(had, have) || is_too_much(newly_null, had, this.limit(NEARLY_ALL), FEW)).then(|| {
        let tags = counted(now.tags.unwrap_or_default(), "tag", "tags");
        suspicious(format!("tags lost their digests; {}, of {tags}", compared("tags with a digest", had, have)))
    })
}

fn manifests(this: Compared<'_>) -> Option<Judgement> {
    let (before, now) = (this.seen.previous?.manifests?, this.seen.found.manifests?);
    cleaned_up_too_far(this, before, now)
        .then(|| suspicious(format!("the inventory lost nearly all manifests; {}", compared("manifests", before, now))))
}

/// Manifests that tags and indexes lead to and that are not there any more, by the registry's word. More of them with
/// more manifests are no loss: a cache of another registry holds only what was pulled through it.
fn missing(this: Compared<'_>) -> Option<Judgement> {
    let (before, now) = (this.seen.previous?, this.seen.found);
    let (had, have) = (before.manifests?, now.manifests?);
    let (lacked, lack) = (before.missing?, now.missing?);
    let newly = lost(lack, lacked).min(lost(had, have));
    is_too_much(newly, had, this.settings.shrink_limit, few(had)).then(|| {
        suspicious(format!(
            "many manifests that tags or indexes name are not there any more; {}, {}",
            compared("missing", lacked, lack),
            compared("manifests", had, have)
        ))
    })
}

/// All of them, or more than a cleaning leaves.
fn cleaned_up_too_far(this: Compared<'_>, before: u64, now: u64) -> bool {
    this.all_lost(before, now) || is_too_much(lost(before, now), before, this.limit(CLEANED_UP), FEW_TAGS)
}

fn lost(before: u64, now: u64) -> u64 {
    before.saturating_sub(now)
}

/// So many may go whatever the limit says.
fn few(before: u64) -> f64 {
    if before < SMALL { FEW } else { 0.0 }
}

/// Whether so many of those before are more than the limit's share of them, and more than may go in any case.
#[allow(clippy::cast_precision_loss)] // a share needs no more than 52 bits
fn is_too_much(lost: u64, before: u64, limit: f64, few: f64) -> bool {
    lost as f64 > (limit * before as f64).max(few)
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn share(lost: u64, before: u64) -> f64 {
    lost as f64 / before.max(1) as f64
}
