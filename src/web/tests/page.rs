//! What the status page says about each state.

use chrono::TimeDelta;
use stocktake_sink::Verdict;

use super::fixtures::{self, ago, ended, new, now, reason, refused, running, status, well};
use crate::state::Reason;
use crate::status::{RegistryStatus, Status};
use crate::web::page::{OpenedParts, render as render_opened};

fn render(status: &Status) -> String {
    render_opened(status, OpenedParts::default())
}

/// The words of a page: no tags, no style, one blank between words.
pub(super) fn words(status: &Status) -> String {
    let page = render(status);
    let body = page.split("<body>").nth(1).expect("a body");
    let mut text = String::new();
    for piece in body.split('<') {
        let (tag, words) = piece.split_once('>').unwrap_or(("", piece));
        let is_within_a_line = ["span", "/span", "a ", "/a", "time", "/time", "code", "/code", "b", "/b"];
        if !is_within_a_line.iter().any(|start| tag.starts_with(start)) || tag.starts_with("body") {
            text.push(' ');
        }
        text.push_str(words);
    }
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub(super) fn assert_says(registry: RegistryStatus, expected: &[&str]) {
    let words = words(&status(vec![registry]));
    for expected in expected {
        assert!(words.contains(expected), "{expected:?} is not in:\n{words}");
    }
}

#[test]
fn the_first_line_says_how_many_need_attention() {
    let unreachable = || ended("x", Verdict::Failed, reason("unreachable", "no route", None), 1);
    for (registries, expected) in [
        (vec![], "There are no registries"),
        (vec![well("a")], "The registry is well"),
        (vec![well("a"), well("b")], "All 2 registries are well"),
        (vec![new("a")], "The registry has not completed a run yet"),
        (vec![new("a"), new("b")], "None of 2 registries has completed a run yet"),
        (vec![well("a"), new("b")], "1 of 2 registries is well, 1 has not completed a run yet"),
        (vec![well("a"), new("b"), well("c"), new("d")], "2 of 4 registries are well, 2 have not completed a run yet"),
        (vec![RegistryStatus { schedule: None, ..new("a") }], "The registry needs attention"),
        (vec![unreachable()], "The registry needs attention"),
        (vec![well("a"), unreachable()], "1 of 2 registries needs attention"),
        (vec![refused("a", 3), well("b"), unreachable()], "2 of 3 registries need attention"),
    ] {
        let mut status = status(registries);
        let title = format!("<title>{expected} · stocktake</title>");
        assert!(render(&status).contains(&title), "{expected}");
        assert!(words(&status).contains(expected), "{expected}");
        status.configuration.error = Some("m.yaml:1:1: `sinks` is missing".to_owned());
        assert!(words(&status).contains("The daemon"), "{expected}");
    }
}

#[test]
fn rejected_credentials_show_the_message_the_remedy_and_what_happens_next() {
    assert_says(
        refused("quay", 3),
        &[
            "Credentials refused 3 times, last 7 h 32 min ago; scheduled runs are suspended",
            "Could not find robot with specified username [credentials_rejected]",
            "What to do: look at the robot account: was it deleted or disabled?",
            "Scheduled runs send nothing until the secret changes or a run by hand is accepted.",
            "stocktake check quay Alert StocktakeCredentialsRejected",
            "✕ denied 7 h 32 min ago 2026-11-23 02:09Z",
            "suspended until the secret changes",
        ],
    );
    assert_says(
        refused("quay", 1),
        &[
            "quay · next run in 16 h 19 min",
            "Credentials refused 7 h 32 min ago",
            "The next scheduled run sends them again; after 2 more refusals in a row, none does until the secret changes.",
        ],
    );
    let words = words(&status(vec![refused("quay", 2)]));
    assert!(words.contains("after 1 more refusal in a row, none does"), "{words}");
    assert_eq!(words.matches("What to do").count(), 1, "told once: {words}");
    assert!(!words.contains("StocktakeRunFailing"), "as in the alert's rule: {words}");
}

#[test]
fn each_verdict_has_its_text_and_its_alert() {
    let why = || reason("some_code", "what was said", Some("what helps"));
    for (verdict, failures, title, alert) in [
        (Verdict::Gaps, 0, "The last inventory has gaps", "StocktakeSnapshotPartial"),
        (Verdict::Partial, 1, "The last run got only a part of the list", "StocktakeRunFailing"),
        (Verdict::Denied, 1, "The registry refused the last run", "StocktakeRunFailing"),
        (Verdict::Unsupported, 2, "The registry has no catalog", "StocktakeRunFailing"),
        (Verdict::Suspicious, 1, "The last inventory is suspicious and was not published", "StocktakeRunFailing"),
        (Verdict::Failed, 4, "The last run failed", "StocktakeRunFailing"),
    ] {
        assert_says(
            ended("quay", verdict, why(), failures),
            &[
                title,
                alert,
                "what was said [some_code]",
                "What to do: what helps",
                verdict.as_str(),
                "stocktake check quay",
            ],
        );
    }
    assert_says(
        ended("quay", Verdict::Failed, why(), 4),
        &["4 runs in a row published no inventory; the last good one, of 2026-11-23, is untouched."],
    );
    let mut first = ended("quay", Verdict::Failed, why(), 1);
    first.history.inventory = None;
    assert_says(first, &["No inventory was published; there is none yet."]);
    let mut earlier = ended("quay", Verdict::Failed, why(), 1);
    earlier.history.inventory.as_mut().expect("an inventory").slot = None;
    assert_says(earlier, &["No inventory was published; the last good one is untouched."]);
    // Every quarter of an hour, one failure is not yet an alert.
    let mut often = ended("quay", Verdict::Failed, why(), 1);
    often.schedule.as_mut().expect("a schedule").interval = Some(std::time::Duration::from_mins(15));
    often.history.last_success_at = Some(ago("20m"));
    assert!(!words(&status(vec![often])).contains("Alert"));
}

#[test]
fn a_sink_that_lags_and_a_run_that_could_not_begin_are_shown() {
    assert_says(
        fixtures::lagging("quay"),
        &[
            "Sink feed does not have the last snapshot",
            "no space left on device; make room",
            "It took its last snapshot 2 d ago. The next run delivers again first.",
            "Alert StocktakeSinkCommitFailing",
            "▲ feed lags 2 d ago",
            "✓ warehouse 7 h 32 min ago",
        ],
    );
    let trouble: Option<Reason> = Some(reason("state", "write state.json: read-only file system", Some("remount")));
    let mut registry = RegistryStatus { trouble, ..well("quay") };
    registry.history.failures = 1;
    let told = ["The last run came to nothing", "read-only file system [state]", "Alert StocktakeRunFailing"];
    assert_says(registry, &told);
}

#[test]
fn an_overdue_registry_is_shown_by_the_rule_of_the_alert() {
    let succeeded = |hours: i64| {
        let mut registry = well("quay");
        registry.history.last_success_at = Some(now() - TimeDelta::hours(hours));
        words(&status(vec![registry]))
    };
    assert!(!succeeded(49).contains("StocktakeRunOverdue"), "two intervals, an hour, and what a run takes");
    assert!(succeeded(50).contains("No complete inventory for 2 d 2 h"));
    assert!(succeeded(50).contains("One is due every 1 d. $") || succeeded(50).contains("Alert StocktakeRunOverdue"));
    let met = |days: i64| {
        words(&status(vec![RegistryStatus { first_seen_at: now() - TimeDelta::days(days), ..new("quay") }]))
    };
    assert!(met(2).contains("The registry has not completed a run yet"));
    assert!(met(3).contains("No complete inventory so far, for 3 d"));
    let mut rejected = refused("quay", 3);
    rejected.history.last_success_at = Some(ago("9d"));
    assert!(!words(&status(vec![rejected])).contains("StocktakeRunOverdue"));
}

#[test]
fn a_last_success_in_the_future_is_shown_by_the_rule_of_the_alert() {
    let succeeded = |ahead: TimeDelta| {
        let mut registry = well("quay");
        registry.history.last_success_at = Some(now() + ahead);
        words(&status(vec![registry]))
    };
    assert!(!succeeded(TimeDelta::hours(1)).contains("StocktakeClockWasAhead"), "a time zone that was wrong");
    let told = succeeded(TimeDelta::days(3650));
    for part in ["StocktakeClockWasAhead", "The last complete inventory lies 3650 d", "in the future", "timedatectl"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn the_current_activity_is_shown() {
    assert_says(
        running("quay"),
        &[
            "The registry is well",
            "1 run in progress; next one in 16 h 19 min.",
            "running for 4 min 12 pages, 11,800 names, 3,207/11,700+ read",
            "token to be renewed in 3 min, expires in 5 min",
        ],
    );
    let states = words(&status(fixtures::all_states()));
    for expected in [
        "waiting for one of the others to end",
        "The token in use has expired, and there is no new one yet",
        "The token in use expires in 20 s, and was not renewed",
        "only by hand",
        "never again",
        "none yet",
        "warehouse, nothing yet",
        "by hand",
        "0 2 * * * Europe/Dublin",
        "11,824 repositories 184,201 tags 96,118 manifests",
    ] {
        assert!(states.contains(expected), "{expected:?} is not in:\n{states}");
    }
}

#[test]
fn problems_of_the_daemon_come_first() {
    let mut status = fixtures::three();
    status.ticked_at = ago("400s");
    status.configuration.file = "/srv/my files/s.yaml".to_owned();
    status.configuration.error = Some("s.yaml:1:1: one\ns.yaml:2:1: two".to_owned());
    let told = words(&status);
    for expected in [
        "The daemon and 1 of 3 registries need attention",
        "What needs attention The daemon ✕ The scheduler last turned 6 min ago",
        "Alert StocktakeSchedulerStalled",
        "▲ The configuration could not be reloaded s.yaml:1:1: one s.yaml:2:1: two",
        "The configuration that was loaded 2 h 10 min ago stays in use.",
        "stocktake validate --config '/srv/my files/s.yaml' Alert StocktakeConfigReloadFailed",
        "stocktake check docker-hub --config '/srv/my files/s.yaml'",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
    status.is_stopping = true;
    assert!(words(&status).contains("Stopping: no run begins any more."));
    assert!(!words(&status).contains("The scheduler last turned"), "it is not to turn");
}

#[test]
fn text_from_outside_is_escaped() {
    let evil = "<script>alert(1)</script><b title=\"x\" & 'y'";
    let mut registry = ended("quay", Verdict::Failed, reason(evil, evil, Some(evil)), 1);
    registry.url = format!("https://{evil}");
    registry.trouble = Some(reason(evil, evil, None));
    registry.sinks.push(evil.to_owned());
    let sink = crate::state::SinkHistory {
        location: Some(evil.to_owned()),
        error: Some(evil.to_owned()),
        ..Default::default()
    };
    registry.history.sinks.insert(evil.to_owned(), sink);
    let schedule = registry.schedule.as_mut().expect("a schedule");
    (schedule.expression, schedule.time_zone) = (evil.to_owned(), evil.to_owned());
    let mut status = status(vec![registry]);
    (status.configuration.file, status.configuration.error) = (evil.to_owned(), Some(evil.to_owned()));
    let page = render(&status);
    assert!(!page.contains("<script") && !page.contains("title=\"x\"") && !page.contains("<b title"), "{page}");
    assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() > 8);
}

#[test]
fn hundreds_of_registries_are_reachable_by_links() {
    let status = fixtures::many();
    let closed = render(&status);
    assert!(closed.contains("href=\"/?open=names#names\""), "one link to all");
    let page = render_opened(&status, OpenedParts::of(Some("open=names")));
    for registry in &status.registries {
        let anchor = format!("registry-{}", registry.name);
        assert_eq!(page.matches(&format!("id=\"{anchor}\"")).count(), 1, "{anchor}");
        assert!(page.contains(&format!("href=\"#{anchor}\"")), "{anchor}");
    }
    assert_eq!(page.matches("<article").count(), 10);
    assert!(page.len() < 1_500_000, "{}", page.len());
}

#[test]
fn the_worst_come_first_and_the_others_in_their_order() {
    let lagging = fixtures::lagging("lagging");
    let page = render(&status(vec![well("b"), lagging, well("a"), refused("refused", 1)]));
    let at = |name: &str| page.find(&format!("id=\"registry-{name}\"")).expect(name);
    assert!(at("refused") < at("lagging") && at("lagging") < at("b") && at("b") < at("a"));
}

/// Writes pages for the eye into the directory that `STOCKTAKE_PAGES` names.
#[test]
#[ignore = "for a look in a browser: set STOCKTAKE_PAGES to a directory"]
fn pages_for_the_eye() {
    let directory = std::path::PathBuf::from(std::env::var_os("STOCKTAKE_PAGES").expect("STOCKTAKE_PAGES"));
    let mut bad_reload = fixtures::status(fixtures::all_states());
    bad_reload.configuration.error = Some(
        "stocktake.yaml:14:7: unknown key `shedule`\n    did you mean `schedule`?\nstocktake.yaml:20:5: `url` is missing"
            .to_owned(),
    );
    bad_reload.ticked_at = fixtures::ago("400s");
    for (name, status) in [
        ("none", fixtures::status(Vec::new())),
        ("well", fixtures::status(vec![fixtures::well("quay"), fixtures::running("harbor"), fixtures::new("gitea")])),
        ("three", fixtures::three()),
        ("states", bad_reload),
        ("many", fixtures::many()),
    ] {
        std::fs::write(directory.join(format!("{name}.html")), render(&status)).expect("written");
    }
}
