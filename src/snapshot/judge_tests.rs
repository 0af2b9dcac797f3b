//! Nights, good and bad, at every size.

#![allow(clippy::large_types_passed_by_value)] // nights are made of nights

use super::super::walk_summary::{Extent, Refused};
use super::*;

/// What becomes of so many repositories.
type Others = fn(&mut WalkSummary, u64);

/// Sizes at which every guard is shown.
const SIZES: [u64; 4] = [1, 9, 20, 10_000];

const DEFAULT: JudgeSettings = JudgeSettings { allow_empty: false, shrink_limit: 0.2 };
const EMPTY: JudgeSettings = JudgeSettings { allow_empty: true, shrink_limit: 0.2 };
const TRUSTING: JudgeSettings = JudgeSettings { allow_empty: true, shrink_limit: 1.0 };

/// So many repositories, each with two images of one tag each, all of them read.
pub(super) fn full(repositories: u64) -> Extent {
    let each = Some(2 * repositories);
    Extent {
        repositories,
        listed: Some(repositories),
        gone: 0,
        tagged: Some(repositories),
        tags: each,
        digests: each,
        manifests: each,
        missing: Some(0),
    }
}

/// The names alone.
fn names(repositories: u64) -> Extent {
    Extent { repositories, listed: Some(repositories), ..Extent::default() }
}

pub(super) fn night(found: Extent) -> WalkSummary {
    WalkSummary {
        ending: WalkCompletion::Whole,
        listed: found.listed.unwrap_or_default(),
        found,
        invalid: 0,
        unreadable: 0,
        refused: Refused::default(),
        readable: found.repositories - found.gone,
        null: 0,
        shortfalls: 0,
        newly_gone: 0,
        caller: Caller::Account,
        previous: None,
    }
}

pub(super) fn after(previous: Extent, tonight: WalkSummary) -> WalkSummary {
    WalkSummary { previous: Some(previous), ..tonight }
}

/// A night in which only so many of `size` repositories have what they had, and what became of the others.
fn left(size: u64, left: u64, others: Others) -> WalkSummary {
    let mut night = night(Extent { repositories: size, listed: Some(size), ..full(left) });
    night.readable = left;
    others(&mut night, size - left);
    night
}

fn denied(night: &mut WalkSummary, others: u64) {
    (night.refused.denied, night.unreadable) = (others, others);
}

fn failed(night: &mut WalkSummary, others: u64) {
    (night.refused.failed, night.unreadable) = (others, others);
}

fn null(night: &mut WalkSummary, others: u64) {
    night.null = others;
}

fn emptied(night: &mut WalkSummary, others: u64) {
    night.readable += others;
}

fn gone(night: &mut WalkSummary, others: u64) {
    (night.found.gone, night.newly_gone) = (others, others);
}

fn unlisted(night: &mut WalkSummary, others: u64) {
    night.found.repositories -= others;
    night.listed -= others;
    night.found.listed = Some(night.listed);
}

/// Tags are there and lead nowhere, as where HEAD is refused.
fn undigested(night: &mut WalkSummary, others: u64) {
    night.readable += others;
    night.unreadable = others;
    let all = night.found.repositories;
    (night.found.tagged, night.found.tags) = (Some(all), Some(2 * all));
}

/// The same by the registry's word.
fn dangling(night: &mut WalkSummary, others: u64) {
    undigested(night, others);
    night.unreadable = 0;
    night.found.missing = Some(2 * others);
}

fn verdict(seen: &WalkSummary, settings: &JudgeSettings) -> Verdict {
    let judged = judge(seen, settings);
    let told = seen.ending == WalkCompletion::Whole && judged.verdict != Verdict::Complete;
    assert_eq!((judged.reason.is_some(), judged.remedy.is_some()), (told, told), "{judged:?}");
    judged.verdict
}

#[test]
fn the_ending_of_a_walk_that_was_not_whole_is_its_verdict() {
    for (ending, expected) in [
        (WalkCompletion::CutShort, Verdict::Partial),
        (WalkCompletion::Denied, Verdict::Denied),
        (WalkCompletion::Unsupported, Verdict::Unsupported),
        (WalkCompletion::Failed, Verdict::Failed),
    ] {
        assert_eq!(verdict(&WalkSummary { ending, ..night(full(9)) }, &TRUSTING), expected);
    }
}

#[test]
fn a_night_of_which_nothing_is_readable_is_not_published_at_any_size_first_night_included() {
    for size in SIZES {
        let cases: [(Others, Verdict, Verdict); 4] = [
            (denied, Verdict::Denied, Verdict::Denied),
            (failed, Verdict::Failed, Verdict::Failed),
            (null, Verdict::Failed, Verdict::Failed),
            (gone, Verdict::Failed, Verdict::Suspicious),
        ];
        for (others, first, second) in cases {
            let nothing = left(size, 0, others);
            assert_eq!(verdict(&nothing, &DEFAULT), first, "{size}: {nothing:?}");
            assert_eq!(verdict(&after(full(size), nothing), &DEFAULT), second, "{size}: {nothing:?}");
        }
        // Refusals are no empty registry, whatever is allowed.
        for others in [denied, failed] {
            assert!(!verdict(&left(size, 0, others), &TRUSTING).is_publishable());
        }
        // The registry's own word that nothing is there may be believed.
        for others in [null, gone] {
            assert_eq!(verdict(&after(full(size), left(size, 0, others)), &EMPTY), Verdict::Complete, "{size}");
        }
    }
}

#[test]
fn most_refusals_decide_whether_access_or_something_else_failed() {
    let mixed = |denied, failed, gone, null| {
        let mut night = left(denied + failed + gone + null, 0, |_, _| ());
        (night.refused, night.null, night.found.gone) = (Refused { denied, failed }, null, gone);
        night.unreadable = denied + failed;
        verdict(&night, &DEFAULT)
    };
    assert_eq!(mixed(5, 4, 0, 0), Verdict::Denied);
    assert_eq!(mixed(4, 4, 0, 0), Verdict::Failed);
    assert_eq!(mixed(1, 0, 8, 0), Verdict::Denied, "the others were gone for years");
    assert_eq!(mixed(0, 1, 8, 0), Verdict::Failed);
    assert_eq!(mixed(1, 0, 0, 9), Verdict::Denied);
    assert_eq!(mixed(0, 0, 4, 5), Verdict::Failed);
}

#[test]
fn names_that_all_break_the_grammar_are_no_inventory() {
    let invalid = WalkSummary { listed: 3, invalid: 3, unreadable: 3, ..night(names(0)) };
    assert_eq!(verdict(&invalid, &DEFAULT), Verdict::Failed);
    // Here the others were excluded.
    assert_eq!(verdict(&WalkSummary { listed: 100, ..invalid }, &DEFAULT), Verdict::Gaps);
    assert_eq!(verdict(&WalkSummary { invalid: 1, unreadable: 1, ..night(names(9)) }, &DEFAULT), Verdict::Gaps);
}

#[test]
fn the_loss_of_nearly_everything_is_never_published_at_any_size() {
    let kinds = [denied, failed, null, emptied, gone, unlisted, undigested, dangling];
    for size in SIZES.into_iter().chain(5..200) {
        for (kind, others) in kinds.into_iter().enumerate() {
            let nothing = after(full(size), left(size, 0, others));
            assert!(!verdict(&nothing, &DEFAULT).is_publishable(), "{size}, kind {kind}");
            // One in twenty of what was there, or one of a few.
            let rest = if size < 9 { 0 } else { (size / 20).max(1) };
            let nearly = after(full(size), left(size, rest, others));
            assert!(!verdict(&nearly, &DEFAULT).is_publishable(), "{size}, kind {kind}");
        }
    }
    for others in kinds {
        let single = after(full(1), left(1, 0, others));
        assert!(!verdict(&single, &DEFAULT).is_publishable(), "{single:?}");
    }
}

#[test]
fn everyday_changes_are_published_at_every_size() {
    for (size, deleted) in [(1, 0), (2, 1), (4, 3), (9, 3), (19, 3), (20, 4), (10_000, 2_000)] {
        for others in [null, emptied, gone, unlisted] {
            let tonight = after(full(size), left(size, size - deleted, others));
            assert_eq!(verdict(&tonight, &DEFAULT), Verdict::Complete, "{deleted} of {size}: {tonight:?}");
        }
    }
    // What cannot be read makes gaps, also of more.
    for (size, lost) in [(2, 1), (4, 3), (9, 7), (20, 16), (100, 43), (10_000, 8_000)] {
        for others in [denied, failed, undigested] {
            let tonight = after(full(size), left(size, size - lost, others));
            assert_eq!(verdict(&tonight, &DEFAULT), Verdict::Gaps, "{lost} of {size}: {tonight:?}");
        }
    }
}

#[test]
fn a_repository_more_than_may_go_is_suspicious_and_a_higher_limit_accepts_it() {
    for (size, deleted) in [(5, 4), (9, 4), (19, 4), (20, 5), (10_000, 2_001)] {
        for others in [null, emptied, gone, unlisted] {
            let tonight = after(full(size), left(size, size - deleted, others));
            assert_eq!(verdict(&tonight, &DEFAULT), Verdict::Suspicious, "{deleted} of {size}: {tonight:?}");
            let raised = JudgeSettings { shrink_limit: 1.0, ..DEFAULT };
            assert_eq!(verdict(&tonight, &raised), Verdict::Complete, "{deleted} of {size}: {tonight:?}");
        }
    }
}

#[test]
fn the_limit_of_large_registries_is_the_configured_one() {
    let night = |limit, now| {
        let settings = JudgeSettings { shrink_limit: limit, ..DEFAULT };
        verdict(&after(names(100), night(names(now))), &settings)
    };
    assert_eq!(night(0.2, 80), Verdict::Complete);
    assert_eq!(night(0.2, 79), Verdict::Suspicious);
    assert_eq!(night(0.0, 99), Verdict::Suspicious);
    assert_eq!(night(0.5, 50), Verdict::Complete);
    assert_eq!(night(0.2, 100_000), Verdict::Complete, "growth");
}

#[test]
fn what_was_gone_before_is_no_news() {
    // docker-registry lists emptied repositories for ever.
    let before = Extent { repositories: 100, gone: 90, ..full(10) };
    let mut tonight = night(Extent { listed: Some(100), ..before });
    assert_eq!(verdict(&after(before, tonight), &DEFAULT), Verdict::Complete);
    tonight.found = Extent { repositories: 100, gone: 99, ..full(1) };
    tonight.newly_gone = 9;
    let judged = judge(&after(before, tonight), &DEFAULT);
    assert_eq!(judged.verdict, Verdict::Suspicious);
    let told = judged.reason.unwrap();
    assert!(told.contains("9 repositories are newly gone; repositories with tags: 10 last time, 1 now"), "{told}");
    // Further ones that were listed and emptied since the last night, as in a registry for tests, are no loss.
    let more = Extent { repositories: 140, listed: Some(140), gone: 130, ..full(10) };
    assert_eq!(verdict(&after(before, night(more)), &DEFAULT), Verdict::Complete);
    // And new ones do not make up for those that went.
    let replaced = Extent { repositories: 150, listed: Some(150), gone: 43, ..full(107) };
    let replaced = WalkSummary { newly_gone: 43, ..night(replaced) };
    assert_eq!(verdict(&after(full(100), replaced), &DEFAULT), Verdict::Suspicious);
    // An inventory that was accepted though nothing is in it stays one.
    let emptied = Extent { repositories: 9, listed: Some(9), gone: 9, ..full(0) };
    assert_eq!(verdict(&after(emptied, night(emptied)), &DEFAULT), Verdict::Complete);
}

#[test]
fn tags_may_become_fewer_but_not_nearly_all_of_them() {
    let of = |tags: u64, each: u64| Extent { tags: Some(tags), digests: None, manifests: None, ..full(each) };
    for (before, now, expected) in [
        (1000, 100, Verdict::Complete),
        (1000, 99, Verdict::Suspicious),
        (40, 1, Verdict::Suspicious),
        (20, 2, Verdict::Complete),
        (20, 1, Verdict::Suspicious),
        (19, 1, Verdict::Complete),
        (19, 0, Verdict::Suspicious),
        (1, 0, Verdict::Suspicious),
    ] {
        let tonight = night(Extent { tagged: Some(1), ..of(now, 1) });
        let before = Extent { tagged: Some(1), ..of(before, 1) };
        assert_eq!(verdict(&after(before, tonight), &DEFAULT), expected, "{before:?} {now}");
        assert_eq!(verdict(&after(before, tonight), &TRUSTING), Verdict::Complete);
    }
    let night = after(Extent { tagged: Some(1), ..of(40, 1) }, night(of(1, 1)));
    assert!(judge(&night, &DEFAULT).reason.unwrap().contains("tags: 40 last time, 1 now"));
}

#[test]
fn manifests_may_become_fewer_but_not_nearly_all_of_them() {
    for size in SIZES {
        // The tags lead somewhere still, so it is not they that were cleaned up.
        let tonight = night(Extent { manifests: Some(0), ..full(size) });
        let judged = judge(&after(full(size), tonight), &DEFAULT);
        assert_eq!(judged.verdict, Verdict::Suspicious, "{size}");
        let told = format!("manifests: {} last time, 0 now", 2 * size);
        assert!(judged.reason.as_ref().unwrap().contains(&told), "{judged:?}");
    }
    let cleaned = Extent { tags: Some(200), digests: Some(200), manifests: Some(200), ..full(1000) };
    assert_eq!(verdict(&after(full(1000), night(cleaned)), &DEFAULT), Verdict::Complete);
}

#[test]
fn children_of_indexes_that_vanish_in_bulk_are_suspicious_and_a_growing_cache_is_not() {
    let before = Extent { manifests: Some(600), ..full(100) };
    let vanished = Extent { manifests: Some(470), missing: Some(130), ..before };
    let judged = judge(&after(before, night(vanished)), &DEFAULT);
    assert_eq!(judged.verdict, Verdict::Suspicious);
    assert!(judged.reason.as_ref().unwrap().contains("missing: 0 last time, 130 now"), "{judged:?}");
    // A cache of another registry holds what was pulled through it, and lacks the other platforms.
    let grown = Extent { manifests: Some(700), missing: Some(800), ..before };
    assert_eq!(verdict(&after(before, night(grown)), &DEFAULT), Verdict::Complete);
}

#[test]
fn another_depth_than_last_night_is_no_loss() {
    for size in SIZES {
        let at_tags = Extent { digests: None, manifests: None, missing: None, ..full(size) };
        let depths = [names(size), at_tags, full(size)];
        for before in depths {
            for now in depths {
                assert_eq!(verdict(&after(before, night(now)), &DEFAULT), Verdict::Complete, "{before:?} {now:?}");
            }
        }
    }
}

#[test]
fn what_an_earlier_version_remembers_is_compared_as_far_as_it_goes() {
    let old = Extent { repositories: 100, tags: Some(1000), ..Extent::default() };
    assert_eq!(verdict(&after(old, night(full(100))), &DEFAULT), Verdict::Complete);
    assert_eq!(verdict(&after(old, left(100, 40, denied)), &DEFAULT), Verdict::Suspicious, "80 tags of 1000");
    assert_eq!(verdict(&after(old, night(full(79))), &DEFAULT), Verdict::Suspicious);
    // It published what it could not read.
    let old = Extent { repositories: 9, tags: Some(0), ..Extent::default() };
    assert_eq!(verdict(&after(old, left(9, 0, null)), &DEFAULT), Verdict::Failed);
}

#[test]
fn nothing_listed_is_judged_by_who_asked() {
    let by = |caller| WalkSummary { caller, ..night(names(0)) };
    for (caller, first) in [
        (Caller::Account, Verdict::Suspicious),
        (Caller::Anonymous, Verdict::Denied),
        (Caller::Anybody, Verdict::Complete),
    ] {
        assert_eq!(verdict(&by(caller), &DEFAULT), first, "{caller:?}");
        assert_eq!(verdict(&by(caller), &EMPTY), Verdict::Complete, "{caller:?}");
        for size in SIZES {
            assert!(!verdict(&after(names(size), by(caller)), &DEFAULT).is_publishable(), "{caller:?}");
            // Whatever stood there.
            assert_eq!(verdict(&after(full(size), by(caller)), &EMPTY), Verdict::Complete, "{caller:?}");
        }
    }
    // All filtered out.
    let filtered = WalkSummary { listed: 100, ..night(names(0)) };
    assert_eq!(verdict(&filtered, &DEFAULT), Verdict::Complete);
    assert_eq!(verdict(&after(names(3), filtered), &DEFAULT), Verdict::Suspicious);
}

#[test]
fn monitored_repositories_that_nobody_lists_are_published_with_the_reason() {
    let hidden = Extent { listed: Some(0), ..full(3) };
    for caller in [Caller::Account, Caller::Anonymous, Caller::Anybody] {
        let tonight = WalkSummary { caller, ..night(hidden) };
        for seen in [tonight, after(hidden, tonight)] {
            let judged = judge(&seen, &DEFAULT);
            assert_eq!(judged.verdict, Verdict::Gaps, "{caller:?}");
            assert!(
                judged.reason.as_ref().unwrap().contains("only monitored repositories were asked: 3"),
                "{judged:?}"
            );
        }
        assert_eq!(verdict(&tonight, &EMPTY), Verdict::Complete, "{caller:?}");
        // Others were listed last night.
        let judged = judge(&after(Extent { listed: Some(1), ..full(4) }, tonight), &DEFAULT);
        assert_eq!(judged.verdict, Verdict::Suspicious, "{caller:?}");
        assert!(judged.reason.unwrap().contains("listed: 1 last time, 0 now"));
    }
    let none = left(3, 0, denied);
    assert_eq!(verdict(&WalkSummary { listed: 0, ..none }, &DEFAULT), Verdict::Denied);
}

#[test]
fn a_list_that_may_not_be_whole_makes_gaps() {
    for found in [full(9), names(0)] {
        let seen = WalkSummary { shortfalls: 1, ..night(found) };
        assert_eq!(verdict(&seen, &TRUSTING), Verdict::Gaps);
    }
}

#[test]
fn a_gap_is_told_among_all_that_were_to_be_read() {
    // Two monitored repositories that the list does not have, one listed name that is no name, and 50 filtered out.
    let seen = WalkSummary { listed: 100, invalid: 1, unreadable: 3, ..night(names(51)) };
    assert_eq!(judge(&seen, &DEFAULT).reason.unwrap(), "3 of 52 repositories could not be read");
}
