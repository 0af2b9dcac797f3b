//! Expositions, read back as Prometheus reads them.

#![allow(clippy::float_cmp, clippy::cast_precision_loss)] // small whole numbers, and seconds

mod counting;
mod exposed;
mod golden;
mod parsed;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{RunRecord, SnapshotId, Trigger, Verdict};

use super::*;
use crate::registry::{EndedRequest, Endpoint, Fault, Loss, SafetyRule};
use crate::state::{History, Inventory, LastRun};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, ScheduleStatus, TokenStatus};
use parsed::{Parsed, parse};

/// 2026-11-23 02:00:00.
fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_399_200, 0).expect("a time")
}

fn after(seconds: i64) -> DateTime<Utc> {
    moment() + TimeDelta::seconds(seconds)
}

fn name(name: &str) -> RegistryName {
    name.parse().expect("a name")
}

/// A registry without runs and without a schedule.
fn fresh(registry: &str) -> RegistryStatus {
    RegistryStatus {
        name: name(registry),
        url: format!("https://{registry}.example"),
        first_seen_at: after(-100),
        schedule: None,
        activity: Activity::Idle,
        history: History::default(),
        trouble: None,
        token: TokenStatus::None,
        concurrency: 8,
        sinks: Vec::new(),
    }
}

fn scheduled(registry: &str) -> RegistryStatus {
    let schedule = ScheduleStatus {
        expression: "@daily".into(),
        time_zone: "UTC".into(),
        next: Some(after(86_400)),
        interval: Some(Duration::from_hours(24)),
    };
    let inventory = Inventory { repositories: 10, tags: 20, manifests: 15, slot: None };
    let history = History { inventory: Some(inventory), ..History::default() };
    RegistryStatus { schedule: Some(schedule), history, ..fresh(registry) }
}

fn status(registries: Vec<RegistryStatus>) -> Status {
    Status {
        now: moment(),
        started_at: after(-200),
        ticked_at: after(-1),
        is_stopping: false,
        configuration: ConfigurationStatus { file: "stocktake.yaml".into(), loaded_at: after(-100), error: None },
        registries,
    }
}

/// The row of a run that read five repositories.
fn record(registry: &str, verdict: Verdict) -> RunRecord {
    RunRecord {
        id: SnapshotId::new(name(registry), moment()),
        started_at: moment(),
        finished_at: after(40),
        trigger: Trigger::Schedule,
        verdict,
        pages: 1,
        requests: 2,
        retries: 0,
        token_requests: 0,
        rows_repositories: 5,
        rows_tags: 0,
        rows_manifests: 0,
        rows_changes: 0,
        requests_saved: 0,
        errors: Vec::new(),
        exporter_version: String::new(),
        config_sha256: String::new(),
        previous_run_id: None,
    }
}

/// A run with gaps that took 42 s.
fn last_run(registry: &str) -> LastRun {
    LastRun {
        changes: Some(crate::snapshot::ChangeCounts { added: 12, removed: 3, moved: 7 }),
        run_id: format!("{registry}-x"),
        slot: moment(),
        trigger: Trigger::Schedule,
        started_at: moment(),
        judged_at: moment() + TimeDelta::milliseconds(40_500),
        finished_at: after(42),
        verdict: Verdict::Gaps,
        reason: None,
        repositories: 1234,
        requests: 99,
        unread: crate::snapshot::UnreadRepositories::default(),
        show_all: None,
    }
}

fn sinks(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn exchange(endpoint: Endpoint, outcome: Result<u16, Loss>) -> EndedRequest {
    EndedRequest { endpoint, outcome, bytes: 100, took: Duration::from_millis(250), clock_skew: Some(-0.5) }
}

/// Reports each event once.
fn report_all_events(meter: &dyn Observer) {
    for endpoint in Endpoint::ALL {
        for status in [200, 307, 401, 403, 404, 429, 400, 502] {
            meter.begun(endpoint);
            meter.ended(&exchange(endpoint, Ok(status)));
        }
        for loss in Loss::ALL {
            meter.begun(endpoint);
            meter.ended(&exchange(endpoint, Err(loss)));
        }
        meter.retried(endpoint);
    }
    for fault in Fault::ALL {
        meter.page(Err(fault));
        meter.token(Err(fault));
    }
    meter.page(Ok(()));
    meter.waited(Duration::from_millis(1500));
    for rule in SafetyRule::ALL {
        meter.refused_for_safety(rule);
    }
}

#[test]
fn families_follow_the_rules_of_prometheus_for_names_and_help() {
    let names: HashSet<_> = families().iter().map(|family| family.name).collect();
    assert_eq!(names.len(), families().len(), "no name twice");
    for Family { name, kind, help, labels, .. } in families() {
        assert!(name.starts_with("stocktake_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
        let has_unit = name.ends_with("_seconds") || !name.contains("duration") && !name.contains("timestamp");
        assert!(has_unit, "{name} ends with its unit");
        assert!(help.ends_with('.') && help.starts_with(char::is_uppercase) && !help.contains('\n'), "{name}: {help}");
        assert!(!help.contains("  ") && !help.contains('\\'), "{name}: {help}");
        let known = ["registry", "sink", "op", "endpoint", "code", "reason", "trigger", "status", "phase", "level"];
        let known = |label| known.contains(label) || *name == "stocktake_build_info";
        assert!(labels.iter().all(known), "{name}: {labels:?}");
    }
}
