use stocktake_sink::Trigger;

use super::*;
use crate::daemon::roster::Entrant;
use crate::run::Cause;
use crate::schedule::SlotHistory;
use crate::state::SinkHistory;

const YAML: &str = "sinks:
  warehouse: {type: parquet, url: ./inventory}
registries:
  - {name: quay, url: 'https://quay.example', schedule: '0 2 * * *'}
";

fn quay() -> RegistryName {
    "quay".parse().unwrap()
}

fn loaded(directory: &tempfile::TempDir) -> Loaded {
    let path = directory.path().join("stocktake.yaml");
    std::fs::write(&path, YAML).unwrap();
    Loaded::load(Some(&path)).unwrap()
}

/// A tower of one registry, about which nothing is remembered.
fn tower(loaded: &Loaded) -> (Tower, Roster) {
    let mut roster = Roster::default();
    let schedule = loaded.schedules.get(&quay()).cloned();
    let entrant =
        Entrant { registry: quay(), schedule, past: SlotHistory::new(loaded.at), is_new: true, is_rescheduled: false };
    roster.replace(vec![entrant], loaded.at);
    let tower = Tower::new(String::new(), loaded.at);
    tower.replace(loaded, &roster, HashMap::new());
    (tower, roster)
}

fn report(outcome: RunOutcome, history: Option<History>) -> RunReport {
    let (started_at, finished_at) = (clock::now(), clock::now());
    let (sinks, redelivered) = (Vec::new(), Vec::new());
    let (registry, trigger) = (quay(), Trigger::Schedule);
    RunReport { registry, started_at, finished_at, outcome, sinks, redelivered, trigger, history, dry_run: false }
}

fn not_begun() -> RunReport {
    let cause = Cause { code: "state", message: "read-only".into(), remedy: None, is_authentication: false };
    report(RunOutcome::NotBegun(cause), None)
}

fn seen(tower: &Tower) -> RegistryStatus {
    tower.status().registries.remove(0)
}

#[test]
fn a_run_that_could_not_begin_and_one_that_panicked_are_failures_until_one_is_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = loaded(&directory);
    let (tower, roster) = tower(&loaded);
    tower.begins(&quay());
    assert!(matches!(seen(&tower).activity, Activity::Running { .. }));
    tower.ended(&quay(), Some(&not_begun()));
    assert_eq!((seen(&tower).activity, seen(&tower).history.failures), (Activity::Idle, 1));
    tower.ended(&quay(), None);
    let status = seen(&tower);
    assert_eq!((status.history.failures, status.trouble.unwrap().code.as_str()), (2, "panic"));
    assert!(tower.summary().starts_with("1 registry, 0 running, 1 needs attention"), "{}", tower.summary());

    tower.replace(&loaded, &roster, HashMap::from([(quay(), History::default())]));
    assert_eq!(seen(&tower).history.failures, 2, "a reload mends nothing");

    let history = History { failures: 3, ..History::default() };
    tower.ended(&quay(), Some(&report(RunOutcome::Interrupted { resumable: true }, Some(history))));
    let status = seen(&tower);
    assert_eq!((status.history.failures, status.trouble), (3, None));
}

#[test]
fn what_somebody_else_ran_is_seen_and_sinks_that_are_not_configured_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (tower, _) = tower(&loaded(&directory));
    tower.ended(&quay(), Some(&not_begun()));
    let lagging = SinkHistory { error: Some("full".into()), ..SinkHistory::default() };
    let history = History { sinks: [("gone".to_owned(), lagging.clone())].into(), ..History::default() };
    tower.observed(&quay(), history.clone());
    assert_eq!((seen(&tower).history.failures, seen(&tower).history.sinks.len()), (0, 0));
    tower.ended(&quay(), Some(&report(RunOutcome::Interrupted { resumable: true }, None)));
    assert!(tower.summary().starts_with("1 registry, 0 running, 0 need attention"), "{}", tower.summary());
    tower.observed(&quay(), History { sinks: [("warehouse".to_owned(), lagging)].into(), ..history });
    assert!(tower.summary().contains("1 needs attention"), "{}", tower.summary());
}

#[test]
fn readiness_ends_when_a_stop_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (tower, _) = tower(&loaded(&directory));
    assert_eq!((tower.is_ready(), tower.is_healthy()), (Ok(()), Ok(())));
    tower.stopping();
    assert_eq!((tower.is_ready(), tower.is_healthy()), (Err("stopping".to_owned()), Ok(())));
    assert!(tower.summary().starts_with("stopping, 1 registry"));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_turn_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (tower, _) = tower(&loaded(&directory));
    tokio::time::advance(HANGS).await;
    assert_eq!(tower.is_healthy(), Err("the scheduling loop has not turned for 30 s".to_owned()));
    tower.ticked(clock::now());
    assert_eq!(tower.is_healthy(), Ok(()));
}
