//! Restarts: no slot twice, none lost.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DurationRound, TimeDelta};
use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};
use serde_json::{Value, json};
use stocktake::clock;

use super::scheduled_runs::configuration;
use crate::support::daemon::Daemon;
use crate::support::program::Workplace;

/// An installation whose daemon was down over the slot of two hours ago; and the run that it missed.
async fn one_that_missed_a_slot(registry: &FakeRegistry) -> (Workplace, String) {
    let slot = (clock::now() - TimeDelta::hours(2)).duration_trunc(TimeDelta::minutes(1)).unwrap();
    let lines = format!("    schedule: \"{} * * *\"\n    catch_up: 12h\n", slot.format("%-M %-H"));
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), &lines)]));
    Daemon::start(&place).await.stop().await.exits(0);
    let path = place.path("state/.daemon/quay.json");
    let mut page: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    page["past"]["first_seen"] = json!(slot - TimeDelta::hours(1));
    page["past"]["last"] = Value::Null;
    fs::write(path, page.to_string()).unwrap();
    (place, format!("quay-{}", slot.format("%Y%m%dT%H%M%SZ")))
}

fn complete(text: &str) -> usize {
    text.matches("is complete: 150 repositories").count()
}

#[tokio::test]
async fn downtime_over_a_slot_is_caught_up_once() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
    let (place, run_id) = one_that_missed_a_slot(&registry).await;
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times(&format!("{run_id} is complete"), 1).await;
    let ended = daemon.stop().await.exits(0);
    assert_eq!(complete(&ended.stderr), 1);
    let ended = Daemon::start(&place).await.stop().await.exits(0);
    assert_eq!(complete(&ended.stderr), 0, "{}", ended.stderr);
}

#[tokio::test]
async fn a_slot_whose_run_was_killed_or_stopped_is_the_same_run_after_the_restart() {
    let script = Script::quay_like(RepositoryNames::generated(150, 1));
    // The catalogs of the first two runs never come.
    let hung = AtomicUsize::new(0);
    let registry = FakeRegistry::start(script.with_faults(move |seen, _| {
        let hangs = seen.endpoint == FakeEndpoint::Catalog && hung.fetch_add(1, Ordering::SeqCst) < 2;
        hangs.then_some(Misbehaviour::Hang)
    }));
    let registry = registry.await.unwrap();
    let (place, run_id) = one_that_missed_a_slot(&registry).await;
    let begins = format!("{run_id} begins");
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times(&begins, 1).await;
    until_asked(&registry, 1).await;
    daemon.kill().await;
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times(&begins, 1).await;
    until_asked(&registry, 2).await;
    daemon.stop().await.exits(0);
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times(&format!("{run_id} is complete"), 1).await;
    daemon.stop().await.exits(0);
    let ended = Daemon::start(&place).await.stop().await.exits(0);
    assert_eq!(complete(&ended.stderr), 0, "{}", ended.stderr);
}

async fn until_asked(registry: &FakeRegistry, times: u64) {
    while registry.count(FakeEndpoint::Catalog) < times {
        tokio::task::yield_now().await;
    }
}
