//! Few descriptors: fewer registries are walked at once, and what is published is true.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};

use crate::support::fail_point::FailPoint;
use crate::support::inventory::{last_run, manifests, table_of};
use crate::support::program::Workplace;

const NAMES: usize = 40;

async fn registry() -> FakeRegistry {
    let slow = |seen: &fake_registry::SeenRequest, _| {
        (seen.endpoint == FakeEndpoint::Tags).then_some(Misbehaviour::Delay(Duration::from_millis(12)))
    };
    let script = Script { contents: FakeContents::uniform(2), ..Script::open(RepositoryNames::generated(NAMES, 7)) };
    FakeRegistry::start(script.with_faults(slow)).await.unwrap()
}

/// So many entries for one registry, walked all at once.
fn many(count: usize, registry: &FakeRegistry, lines: &str) -> String {
    let mut yaml =
        format!("concurrency: {count}\nsinks:\n  warehouse: {{type: parquet, url: ./inventory}}\nregistries:\n");
    for at in 0..count {
        let url = registry.url();
        writeln!(yaml, "  - {{name: r{at}, url: \"{url}\", auth: {{type: none}}, depth: tags, timeout: 1h, {lines}}}")
            .unwrap();
    }
    yaml
}

/// Every published repository is there, and what is said to be read is read.
fn assert_true(place: &Workplace, name: &str, told: &str) {
    let root = place.path("inventory");
    for manifest in manifests(&root, name) {
        if !["complete", "gaps"].contains(&manifest["verdict"].as_str().unwrap()) {
            continue;
        }
        let repositories = table_of(&root, &manifest, "repositories");
        assert_eq!(repositories.len(), NAMES, "{name}: {told}");
        let read = repositories.iter().filter(|row| row["state"] == "complete");
        let read: BTreeSet<_> = read.filter_map(|row| row["repository"].as_str()).collect();
        assert!(manifest["verdict"] == "gaps" || read.len() == NAMES, "{name}: {told}");
        let tags = table_of(&root, &manifest, "tags");
        assert_eq!(tags.len(), 2 * read.len(), "{name}: {told}");
        assert!(tags.iter().all(|tag| read.contains(tag["repository"].as_str().unwrap())), "{name}: {told}");
    }
}

#[tokio::test]
async fn no_more_registries_are_walked_at_once_than_there_are_descriptors_for() {
    let registry = registry().await;
    let place = Workplace::with(&many(9, &registry, "concurrency: 4"));
    let running = place.start_within(&["prlimit", "--nofile=480:480"], &[], &["run"]);
    let ended = running.end().await.exits(0);
    let words = "at most 3 of 9 registries are walked at once: this process may have 480 files and connections open, and \
                 a walk needs up to 42; raise the limit (systemd: `LimitNOFILE=`, a shell: `ulimit -n`), or lower \
                 `concurrency` of the registries";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    for at in 0..9 {
        assert_eq!(last_run(&place.path("inventory"), &format!("r{at}")).verdict, "complete");
    }
    // The soft limit alone is no limit.
    let place = Workplace::with(&many(9, &registry, "concurrency: 4"));
    let running = place.start_within(&["prlimit", "--nofile=480:4096"], &[], &["run"]);
    let ended = running.end().await.exits(0);
    assert!(!ended.stderr.contains("at most"), "{}", ended.stderr);
}

/// Below what one walk needs there is nothing to be divided; then nothing is published, or gaps that are said to be some.
#[tokio::test]
async fn with_too_few_descriptors_for_one_walk_nothing_untrue_is_published() {
    let (registry, library) = (registry().await, FailPoint::build());
    let environment = library.environment(200);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for limit in (16..44).step_by(4) {
        let place = Workplace::with(&many(1, &registry, "concurrency: 30"));
        let running = place.start_within(&["prlimit", &format!("--nofile={limit}:{limit}")], &environment, &["run"]);
        let ended = running.end().await;
        let told = format!("{limit}: exit {:?}\n{}", ended.code, ended.stderr);
        assert!(!told.contains("panicked"), "{told}");
        assert_true(&place, "r0", &told);
        place.run(&["run"]).await.exits(0);
        assert_eq!(last_run(&place.path("inventory"), "r0").verdict, "complete", "{told}");
    }
}
