//! The gauges of the status, and the number of series.

use stocktake_sink::Verdict;

use super::*;
use crate::state::{Reason, Refusals, SinkHistory};

/// A registry in the middle of its second run.
fn running() -> RegistryStatus {
    let history = History {
        last: Some(last_run("quay")),
        served: Some(moment()),
        last_success_at: Some(after(-86_000)),
        failures: 2,
        inventory: Some(Inventory { repositories: 1234, tags: 9999, manifests: 9000, slot: None }),
        sinks: [
            ("lake".to_owned(), SinkHistory { delivered_at: Some(after(42)), ..SinkHistory::default() }),
            ("copy".to_owned(), SinkHistory { error: Some("full".into()), ..SinkHistory::default() }),
            ("gone".to_owned(), SinkHistory::default()),
        ]
        .into(),
        refusals: None,
    };
    let activity =
        Activity::Running { since: after(3600), pages: 1, listed: 100, is_list_whole: true, to_read: 10, read: 5 };
    let token = TokenStatus::Held { expires_at: after(3900), renew_at: after(3840) };
    RegistryStatus { activity, history, token, ..scheduled("quay") }
}

fn refused(count: u32) -> RegistryStatus {
    let reason = Reason { code: "credentials_rejected".into(), message: "no".into(), remedy: None };
    let refusals =
        Refusals { count, at: moment(), reason, fingerprint: String::new(), salt: String::new(), times: Vec::new() };
    let history = History { refusals: Some(refusals), ..History::default() };
    RegistryStatus { history, token: TokenStatus::Expired, ..fresh("hub") }
}

fn exposed(registries: Vec<RegistryStatus>, names: &[&str]) -> Parsed {
    let metrics = Metrics::new();
    for registry in &registries {
        metrics.registry(&registry.name, &sinks(names));
    }
    parse(&metrics.expose(&status(registries)))
}

#[test]
fn gauges_have_the_values_of_the_status() {
    let parsed = exposed(vec![running()], &["lake", "copy", "new"]);
    let at = |seconds: i64| after(seconds).timestamp() as f64;
    for (series, value) in [
        ("schedule_interval_seconds", 86_400.0),
        ("schedule_next_run_timestamp_seconds", at(86_400)),
        ("registry_first_seen_timestamp_seconds", at(-100)),
        ("run_consecutive_failures", 2.0),
        ("run_in_progress", 1.0),
        ("last_run_timestamp_seconds", at(42)),
        ("last_success_timestamp_seconds", at(-86_000)),
        ("last_run_duration_seconds", 42.0),
        ("inventory_repositories", 1234.0),
        ("inventory_tags", 9999.0),
        ("inventory_manifests", 9000.0),
        ("token_expiry_timestamp_seconds", at(3900)),
        ("token_refresh_due_timestamp_seconds", at(3840)),
        ("credentials_rejected", 0.0),
        ("credentials_suspended", 0.0),
        ("http_concurrency_limit", 8.0),
        ("http_requests_in_flight", 0.0),
        ("clock_skew_seconds", 0.0),
    ] {
        assert_eq!(parsed.value(&format!("stocktake_{series}{{registry=\"quay\"}}")), value, "{series}");
    }
    let labelled = |name: &str, rest: &str| parsed.value(&format!("stocktake_{name}{{registry=\"quay\",{rest}}}"));
    for (outcome, value) in [("success", 0.0), ("partial", 1.0), ("failed", 0.0)] {
        assert_eq!(labelled("last_run_status", &format!("status=\"{outcome}\"")), value);
    }
    assert_eq!(labelled("last_run_phase_duration_seconds", "phase=\"walk\""), 40.5);
    assert_eq!(labelled("last_run_phase_duration_seconds", "phase=\"publish\""), 1.5);
    for (sink, good, when) in [("lake", 1.0, at(42)), ("copy", 0.0, 0.0), ("new", 1.0, 0.0)] {
        assert_eq!(labelled("sink_last_commit_successful", &format!("sink=\"{sink}\"")), good, "{sink}");
        assert_eq!(labelled("sink_last_commit_timestamp_seconds", &format!("sink=\"{sink}\"")), when, "{sink}");
    }
    assert!(parsed.with("sink=\"gone\"").is_empty(), "a sink that is not configured has no series");
}

#[test]
fn every_verdict_is_one_outcome() {
    for verdict in Verdict::ALL {
        let mut registry = running();
        registry.history.last.as_mut().expect("a run").verdict = verdict;
        let parsed = exposed(vec![registry], &[]);
        let outcome = match verdict {
            Verdict::Complete => "success",
            Verdict::Gaps | Verdict::Partial => "partial",
            _ => "failed",
        };
        let set = parsed.with("status=\"");
        let one: Vec<_> = set.iter().filter(|series| parsed.value(series) == 1.0).collect();
        assert_eq!((set.len(), one.len()), (3, 1), "{verdict}");
        assert!(one[0].contains(outcome), "{verdict}");
    }
}

#[test]
fn rejected_credentials_are_shown_from_the_first_refusal_and_the_suspension_from_the_third() {
    for (count, suspended) in [(1, 0.0), (2, 0.0), (3, 1.0)] {
        let parsed = exposed(vec![refused(count)], &[]);
        assert_eq!(parsed.value("stocktake_credentials_rejected{registry=\"hub\"}"), 1.0);
        assert_eq!(parsed.value("stocktake_credentials_suspended{registry=\"hub\"}"), suspended);
        assert_eq!(parsed.value("stocktake_token_expiry_timestamp_seconds{registry=\"hub\"}"), 0.0);
    }
}

#[test]
fn events_that_never_happened_are_zero_and_inapplicable_series_are_absent() {
    let parsed = exposed(vec![fresh("a")], &["s"]);
    for never in ["last_run_timestamp", "last_success_timestamp", "last_run_duration", "token_refresh_due_timestamp"] {
        assert_eq!(parsed.value(&format!("stocktake_{never}_seconds{{registry=\"a\"}}")), 0.0);
    }
    let outcomes = parsed.with("status=\"");
    assert!(outcomes.len() == 3 && outcomes.iter().all(|series| parsed.value(series) == 0.0));
    for absent in ["schedule_interval", "schedule_next_run", "inventory_"] {
        assert!(!parsed.series.keys().any(|series| series.contains(absent)), "{absent}");
    }
}

#[test]
fn the_daemon_has_metrics_of_its_own() {
    let metrics = Metrics::new();
    let mut status = status(Vec::new());
    let parsed = parse(&metrics.expose(&status));
    assert_eq!(parsed.value("stocktake_scheduler_last_tick_timestamp_seconds"), after(-1).timestamp() as f64);
    assert_eq!(parsed.value("stocktake_config_last_reload_successful"), 1.0);
    assert_eq!(parsed.value("stocktake_config_last_reload_success_timestamp_seconds"), after(-100).timestamp() as f64);
    assert_eq!(parsed.value("stocktake_task_panics_total"), 0.0);
    let build = parsed.with("version=");
    assert!(build.len() == 1 && build[0].contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")));
    metrics.panicked();
    status.configuration.error = Some("no".into());
    let parsed = parse(&metrics.expose(&status));
    assert_eq!(parsed.value("stocktake_task_panics_total"), 1.0);
    assert_eq!(parsed.value("stocktake_config_last_reload_successful"), 0.0);
}

#[test]
fn every_family_has_series_and_without_a_daemon_some_are_left_out() {
    let metrics = Metrics::new();
    metrics.registry(&name("quay"), &sinks(&["lake"]));
    let all = parse(&metrics.expose(&status(vec![running()])));
    assert_eq!(all.families, families().iter().map(|family| family.name).collect::<Vec<_>>());
    for family in families() {
        assert!(all.series.keys().any(|series| series.starts_with(family.name)), "{}", family.name);
    }
    let runs = parse(&metrics.expose_runs(&[running()]));
    let left_out: Vec<_> = all.families.iter().filter(|family| !runs.families.contains(family)).collect();
    assert_eq!(
        left_out,
        [
            "stocktake_build_info",
            "stocktake_config_last_reload_successful",
            "stocktake_config_last_reload_success_timestamp_seconds",
            "stocktake_scheduler_last_tick_timestamp_seconds",
            "stocktake_log_messages_total",
            "stocktake_task_panics_total",
            "stocktake_schedule_interval_seconds",
            "stocktake_schedule_next_run_timestamp_seconds",
            "stocktake_schedule_skipped_total",
            "stocktake_registry_first_seen_timestamp_seconds",
            "stocktake_run_in_progress",
            "stocktake_sink_commit_duration_seconds",
        ]
    );
    for series in runs.series.keys() {
        assert!(series.contains("registry=\"quay\""), "two files of one node would collide: {series}");
    }
    for family in &runs.families {
        assert!(runs.series.keys().any(|series| series.starts_with(family.as_str())), "{family}");
    }
}

#[test]
#[allow(clippy::print_stderr)] // shows how far the limit is
fn a_registry_with_three_sinks_has_at_most_300_series_after_any_walk() {
    let metrics = Metrics::new();
    let meter = metrics.registry(&name("quay"), &sinks(&["lake", "copy", "new"]));
    let status = status(vec![running()]);
    let names = |parsed: Parsed| parsed.series.into_keys().collect::<BTreeSet<_>>();
    let before = names(parse(&metrics.expose(&status)));
    report_all_events(&*meter);
    for _ in 0..100_000 {
        meter.page(Ok(()));
        meter.ended(&exchange(Endpoint::Tags, Ok(200)));
    }
    assert_eq!(names(parse(&metrics.expose(&status))), before);
    let own = before.iter().filter(|series| series.contains("registry=\"quay\"")).count();
    let of_sinks = before.len() - own;
    eprintln!("{own} series of a registry with three sinks, {of_sinks} of the process and its sinks");
    assert!(own <= 300 && of_sinks <= 50, "{own} and {of_sinks}");
}
