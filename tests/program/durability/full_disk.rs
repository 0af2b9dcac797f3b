//! A full disk, under a sink and under the state: what was published stays, the message says what to do, and once
//! there is room the next run mends it by itself.

use std::collections::BTreeSet;
use std::fs::{self, File};

use crate::support::site::{FinishedProcess, Installation};
use crate::support::stranger::Stranger;

/// More pages than a run needs; a test that gets there would go on for ever.
const PAGES_MAX: usize = 64;

fn published(strangers: &mut [Stranger; 2]) -> [BTreeSet<usize>; 2] {
    strangers.each_mut().map(Stranger::look)
}

fn assert_told(ended: &FinishedProcess, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    for word in words {
        assert!(ended.told.contains(word), "{word:?} in:\n{}", ended.told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_under_a_sink_leaves_it_as_it_was_until_there_is_room() {
    let site = Installation::on_small_disk(3000, "inventory", 2048);
    let mut strangers = site.strangers();
    site.must_run(0).await;
    published(&mut strangers);
    let mut rounds = BTreeSet::from([0]);
    // One more page each time: the disk is full at the table, at the row of the run, at the manifest, at the pointer.
    let mut round = 1;
    let mut refused = 0;
    for free_pages in 0.. {
        assert!(free_pages < PAGES_MAX, "the disk is never full");
        site.disk().fill(free_pages);
        let registry = site.serve(round).await;
        let ended = site.run();
        drop(registry);
        let [warehouse, feed] = published(&mut strangers);
        let earlier = rounds.clone();
        rounds.insert(round);
        assert_eq!(feed, rounds, "the other sink is not disturbed");
        if ended.status.success() {
            assert_eq!(warehouse, rounds);
            site.disk().make_room();
            break;
        }
        refused += 1;
        println!("{free_pages} free pages: {}", ended.told);
        let remedy = "make room at the target; the earlier snapshot is untouched; the next run delivers it";
        assert_told(&ended, &["quay → warehouse: not delivered", "No space left on device", remedy]);
        // A manifest without a page left for the pointer is published all the same.
        assert!(warehouse == earlier || warehouse == rounds, "{warehouse:?}");
        assert_eq!(strangers[0].unnamed(), [site.disk().ballast()]);

        site.disk().make_room();
        round += 1;
        rounds.insert(round);
        site.must_run(round).await;
        assert_eq!(published(&mut strangers), [rounds.clone(), rounds.clone()]);
        strangers[0].assert_latest_is(round);
        site.assert_tidy();
        round += 1;
    }
    assert!(refused >= 4, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sink_that_was_full_for_two_nights_gets_both() {
    let site = Installation::on_small_disk(600, "inventory", 1024);
    let mut strangers = site.strangers();
    site.must_run(0).await;
    site.disk().fill(0);
    for (round, later) in [(1, "the next run delivers it"), (2, "the next run delivers 2 nights, the oldest first: ")] {
        let _registry = site.serve(round).await;
        assert_told(&site.run(), &["quay → warehouse: not delivered", later]);
    }
    site.disk().make_room();
    site.must_run(3).await;
    assert_eq!(published(&mut strangers), [BTreeSet::from([0, 1, 2, 3]), BTreeSet::from([0, 1, 2, 3])]);
    site.assert_tidy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_disk_under_the_state_publishes_nothing_until_there_is_room() {
    let site = Installation::on_small_disk(200, "state", 2048);
    let mut strangers = site.strangers();
    site.must_run(0).await;
    published(&mut strangers);
    let mut rounds = BTreeSet::from([0]);
    let mut round = 1;
    let mut refused = 0;
    for free_pages in 0.. {
        assert!(free_pages < PAGES_MAX, "the disk is never full");
        site.disk().fill(free_pages);
        let registry = site.serve(round).await;
        let ended = site.run();
        drop(registry);
        if ended.status.success() {
            rounds.insert(round);
            assert_eq!(published(&mut strangers), [rounds.clone(), rounds.clone()]);
            break;
        }
        refused += 1;
        println!("{free_pages} free pages: {}", ended.told);
        assert_eq!(published(&mut strangers), [rounds.clone(), rounds.clone()]);
        assert_told(
            &ended,
            &["No space left on device", "state/quay", "look at the state directory's disk: is it full"],
        );
        for stranger in &strangers {
            stranger.assert_latest_is(*rounds.last().unwrap());
        }

        site.disk().make_room();
        round += 1;
        rounds.insert(round);
        site.must_run(round).await;
        assert_eq!(published(&mut strangers), [rounds.clone(), rounds.clone()]);
        site.assert_tidy();
        round += 1;
    }
    assert!(refused >= 4, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_state_disk_that_a_killed_run_filled_is_emptied_by_the_next_run() {
    let site = Installation::on_small_disk(3000, "state", 2048);
    let mut strangers = site.strangers();
    site.must_run(0).await;
    // As a run leaves it that is killed while it walks with the disk full, before it could write itself into the lock.
    File::create(site.state().join("lock")).unwrap();
    fs::create_dir(site.state().join("walk")).unwrap();
    site.disk().fill(0);
    fs::rename(site.disk().ballast(), site.state().join("walk/repositories.0.segment")).unwrap();
    site.must_run(1).await;
    assert_eq!(published(&mut strangers), [BTreeSet::from([0, 1]), BTreeSet::from([0, 1])]);
    site.assert_tidy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_state_disk_that_fills_up_in_mid_walk_is_a_failure_and_not_a_partial_walk() {
    // More rows than are buffered: they are written while the walk goes on.
    let site = Installation::on_small_disk(70_000, "state", 64);
    let _registry = site.serve(0).await;
    let ended = site.run();
    assert_told(&ended, &["cannot keep rows in ", "No space left on device", "look at the state directory's disk"]);
    assert_eq!(published(&mut site.strangers()), [BTreeSet::new(), BTreeSet::new()]);
    assert_eq!(site.state_entries(), ["lock", "state.json"]);
}
