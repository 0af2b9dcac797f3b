//! Told to stop in mid-walk or while publishing, and asked to run twice at once.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::inventory::{manifests, repositories};
use crate::support::program::{LOGIN, Workplace, one_registry};

/// A stop is prompt, also where a server does not answer.
const PROMPTLY: Duration = Duration::from_secs(10);

/// 500 repositories, of which the third page never comes, and word that it has been asked for.
async fn stuck_registry() -> (FakeRegistry, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let tell = asked.clone();
    let script = Script::quay_like(RepositoryNames::generated(500, 1)).with_faults(move |seen, nth| {
        // The first answer is the one to a question without credentials.
        let stuck = seen.endpoint == FakeEndpoint::Catalog && nth == 4;
        stuck.then(|| {
            tell.notify_one();
            Misbehaviour::Hang
        })
    });
    (FakeRegistry::start(script).await.unwrap(), asked)
}

async fn stopped_by(signal: &str) {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    place.run(&["run"]).await.exits(0);
    let before = place.tree("inventory");

    let (stuck, asked) = stuck_registry().await;
    place.configure(&one_registry(&stuck.url(), LOGIN));
    let running = place.start(&["run"]);
    asked.notified().await;
    running.signal(signal).await;
    let ended = timeout(PROMPTLY, running.end()).await.expect("a prompt end").exits(130);
    ended.says("stopping; nothing more is published").says("interrupted");
    assert_eq!(place.tree("inventory"), before, "nothing is published, nothing is lost");
    // What was walked is kept to be gone on with, unless the configuration changes, as it does now.
    assert!(place.tree("state/quay").contains_key("walk/checkpoint.json"), "{:?}", place.tree("state/quay").keys());
    assert!(place.tree("tmp").is_empty());

    place.configure(&one_registry(&registry.url(), LOGIN));
    place.run(&["run"]).await.exits(0);
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 2);
    assert!(!place.tree("state/quay").keys().any(|name| name.starts_with("walk")), "what is of no use is removed");
}

#[tokio::test]
async fn sigint_in_mid_walk_is_130_and_publishes_nothing() {
    stopped_by("INT").await;
}

#[tokio::test]
async fn sigterm_in_mid_walk_is_130_and_publishes_nothing() {
    stopped_by("TERM").await;
}

#[tokio::test]
async fn a_dry_run_is_stopped_as_well() {
    let (stuck, asked) = stuck_registry().await;
    let place = Workplace::with(&one_registry(&stuck.url(), LOGIN));
    let before = place.tree(".");
    let running = place.start(&["run", "--dry-run"]);
    asked.notified().await;
    running.signal("INT").await;
    timeout(PROMPTLY, running.end()).await.expect("a prompt end").exits(130);
    assert_eq!(place.tree("."), before);
}

#[tokio::test]
async fn stopped_while_publishing_the_next_run_delivers() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
    let console = "  console: {type: stdout, format: jsonl}\nregistries:";
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN).replace("registries:", console));
    // Another publisher holds the warehouse: its lock is the directory of manifests.
    let directory = place.path("inventory/v1/_runs/registry=quay");
    std::fs::create_dir_all(&directory).unwrap();
    let lock = File::open(&directory).unwrap();
    lock.lock().unwrap();

    let mut running = place.start(&["run"]);
    assert!(running.line().await.contains("\"repository\""), "the console has it, so publishing has begun");
    running.signal("TERM").await;
    let ended = timeout(PROMPTLY, running.end()).await.expect("a prompt end").exits(130);
    ended.says("quay → warehouse: not delivered: interrupted; the next run delivers it");
    assert!(manifests(&place.path("inventory"), "quay").is_empty());
    drop(lock);

    // What the console had printed it may print again: a signal can come between the last line and its receipt.
    place.run(&["run"]).await.exits(0).says("the oldest is delivered first");
    let manifests = manifests(&place.path("inventory"), "quay");
    assert_eq!(manifests.len(), 2);
    assert!(manifests.iter().all(|manifest| manifest["objects"][0]["rows"] == 150));
}

#[tokio::test]
async fn a_second_run_at_the_same_time_is_skipped_and_told_who_is_at_it() {
    let (stuck, asked) = stuck_registry().await;
    let other = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let two = format!("{}  - {{name: other, url: '{}'}}\n", one_registry(&stuck.url(), LOGIN), other.url());
    let place = Workplace::with(&two);
    let first = place.start(&["run", "quay"]);
    asked.notified().await;
    let requests = stuck.requests().len();

    let second = place.run(&["run"]).await.exits(1);
    second.says(&format!("another run of this registry is in progress (process {})", first.pid)).says("skipped");
    assert_eq!(stuck.requests().len(), requests, "the second one asked the registry nothing");
    assert_eq!(repositories(&place.path("inventory"), "other"), ["a"], "other registries are not held up");

    first.signal("TERM").await;
    first.end().await.exits(130);
    place.run(&["run", "other"]).await.exits(0);
}

#[tokio::test]
async fn registries_are_walked_at_the_same_time_and_one_that_ended_is_not_taken_back() {
    let (stuck, asked) = stuck_registry().await;
    let other = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let console = "  console: {type: stdout, format: csv}\nregistries:";
    let two = one_registry(&stuck.url(), LOGIN).replace("registries:", console);
    let place = Workplace::with(&format!("{two}  - {{name: other, url: '{}'}}\n", other.url()));
    let mut running = place.start(&["run"]);
    asked.notified().await;
    assert!(running.line().await.starts_with("run_id,"), "the second is printed while the first is being walked");
    assert!(running.line().await.starts_with("other-"));
    running.signal("INT").await;
    timeout(PROMPTLY, running.end()).await.expect("a prompt end").exits(130);
    assert!(manifests(&place.path("inventory"), "quay").is_empty());
}
