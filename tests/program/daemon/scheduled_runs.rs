//! The daemon as its supervisor, its operator and its registries see it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::support::daemon::Daemon;
use crate::support::inventory::manifests;
use crate::support::program::{LOGIN, Workplace};

/// A stop is prompt, also where a server does not answer.
pub(crate) const PROMPTLY: Duration = Duration::from_secs(10);
pub(crate) const EVERY_SECOND: &str = "    schedule: \"* * * * * *\"\n";
/// Not while a test runs.
pub(crate) const NEVER: &str = "    schedule: \"0 0 1 1 *\"\n";

/// Registries with these further lines each, delivered as Parquet.
pub(crate) fn configuration(registries: &[(&str, &Url, &str)]) -> String {
    let mut yaml =
        String::from("listen: 127.0.0.1:0\nsinks:\n  warehouse: {type: parquet, url: ./inventory}\nregistries:\n");
    for (name, url, lines) in registries {
        write!(yaml, "  - name: {name}\n    url: {url}\n{LOGIN}{lines}").unwrap();
    }
    yaml
}

async fn registry(count: usize) -> FakeRegistry {
    FakeRegistry::start(Script::quay_like(RepositoryNames::generated(count, 1))).await.unwrap()
}

/// A registry whose catalog never comes, and word that it was asked for.
async fn stuck() -> (FakeRegistry, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let tell = asked.clone();
    let script = Script::quay_like(RepositoryNames::generated(150, 1)).with_faults(move |seen, _| {
        let is_stuck = seen.endpoint == FakeEndpoint::Catalog;
        is_stuck.then(|| {
            tell.notify_one();
            Misbehaviour::Hang
        })
    });
    (FakeRegistry::start(script).await.unwrap(), asked)
}

#[tokio::test]
async fn it_is_ready_runs_by_schedule_says_how_it_stands_and_stops() {
    let registry = registry(150).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    let mut daemon = Daemon::start(&place).await;
    assert_eq!(daemon.get("/healthz").await.0, 200);
    assert_eq!(daemon.get("/readyz").await.0, 200);
    daemon.running.says_times("is complete: 150 repositories", 2).await;
    daemon.until("stocktake_runs_total{registry=\"quay\",trigger=\"schedule\"}", |runs| runs >= Some(2.0)).await;
    assert_eq!(daemon.metric("stocktake_inventory_repositories{registry=\"quay\"}").await, Some(150.0));
    let (status, page) = daemon.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("quay") && page.contains("complete"), "{page}");
    let status = daemon.hears("STATUS").await;
    assert!(status.starts_with("STATUS=1 registry, "), "{status}");

    daemon.running.signal("TERM").await;
    let message = daemon.hears("STOPPING=1").await;
    assert!(message.contains("\nSTATUS=stopping, 1 registry"), "{message}");
    let ended = timeout(PROMPTLY, daemon.running.end()).await.expect("a prompt end").exits(0);
    ended.says("stopped; nothing unfinished was published");
    assert!(!manifests(&place.path("inventory"), "quay").is_empty());
}

#[tokio::test]
async fn the_watchdog_is_fed_while_the_loop_turns() {
    let registry = registry(1).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), NEVER)]));
    let mut daemon = Daemon::start_with(&place, &[("WATCHDOG_USEC", "2000000")]).await;
    for _ in 0..3 {
        daemon.hears("WATCHDOG=1").await;
    }
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn the_watchdog_is_not_fed_while_the_loop_hangs() {
    let registry = registry(1).await;
    let yaml = configuration(&[("quay", &registry.url(), NEVER)]);
    let place = Workplace::with(&yaml);
    let mut daemon = Daemon::start_with(&place, &[("WATCHDOG_USEC", "400000")]).await;
    daemon.hears("WATCHDOG=1").await;
    // Taking over a configuration is the one thing that the loop waits for, and a pipe keeps its writer waiting.
    let pipe = place.path("elsewhere/.daemon/quay.json");
    std::fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    place.configure(&("state: ./elsewhere\n".to_owned() + &yaml));
    daemon.running.signal("HUP").await;
    daemon.hears("RELOADING=1").await;
    // Not for synchronisation: time in which it would be fed twice at least.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(daemon.heard_meanwhile(), [""; 0], "only the loop feeds it");
    drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    daemon.hears("READY=1").await;
    daemon.hears("WATCHDOG=1").await;
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_stop_in_mid_run_publishes_nothing_and_is_no_failure() {
    let (registry, asked) = stuck().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    let daemon = Daemon::start(&place).await;
    asked.notified().await;
    let ended = timeout(PROMPTLY, daemon.stop()).await.expect("a prompt end").exits(0);
    ended.says("was interrupted; nothing is published");
    assert!(place.tree("inventory").is_empty());
}

#[tokio::test]
async fn a_second_signal_to_stop_ends_it_at_once() {
    let registry = registry(1).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), NEVER)]));
    let mut daemon = Daemon::start(&place).await;
    // A client in the middle of a request is waited for a little.
    let mut client = TcpStream::connect(daemon.base.strip_prefix("http://").unwrap()).await.unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    daemon.get("/healthz").await;
    daemon.running.signal("TERM").await;
    daemon.hears("STOPPING=1").await;
    daemon.running.signal("TERM").await;
    let begun = Instant::now();
    let ended = timeout(PROMPTLY, daemon.running.end()).await.expect("a prompt end");
    assert!(ended.code == Some(130) && begun.elapsed() < PROMPTLY, "{ended:?}");
    drop(client);
}

#[tokio::test]
async fn a_signal_runs_all_and_a_run_beside_the_daemon_is_seen_by_it() {
    let registry = registry(150).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), ""), ("harbor", &registry.url(), "")]));
    let mut daemon = Daemon::start(&place).await;
    assert_eq!(daemon.metric("stocktake_inventory_repositories{registry=\"quay\"}").await, None, "not yet");
    place.run(&["run", "quay"]).await.exits(0);
    daemon.until("stocktake_inventory_repositories{registry=\"quay\"}", |rows| rows == Some(150.0)).await;
    daemon.running.signal("USR1").await;
    daemon.running.says_times("is complete: 150 repositories", 2).await;
    for name in ["quay", "harbor"] {
        let series = format!("stocktake_runs_total{{registry=\"{name}\",trigger=\"manual\"}}");
        daemon.until(&series, |runs| runs == Some(1.0)).await;
    }
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn no_two_runs_of_one_registry_at_once_whoever_asks() {
    let (registry, asked) = stuck().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    let daemon = Daemon::start(&place).await;
    asked.notified().await;
    daemon.until("stocktake_schedule_skipped_total{registry=\"quay\",reason=\"overlap\"}", |n| n >= Some(2.0)).await;
    daemon.running.signal("USR1").await;
    place.run(&["run"]).await.exits(1).says("another run of this registry is in progress");
    assert_eq!(registry.count(FakeEndpoint::Catalog), 1, "the one that hangs");
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_slot_that_meets_a_run_of_another_process_is_skipped_and_counted() {
    let (registry, asked) = stuck().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    let by_hand = place.start(&["run"]);
    asked.notified().await;
    let daemon = Daemon::start(&place).await;
    daemon.until("stocktake_schedule_skipped_total{registry=\"quay\",reason=\"overlap\"}", |n| n >= Some(2.0)).await;
    assert_eq!(daemon.metric("stocktake_runs_total{registry=\"quay\",trigger=\"schedule\"}").await, Some(0.0));
    assert_eq!(daemon.metric("stocktake_run_consecutive_failures{registry=\"quay\"}").await, Some(0.0));
    assert_eq!(registry.count(FakeEndpoint::Catalog), 1, "the one that hangs");
    by_hand.signal("TERM").await;
    by_hand.end().await.exits(130);
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_reload_takes_the_whole_configuration_or_nothing_of_it() {
    let registry = registry(150).await;
    let url = registry.url();
    let place = Workplace::with(&configuration(&[("quay", &url, NEVER), ("harbor", &url, NEVER)]));
    let mut daemon = Daemon::start(&place).await;

    place.configure(&(configuration(&[("quay", &url, NEVER), ("gone", &url, NEVER)]) + "    colour: red\n"));
    daemon.running.signal("HUP").await;
    let message = daemon.hears("RELOADING=1").await;
    assert!(message.contains("MONOTONIC_USEC="), "{message}");
    daemon.hears("READY=1").await;
    let said = daemon.running.says_times("the configuration is not reloaded", 1).await;
    assert!(said.contains("unknown key `colour`") || said.contains("colour"), "{said}");
    assert_eq!(daemon.metric("stocktake_config_last_reload_successful").await, Some(0.0));
    assert!(daemon.metric("stocktake_run_in_progress{registry=\"harbor\"}").await.is_some());
    assert!(daemon.metric("stocktake_run_in_progress{registry=\"gone\"}").await.is_none());
    assert!(daemon.get("/").await.1.contains("colour"));

    place.configure(&configuration(&[("quay", &url, EVERY_SECOND), ("pulp", &url, NEVER)]));
    daemon.running.signal("HUP").await;
    daemon.hears("RELOADING=1").await;
    daemon.hears("READY=1").await;
    assert_eq!(daemon.metric("stocktake_config_last_reload_successful").await, Some(1.0));
    let next = daemon.metric("stocktake_schedule_next_run_timestamp_seconds{registry=\"pulp\"}").await;
    assert!(next.is_some(), "it never runs again, and nothing says so");
    let (_, metrics) = daemon.get("/metrics").await;
    assert!(metrics.contains("registry=\"pulp\"") && !metrics.contains("registry=\"harbor\""), "{metrics}");
    daemon.running.says_times("is complete: 150 repositories", 1).await;
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_run_in_progress_keeps_the_configuration_that_it_began_with() {
    let (slow, asked) = stuck().await;
    let registry = registry(150).await;
    let place = Workplace::with(&configuration(&[("quay", &slow.url(), EVERY_SECOND)]));
    let mut daemon = Daemon::start(&place).await;
    asked.notified().await;
    place.configure(&configuration(&[("harbor", &registry.url(), EVERY_SECOND)]));
    daemon.running.signal("HUP").await;
    daemon.running.says_times("removed: quay", 1).await;
    daemon.running.says_times("is complete: 150 repositories", 1).await;
    let (_, metrics) = daemon.get("/metrics").await;
    assert!(!metrics.contains("registry=\"quay\""), "its series went with it: {metrics}");
    daemon.stop().await.exits(0).says("quay: the run was interrupted");
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_told_with_an_exit_code_of_its_own() {
    let registry = registry(1).await;
    let yaml = configuration(&[("quay", &registry.url(), NEVER)]);
    let place = Workplace::with(&(yaml.clone() + "    colour: red\n"));
    place.run(&["daemon"]).await.exits(78).says("colour");
    place.configure(&yaml);
    let daemon = Daemon::start(&place).await;
    place.run(&["daemon"]).await.exits(1).says("another daemon uses the state directory");
    let elsewhere = Workplace::with(&yaml.replace("127.0.0.1:0", daemon.base.strip_prefix("http://").unwrap()));
    elsewhere.run(&["daemon"]).await.exits(1).says("listen");
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn refused_credentials_are_sent_three_times_and_again_once_they_change() {
    let registry = registry(150).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), EVERY_SECOND)]));
    place.secret("password", "wr0ng-passw0rd");
    let mut daemon = Daemon::start(&place).await;
    daemon.until("stocktake_credentials_rejected{registry=\"quay\"}", |value| value == Some(1.0)).await;
    daemon.until("stocktake_credentials_suspended{registry=\"quay\"}", |value| value == Some(1.0)).await;
    daemon.until("stocktake_schedule_skipped_total{registry=\"quay\",reason=\"suspended\"}", |n| n >= Some(2.0)).await;
    assert_eq!(registry.count(FakeEndpoint::Token), 3);
    let (_, page) = daemon.get("/").await;
    assert!(page.contains("stocktake check quay"), "the page says what to do: {page}");
    let (_, metrics) = daemon.get("/metrics").await;
    let kept = place.tree("state").into_values().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    for text in kept.chain([page, metrics]) {
        assert!(!text.contains("wr0ng-passw0rd"), "{text}");
    }
    place.secret("password", fake_registry::PASSWORD);
    daemon.running.says_times("is complete: 150 repositories", 1).await;
    daemon.until("stocktake_credentials_rejected{registry=\"quay\"}", |value| value == Some(0.0)).await;
    assert_eq!(daemon.metric("stocktake_credentials_suspended{registry=\"quay\"}").await, Some(0.0));
    let ended = daemon.stop().await.exits(0);
    assert!(!ended.stderr.contains("wr0ng-passw0rd"), "{}", ended.stderr);
}

#[tokio::test]
async fn runs_without_a_daemon_leave_the_same_metrics_in_a_file() {
    let registry = registry(150).await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), "")]));
    place.run(&["run", "--textfile", "stocktake.prom"]).await.exits(0);
    let text = std::fs::read_to_string(place.path("stocktake.prom")).unwrap();
    for line in [
        "stocktake_runs_total{registry=\"quay\",trigger=\"manual\"} 1",
        "stocktake_inventory_repositories{registry=\"quay\"} 150",
        "stocktake_credentials_rejected{registry=\"quay\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("stocktake_scheduler_last_tick"), "there is no scheduler: {text}");

    place.secret("password", "wrong");
    place.run(&["run", "--textfile", "stocktake.prom"]).await.exits(4);
    let text = std::fs::read_to_string(place.path("stocktake.prom")).unwrap();
    assert!(text.contains("stocktake_credentials_rejected{registry=\"quay\"} 1\n"), "{text}");
    assert!(text.contains("stocktake_inventory_repositories{registry=\"quay\"} 150\n"), "what was there stays: {text}");
    place.run(&["run", "--textfile", "nowhere/stocktake.prom"]).await.exits(4).says("nowhere/stocktake.prom");
}

#[tokio::test]
async fn a_run_is_asked_for_over_http_by_those_who_may() {
    let registry = registry(150).await;
    let yaml = configuration(&[("quay", &registry.url(), "")]);
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    let web = format!("web:\n  allow_runs: true\n  basic_auth_users: {{ops: '{hash}'}}\n");
    let place = Workplace::with(&(web + &yaml));
    let mut daemon = Daemon::start(&place).await;
    let post = |name: &str| crate::support::client().post(format!("{}/api/v1/registries/{name}/run", daemon.base));
    assert_eq!(post("quay").send().await.unwrap().status().as_u16(), 401);
    let login = |request: reqwest::RequestBuilder| request.basic_auth("ops", Some("open sesame"));
    assert_eq!(login(post("nobody")).send().await.unwrap().status().as_u16(), 404);
    let crossing = login(post("quay")).header("Origin", "https://elsewhere.example").send().await.unwrap();
    assert_eq!(crossing.status().as_u16(), 403);
    let told = login(post("quay")).send().await.unwrap();
    assert_eq!((told.status().as_u16(), told.text().await.unwrap().contains("\"started\"")), (202, true));
    daemon.running.says_times("is complete: 150 repositories", 1).await;
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn as_many_registries_run_at_once_as_concurrency_says() {
    let ((first, _), (second, _), (third, _)) = (stuck().await, stuck().await, stuck().await);
    let all = [("a", &first.url(), ""), ("b", &second.url(), ""), ("c", &third.url(), "")];
    let place = Workplace::with(&format!("concurrency: 2\n{}", configuration(&all)));
    let daemon = Daemon::start(&place).await;
    daemon.running.signal("USR1").await;
    for name in ["a", "b"] {
        daemon.until(&format!("stocktake_run_in_progress{{registry=\"{name}\"}}"), |runs| runs == Some(1.0)).await;
    }
    assert_eq!(daemon.metric("stocktake_run_in_progress{registry=\"c\"}").await, Some(0.0));
    assert!(daemon.get("/").await.1.contains("waiting"), "the third one's turn comes later");
    daemon.stop().await.exits(0);
    assert_eq!(third.requests().len(), 0);
}
