//! What the status page says of registries that were never run, of gaps, and of runs that published nothing.

use stocktake_sink::Verdict;

use super::fixtures::{self, ago, ended, new, reason, refused, running, status, well};
use super::page::{assert_says, words};
use crate::snapshot::UnreadRepository;
use crate::state::History;
use crate::status::RegistryStatus;
use crate::web::page::{OpenedParts, render as render_opened};

#[test]
fn what_was_opened_stays_open_when_the_page_is_loaded_again() {
    // The browser loads the same address again: what is open has to stand there. Whatever else would close.
    let many = fixtures::many();
    for (query, is_open) in [
        (None, false),
        (Some(""), false),
        (Some("open=names"), true),
        (Some("x=1&open=names"), true),
        (Some("open=nothing"), false),
    ] {
        let page = render_opened(&many, OpenedParts::of(query));
        assert_eq!(page.contains("Registries by name"), is_open, "{query:?}");
        assert!(!page.contains("<details") && !page.contains("http-equiv=\"refresh\" content=\"30;"), "{query:?}");
    }
}

#[test]
fn a_registry_that_nothing_starts_is_not_well() {
    let never = RegistryStatus { schedule: None, ..new("quay") };
    assert_says(
        never.clone(),
        &[
            "The registry needs attention",
            "No run in progress; no registry has a schedule, so that runs begin only when somebody asks for them.",
            "It has no schedule and has never run",
            "The daemon never runs it by itself.",
            "What to do: add `schedule` to this registry, or ask for a run",
            "stocktake run quay",
            "never: it has no schedule",
        ],
    );
    let remark = status(vec![never.clone(), well("harbor")]).remark();
    assert_eq!(
        remark.as_deref(),
        Some(
            "quay has no schedule and never ran: the daemon never runs it by itself; add `schedule`, or ask for a run"
        )
    );
    let some: Vec<_> = (0..12).map(|n| RegistryStatus { schedule: None, ..new(&format!("r{n}")) }).collect();
    let remark = status(some).remark().expect("a remark");
    assert!(remark.starts_with("r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 and 2 more have no schedule"), "{remark}");
    // Somebody runs it by hand, or is about to; or it has a schedule and its time is still to come.
    let by_hand = RegistryStatus { schedule: None, ..well("quay") };
    for registry in
        [by_hand, new("quay"), RegistryStatus { schedule: None, history: History::default(), ..running("quay") }]
    {
        assert_eq!(status(vec![registry.clone()]).remark(), None, "{registry:?}");
        assert!(!words(&status(vec![registry])).contains("What needs attention"));
    }
    let mut over = well("quay");
    over.schedule.as_mut().expect("a schedule").next = None;
    assert_says(over, &["The registry needs attention", "Its schedule has no further run", "stocktake schedule quay"]);
}

#[test]
fn gaps_lead_to_the_repositories_and_to_all_of_them() {
    let mut registry =
        ended("quay", Verdict::Gaps, reason("gaps", "47 of 311 repositories could not be read", None), 0);
    let last = registry.history.last.as_mut().expect("a run");
    for n in 0..47 {
        let repository = format!("acme/<b>{n}");
        let message = format!("tags of {repository}: 403");
        let unread = UnreadRepository { repository, code: "denied".to_owned(), message };
        last.unread.add("denied", unread, "grant Read".to_owned());
    }
    last.show_all = Some("duckdb -c \"FROM '/srv/r.parquet'\"".to_owned());
    let told = words(&status(vec![registry.clone()]));
    for expected in [
        "47 of 311 repositories could not be read [gaps] tags of acme/&lt;b&gt;0: 403 [denied] tags of",
        "tags of acme/&lt;b&gt;9: 403 [denied] and 37 more; the command below shows all of them",
        "What to do: 47 denied (acme/&lt;b&gt;0, …): grant Read",
        "duckdb -c &quot;FROM '/srv/r.parquet'&quot;",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
    assert!(!told.contains("acme/&lt;b&gt;10"), "ten are enough: {told}");
    // Nothing was published, so there is nothing to look into.
    registry.history.last.as_mut().expect("a run").show_all = None;
    let told = words(&status(vec![registry]));
    assert!(told.contains("and 37 more What to do") && !told.contains("the command below"), "{told}");
}

#[test]
fn no_sign_stands_beside_the_sinks_of_a_run_that_published_nothing() {
    for verdict in [Verdict::Denied, Verdict::Failed, Verdict::Suspicious, Verdict::Partial, Verdict::Unsupported] {
        let told = words(&status(vec![ended("quay", verdict, reason("x", "no", None), 1)]));
        assert!(told.contains("warehouse: last inventory 7 h 32 min ago"), "{told}");
        assert!(!told.contains("✓"), "{verdict}: {told}");
    }
    assert!(words(&status(vec![well("quay")])).contains("✓ warehouse 7 h 32 min ago"));
}

#[test]
fn secrets_that_change_all_the_time_wait_until_an_hour_has_passed() {
    let mut registry = refused("quay", 1);
    let refusals = registry.history.refusals.as_mut().expect("refusals");
    refusals.times = ["50m", "40m", "30m", "20m"].map(ago).to_vec();
    refusals.at = ago("20m");
    assert_says(
        registry,
        &[
            "4 secrets were refused within an hour, so scheduled runs send nothing before 2026-11-23 09:51:12Z.",
            "suspended until 2026-11-23 09:51Z",
        ],
    );
}
