//! The daemon where its surroundings fail it: the clock, the disk, those who talk to it.

use std::fs;
use std::path::Path;
use std::process::Command;

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use tokio::time::{Instant, timeout};

use super::scheduled_runs::{EVERY_SECOND, NEVER, PROMPTLY, configuration};
use crate::support::client;
use crate::support::clock::Clock;
use crate::support::daemon::Daemon;
use crate::support::program::Workplace;

const HOUR: i64 = 3600;

async fn registry() -> FakeRegistry {
    FakeRegistry::start(Script::quay_like(RepositoryNames::generated(1, 1))).await.unwrap()
}

#[tokio::test]
async fn the_loop_goes_on_when_the_clock_is_set_back() {
    let registry = registry().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), NEVER)]));
    let clock = Clock::right(&place);
    let daemon = Daemon::start_with(&place, &clock.environment()).await;
    let tick = "stocktake_scheduler_last_tick_timestamp_seconds";
    let before = daemon.metric(tick).await.expect("it turns");
    clock.set(-HOUR);
    daemon.until(tick, |at| at.is_some_and(|at| at < before - 3000.0)).await;
    clock.set(HOUR);
    daemon.until(tick, |at| at.is_some_and(|at| at > before + 3000.0)).await;
    daemon.stop().await.exits(0);
}

/// Opening it waits for ever, as on a network disk whose server is gone.
fn put_a_pipe_at(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo, of coreutils").success());
}

async fn stops_promptly(daemon: Daemon) {
    timeout(PROMPTLY, daemon.stop()).await.expect("a prompt end").exits(0);
}

#[tokio::test]
async fn it_stops_while_the_configuration_cannot_be_read_to_its_end() {
    let registry = registry().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    let mut daemon = Daemon::start(&place).await;
    put_a_pipe_at(&place.path("stocktake.yaml"));
    daemon.running.signal("HUP").await;
    daemon.hears("RELOADING=1").await;
    // The schedule goes on meanwhile.
    let runs = "stocktake_runs_total{registry=\"quay\",trigger=\"schedule\"}";
    let before = daemon.metric(runs).await.unwrap();
    daemon.until(runs, |runs| runs > Some(before + 1.0)).await;
    stops_promptly(daemon).await;

    let starting = place.start(&["daemon"]);
    while !hears_term(starting.pid) {
        tokio::task::yield_now().await;
    }
    starting.signal("TERM").await;
    timeout(PROMPTLY, starting.end()).await.expect("a prompt end").exits(0);
}

/// Whether a process has its own way with SIGTERM.
fn hears_term(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
    u64::from_str_radix(mask.trim(), 16).expect("hex") & (1 << 14) != 0
}

#[tokio::test]
async fn it_stops_while_the_disk_of_the_state_hangs_and_tells_who_asks_for_a_run() {
    let registry = registry().await;
    let yaml = configuration(&[("quay", &registry.url(), NEVER)]);
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    let place = Workplace::with(&format!("web:\n  allow_runs: true\n  basic_auth_users: {{ops: '{hash}'}}\n{yaml}"));
    let mut daemon = Daemon::start(&place).await;
    fs::create_dir_all(place.path("state/quay")).unwrap();
    put_a_pipe_at(&place.path("state/quay/state.json"));
    daemon.running.signal("USR1").await;
    daemon.running.says_times("a signal requested runs", 1).await;
    daemon.running.signal("TERM").await;
    daemon.hears("STOPPING=1").await;
    let begun = Instant::now();
    let post =
        client().post(format!("{}/api/v1/registries/quay/run", daemon.base)).basic_auth("ops", Some("open sesame"));
    assert_eq!(post.send().await.expect("an answer").status().as_u16(), 503);
    assert!(begun.elapsed() < PROMPTLY / 4, "{:?}", begun.elapsed());
    // The run is waited for, and then the thread that hangs.
    let ended = timeout(PROMPTLY * 2, daemon.running.end()).await.expect("a prompt end");
    ended.exits(0).says("1 run does not stop in time");
}

#[tokio::test]
async fn a_state_directory_may_get_another_name_and_none_may_have_two_daemons() {
    let registry = registry().await;
    let yaml = configuration(&[("quay", &registry.url(), NEVER)]);
    let place = Workplace::with(&yaml);
    let mut daemon = Daemon::start(&place).await;
    std::os::unix::fs::symlink("state", place.path("link")).unwrap();
    for (state, times) in [("link", 1), ("elsewhere", 2), ("./state", 3)] {
        place.configure(&format!("state: {state}\n{yaml}"));
        daemon.running.signal("HUP").await;
        daemon.running.says_times("the configuration is reloaded", times).await;
        place.run(&["daemon"]).await.exits(1).says("another daemon uses the state directory");
    }
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_page_of_its_memory_that_cannot_be_written_keeps_no_other_from_being() {
    let registry = registry().await;
    let url = registry.url();
    let place = Workplace::with(&configuration(&[("a", &url, NEVER), ("b", &url, NEVER)]));
    fs::create_dir_all(place.path("state/.daemon/a.json/in-the-way")).unwrap();
    let ended = Daemon::start(&place).await.stop().await.exits(0);
    ended.says("cannot store slots");
    assert!(place.path("state/.daemon/b.json").is_file(), "{:?}", place.tree("state").keys());
}
