//! What a person can accept, and what not.

use super::super::walk_summary::{Caller, Extent, Refused};
use super::tests::{after, full};
use super::*;

const STRICT: JudgeSettings = JudgeSettings { allow_empty: false, shrink_limit: 0.2 };

/// A whole walk that found this, after a night with a hundred repositories.
fn night(found: Extent) -> WalkSummary {
    after(full(100), tests::night(found))
}

#[test]
fn every_loss_against_the_last_inventory_can_be_accepted() {
    let hundred = full(100);
    let all_gone =
        Extent { gone: 100, tagged: Some(0), tags: Some(0), digests: Some(0), manifests: Some(0), ..hundred };
    for (what, night) in [
        ("repositories", night(full(10))),
        ("all repositories", night(full(0))),
        ("tags of repositories", night(Extent { tagged: Some(10), ..hundred })),
        ("tags", night(Extent { tags: Some(2), ..hundred })),
        ("digests", night(Extent { digests: Some(1), ..hundred })),
        ("manifests", night(Extent { manifests: Some(1), ..hundred })),
        ("missing manifests", night(Extent { missing: Some(150), manifests: Some(50), ..hundred })),
        ("gone", WalkSummary { newly_gone: 100, ..night(all_gone) }),
        ("listed", WalkSummary { listed: 0, ..night(Extent { listed: Some(0), ..hundred }) }),
    ] {
        let judged = judge(&night, &STRICT);
        assert_eq!((judged.verdict, judged.is_loss), (Verdict::Suspicious, true), "{what}");
        let accepted = judge_accepting_loss(&night, &STRICT);
        assert!(accepted.verdict.is_publishable(), "{what}: {accepted:?}");
        // The next night finds the same.
        let next = judge(&WalkSummary { previous: Some(night.found), newly_gone: 0, ..night }, &STRICT);
        assert!(next.verdict.is_publishable(), "{what}: {next:?}");
    }
}

#[test]
fn nothing_else_can_be_accepted() {
    let first = |night: WalkSummary| WalkSummary { previous: None, ..night };
    let refused = Refused { denied: 100, failed: 0 };
    let unread =
        WalkSummary { unreadable: 100, refused, readable: 0, ..night(Extent { tagged: Some(0), ..full(100) }) };
    for (what, night, expected) in [
        ("empty on the first night", first(night(full(0))), Verdict::Suspicious),
        ("nothing readable", unread, Verdict::Denied),
        ("refused", WalkSummary { ending: WalkCompletion::Denied, ..night(full(0)) }, Verdict::Denied),
        ("cut short", WalkSummary { ending: WalkCompletion::CutShort, ..night(full(10)) }, Verdict::Partial),
        ("failed", WalkSummary { ending: WalkCompletion::Failed, ..night(full(0)) }, Verdict::Failed),
        ("an anonymous caller", first(WalkSummary { caller: Caller::Anonymous, ..night(full(0)) }), Verdict::Denied),
    ] {
        let accepted = judge_accepting_loss(&night, &STRICT);
        assert_eq!((accepted.verdict, accepted.is_loss), (expected, false), "{what}: {accepted:?}");
        assert_eq!(accepted, judge(&night, &STRICT), "{what}");
    }
}
