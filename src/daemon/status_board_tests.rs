use stocktake_sink::Trigger;

use super::*;
use crate::daemon::run_queue::ConfiguredRegistry;
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

fn loaded(directory: &tempfile::TempDir) -> LoadedConfig {
    let path = directory.path().join("stocktake.yaml");
    std::fs::write(&path, YAML).unwrap();
    LoadedConfig::load(Some(&path)).unwrap()
}

/// A board of one registry without stored slots.
fn board(loaded: &LoadedConfig) -> (StatusBoard, RunQueue) {
    let mut queue = RunQueue::default();
    let schedule = loaded.schedules.get(&quay()).cloned();
    let configured = ConfiguredRegistry {
        registry: quay(),
        schedule,
        past: SlotHistory::new(loaded.at),
        is_new: true,
        is_rescheduled: false,
    };
    queue.replace(vec![configured], loaded.at);
    let board = StatusBoard::new(String::new(), loaded.at);
    board.replace(loaded, &queue, HashMap::new());
    (board, queue)
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

fn seen(board: &StatusBoard) -> RegistryStatus {
    board.status().registries.remove(0)
}

#[test]
fn a_run_that_could_not_begin_and_one_that_panicked_count_as_failures_until_a_history_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let loaded = loaded(&directory);
    let (board, queue) = board(&loaded);
    board.begins(&quay());
    assert!(matches!(seen(&board).activity, Activity::Running { .. }));
    board.ended(&quay(), Some(&not_begun()));
    assert_eq!((seen(&board).activity, seen(&board).history.failures), (Activity::Idle, 1));
    board.ended(&quay(), None);
    let status = seen(&board);
    assert_eq!((status.history.failures, status.trouble.unwrap().code.as_str()), (2, "panic"));
    assert!(board.summary().starts_with("1 registry, 0 running, 1 needs attention"), "{}", board.summary());

    board.replace(&loaded, &queue, HashMap::from([(quay(), History::default())]));
    assert_eq!(seen(&board).history.failures, 2, "a reload mends nothing");

    let history = History { failures: 3, ..History::default() };
    board.ended(&quay(), Some(&report(RunOutcome::Interrupted { resumable: true }, Some(history))));
    let status = seen(&board);
    assert_eq!((status.history.failures, status.trouble), (3, None));
}

#[test]
fn runs_of_other_processes_are_shown_and_sinks_that_are_not_configured_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let (board, _) = board(&loaded(&directory));
    board.ended(&quay(), Some(&not_begun()));
    let lagging = SinkHistory { error: Some("full".into()), ..SinkHistory::default() };
    let history = History { sinks: [("gone".to_owned(), lagging.clone())].into(), ..History::default() };
    board.observed(&quay(), history.clone());
    assert_eq!((seen(&board).history.failures, seen(&board).history.sinks.len()), (0, 0));
    board.ended(&quay(), Some(&report(RunOutcome::Interrupted { resumable: true }, None)));
    assert!(board.summary().starts_with("1 registry, 0 running, 0 need attention"), "{}", board.summary());
    board.observed(&quay(), History { sinks: [("warehouse".to_owned(), lagging)].into(), ..history });
    assert!(board.summary().contains("1 needs attention"), "{}", board.summary());
}

#[test]
fn readiness_ends_when_the_daemon_is_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let (board, _) = board(&loaded(&directory));
    assert_eq!((board.is_ready(), board.is_healthy()), (Ok(()), Ok(())));
    board.stopping();
    assert_eq!((board.is_ready(), board.is_healthy()), (Err("stopping".to_owned()), Ok(())));
    assert!(board.summary().starts_with("stopping, 1 registry"));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_loop_is_unhealthy() {
    let directory = tempfile::tempdir().unwrap();
    let (board, _) = board(&loaded(&directory));
    tokio::time::advance(STALLED_AFTER).await;
    assert_eq!(board.is_healthy(), Err("the scheduling loop has not run for 30 s".to_owned()));
    board.ticked(clock::now());
    assert_eq!(board.is_healthy(), Ok(()));
}
