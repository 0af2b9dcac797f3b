//! Whether the registry or the configuration has changed.

use super::super::decision::{Before, ChangeCause, Decision, KnownTags, Now, decide};
use super::*;

use ChangeCause::{Configuration, Registry};

const KNOWN: Before = Before::Known { tags: KnownTags::Listed, monitored: false };
const UNASKED: Before = Before::Known { tags: KnownTags::Unasked, monitored: false };
const NAMED: Before = Before::Known { tags: KnownTags::Listed, monitored: true };

fn seen(state: RepositoryState) -> Now {
    Now::Seen { state, monitored: false }
}

fn tags() -> Scope {
    everything(Depth::Tags)
}

fn names() -> Scope {
    everything(Depth::Repositories)
}

fn limited() -> Scope {
    Scope { list: ListCoverage::Limited, ..tags() }
}

fn incomplete() -> Scope {
    Scope { list: ListCoverage::Incomplete, ..tags() }
}

fn elsewhere() -> Scope {
    Scope { source: "there".to_owned(), ..tags() }
}

fn filtered(include: &[&str], exclude: &[&str]) -> Scope {
    Scope { filter: filter(include, exclude), ..tags() }
}

fn monitoring(name: &str, scope: Scope) -> Scope {
    Scope { monitored: [name].into_iter().collect(), ..scope }
}

#[test]
fn what_appears() {
    let come = |last: &Scope, tonight: &Scope| {
        let monitored = tonight.monitored.contains("acme/App");
        let now = Now::Seen { state: RepositoryState::Complete, monitored };
        decide("acme/App", Before::Unknown, now, last, tonight)
    };
    for (last, tonight, cause) in [
        (tags(), tags(), Registry),
        (names(), tags(), Registry),
        (tags(), names(), Registry),
        (incomplete(), tags(), Registry),
        (limited(), tags(), Configuration),
        // Another repository may have made room for it.
        (limited(), limited(), Configuration),
        (tags(), limited(), Registry),
        (elsewhere(), tags(), Configuration),
        (filtered(&["other/*"], &[]), tags(), Configuration),
        (filtered(&[], &["acme/*"]), tags(), Configuration),
        (filtered(&["acme/*"], &[]), tags(), Registry),
        (tags(), filtered(&["acme/*"], &[]), Registry),
        (tags(), monitoring("acme/app", tags()), Configuration),
        (monitoring("acme/app", tags()), monitoring("ACME/APP", tags()), Registry),
        (monitoring("acme/app", filtered(&["other/*"], &[])), monitoring("acme/app", tags()), Registry),
        (monitoring("acme/other", tags()), tags(), Registry),
    ] {
        assert_eq!(come(&last, &tonight), Decision::Add(cause), "{last:?}\n{tonight:?}");
    }
}

#[test]
fn what_is_listed_and_gone_appears_only_where_its_tags_are_asked_for() {
    let complete = seen(RepositoryState::Complete);
    assert_eq!(decide("a", Before::Gone, complete, &tags(), &tags()), Decision::Add(Registry));
    assert_eq!(decide("a", Before::Gone, complete, &tags(), &names()), Decision::Add(Configuration));
    let gone = seen(RepositoryState::Gone);
    for before in [Before::Unknown, Before::Gone] {
        assert_eq!(decide("a", before, gone, &tags(), &tags()), Decision::Ignore);
    }
    assert_eq!(decide("a", KNOWN, gone, &tags(), &tags()), Decision::Remove(Registry));
    assert_eq!(decide("a", UNASKED, gone, &names(), &tags()), Decision::Remove(Configuration));
    // However little of the list was seen: the repository itself was asked.
    assert_eq!(decide("a", KNOWN, gone, &tags(), &limited()), Decision::Remove(Registry));
}

#[test]
fn what_disappears() {
    for (before, last, tonight, expected) in [
        (KNOWN, tags(), tags(), Decision::Remove(Registry)),
        (KNOWN, limited(), tags(), Decision::Remove(Registry)),
        (KNOWN, names(), names(), Decision::Remove(Registry)),
        (KNOWN, tags(), limited(), Decision::CarryOn),
        (KNOWN, tags(), incomplete(), Decision::CarryOn),
        (KNOWN, tags(), elsewhere(), Decision::Remove(Configuration)),
        (KNOWN, tags(), filtered(&["other/*"], &[]), Decision::Remove(Configuration)),
        (KNOWN, tags(), filtered(&[], &["acme/*"]), Decision::Remove(Configuration)),
        // What is excluded is not waited for.
        (
            KNOWN,
            tags(),
            Scope { list: ListCoverage::Limited, ..filtered(&[], &["acme/*"]) },
            Decision::Remove(Configuration),
        ),
        (KNOWN, filtered(&["acme/*"], &[]), tags(), Decision::Remove(Registry)),
        (NAMED, monitoring("acme/app", tags()), tags(), Decision::Remove(Configuration)),
        (NAMED, monitoring("acme/app", tags()), limited(), Decision::CarryOn),
    ] {
        assert_eq!(decide("acme/app", before, Now::Absent, &last, &tonight), expected, "{last:?}\n{tonight:?}");
    }
}

#[test]
fn what_could_not_be_read_is_carried_on_whatever_else_changed() {
    for state in [RepositoryState::Denied, RepositoryState::Error] {
        for tonight in [tags(), limited(), elsewhere(), everything(Depth::Manifests)] {
            assert_eq!(decide("a", KNOWN, seen(state), &tags(), &tonight), Decision::CarryOn);
        }
    }
    let complete = seen(RepositoryState::Complete);
    assert_eq!(decide("a", KNOWN, complete, &tags(), &names()), Decision::CarryOn);
    assert_eq!(decide("a", KNOWN, complete, &tags(), &tags()), Decision::Compare(Registry));
    assert_eq!(decide("a", UNASKED, complete, &names(), &tags()), Decision::Compare(Configuration));
    let unread = Before::Known { tags: KnownTags::Unread, monitored: false };
    assert_eq!(decide("a", unread, complete, &tags(), &tags()), Decision::Compare(Registry));
    // A monitored repository is read with its tags whatever the depth.
    let named = Now::Seen { state: RepositoryState::Complete, monitored: true };
    assert_eq!(decide("a", UNASKED, named, &names(), &monitoring("a", names())), Decision::Compare(Configuration));
}
