//! `kill -9` at any moment: what was published stays whole, and the next run repairs the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::Duration;

use fake_registry::{FakeEndpoint, Misbehaviour, Script};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::crash_point::{CrashAt, Library};
use crate::support::site::{Installation, RunningChild, names, start};
use crate::support::stranger::{ExportProgress, Stranger, is_hidden};

/// Where a run was when it was killed, told from what it left on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Starting up, sweeping, or delivering the snapshot before.
    BeforeSlot,
    /// Its slot is taken, the walk has not begun.
    Slot,
    Walk,
    /// All rows are spooled; `sealed.json` is not in its place.
    Spooled,
    /// `sealed.json` is written; `state.json` does not name the snapshot.
    Sealed,
    /// `state.json` names the snapshot; no sink has any of it.
    Kept,
    /// Hidden names at a sink.
    Staged,
    /// Objects at a sink without a manifest.
    Visible,
    /// One sink has it, the other does not.
    OneSink,
    /// All have it, but not all pointers name it.
    Committed,
    /// All pointers name it; no receipt is written down.
    Delivered,
    Receipts,
}

impl Phase {
    /// `before` is the content of `state.json` when the run began.
    fn of(site: &Installation, before: &Value, strangers: &[Stranger; 2]) -> Self {
        let now = site.pointer();
        let id = &now["last"]["id"];
        if id != &before["last"]["id"] {
            if now["last"]["delivered"].as_object().is_some_and(|delivered| !delivered.is_empty()) {
                return Self::Receipts;
            }
            let run_id = site.kept_run();
            let [one, other] = [0, 1].map(|sink| strangers[sink].progress(&run_id));
            return match (one.min(other), one.max(other)) {
                (ExportProgress::Pointed, _) => Self::Delivered,
                (ExportProgress::Committed, _) => Self::Committed,
                (_, ExportProgress::Committed | ExportProgress::Pointed) => Self::OneSink,
                (_, ExportProgress::Visible) => Self::Visible,
                (_, ExportProgress::Staged) => Self::Staged,
                (_, ExportProgress::Nothing) => Self::Kept,
            };
        }
        let is_there = |name: &str| site.state().join("walk").join(name).exists();
        let entries = site.state_entries();
        let moved: Vec<_> = entries.iter().filter(|name| name.starts_with("sealed-")).collect();
        let sealed = moved.iter().filter(|name| site.state().join(name).join("sealed.json").exists()).count();
        let earlier = usize::from(!id.is_null());
        if now["last_slot"] == before["last_slot"] {
            Self::BeforeSlot
        } else if sealed > earlier {
            Self::Sealed
        } else if moved.len() > earlier || is_there("repositories.arrow") {
            Self::Spooled
        } else if is_there("") {
            Self::Walk
        } else {
            Self::Slot
        }
    }

    /// Whether the snapshot survives a kill in this phase.
    fn is_kept(self) -> bool {
        self >= Self::Kept
    }
}

/// The rounds that both sinks have; each must be whole.
fn published(strangers: &mut [Stranger; 2]) -> [BTreeSet<usize>; 2] {
    strangers.each_mut().map(Stranger::look)
}

/// A clean run of this round, after which both sinks have exactly these rounds and nothing else lies about.
async fn assert_repaired(site: &Installation, strangers: &mut [Stranger; 2], round: usize, rounds: &BTreeSet<usize>) {
    site.must_run(round).await;
    assert_eq!(published(strangers), [rounds.clone(), rounds.clone()]);
    for stranger in strangers {
        stranger.assert_latest_is(round);
    }
    site.assert_tidy();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hundred_kills_at_random_moments_lose_nothing() {
    const KILLS: usize = 110;
    const ROUNDS_MAX: usize = 400;
    // On a disk, where syncing takes its time: in memory a run would be nearly all walk.
    let site = Installation::new(3000);
    let mut strangers = site.strangers();
    site.must_run(0).await;
    let begun = Instant::now();
    site.must_run(1).await;
    let mut whole_run = begun.elapsed();
    let mut kept = BTreeSet::from([0, 1]);
    let mut phases = BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let mut round = 2;
    while phases.values().sum::<usize>() < KILLS {
        assert!(round < ROUNDS_MAX, "most runs end before they are killed: {phases:?}");
        // Spread evenly, in an order that is not even: 37 and 100 have no common divisor.
        #[allow(clippy::cast_precision_loss)] // below a hundred
        let share = ((round * 37 % 100) as f64 + random.f64()) / 100.0;
        let before = site.pointer();
        let _registry = site.serve(round).await;
        let running = RunningChild::start(site.command());
        sleep(whole_run.mul_f64(share)).await;
        let killed = running.kill();
        for rounds in published(&mut strangers) {
            assert!(rounds.iter().all(|r| kept.contains(r) || *r == round), "{rounds:?}");
        }
        if killed {
            let phase = Phase::of(&site, &before, &strangers);
            *phases.entry(phase).or_default() += 1;
            kept.extend(phase.is_kept().then_some(round));
            whole_run = whole_run.mul_f64(1.02);
        } else {
            // The machine is less busy than when it was measured. About one run in twelve ends by itself, so that kills
            // reach to the very end of a run whatever else the machine does.
            kept.insert(round);
            whole_run = whole_run.mul_f64(0.8);
        }
        round += 1;
    }
    // Eyes that have seen nothing yet read everything again.
    strangers = site.strangers();
    kept.insert(round);
    assert_repaired(&site, &mut strangers, round, &kept).await;
    println!("a run takes {whole_run:?}; killed: {phases:?}");
    let publishing: usize = phases.range(Phase::Kept..).map(|(_, kills)| kills).sum();
    let walking: usize = phases.range(Phase::Slot..Phase::Kept).map(|(_, kills)| kills).sum();
    assert!(phases.len() >= 4 && publishing >= 5 && walking >= 5, "kills are not spread: {phases:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_at_any_step_of_mending_and_running_loses_nothing() {
    let library = Library::build();
    // The first snapshot is published; the second is sealed, at the feed, and torn at the warehouse.
    let base = Installation::in_memory(600);
    base.must_run(0).await;
    let _second = base.serve(1).await;
    let torn = CrashAt::PointAfter("half write 1 inventory/v1/repositories", "rename inventory-json/v1/_latest");
    let (ended, _) = library.run(&base, torn);
    assert!(ended.is_killed(), "{}", ended.told);

    let mut phases = killed_at_every_step(&library, &base, &BTreeSet::from([0, 1])).await;
    // Whether there is a moment at which only one sink has it is up to the two threads that publish.
    phases.remove(&Phase::OneSink);
    assert_eq!(phases.len(), 11, "{phases:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_at_any_step_of_the_first_run_of_all_loses_nothing() {
    let phases = killed_at_every_step(&Library::build(), &Installation::in_memory(600), &BTreeSet::new()).await;
    assert!(phases.len() >= 11, "{phases:?}");
}

/// A copy of the site whose run was killed at this step, and the readers that knew it before.
#[expect(clippy::print_stdout, reason = "shown where a test fails: which step it was")]
fn killed_at_step(step: usize, library: &Library, base: &Installation) -> (Installation, [Stranger; 2]) {
    let site = base.copy();
    let mut strangers = site.strangers();
    published(&mut strangers);
    let (ended, steps) = library.run(&site, CrashAt::Step(step));
    println!("step {step}: {:?}", steps.last());
    assert!(ended.is_killed(), "{}", ended.told);
    (site, strangers)
}

/// Kills the run of round 2 at each of its steps, always from the same beginning, and lets round 3 mend it; then there
/// is the content of these rounds, of round 2 if it was kept, and of round 3.
#[expect(clippy::print_stdout, reason = "shown where a test fails: which step it was")]
async fn killed_at_every_step(
    library: &Library,
    base: &Installation,
    earlier: &BTreeSet<usize>,
) -> BTreeMap<Phase, usize> {
    let _registry = base.serve(2).await;
    let before = base.pointer();
    let (ended, steps) = library.run(&base.copy(), CrashAt::Never);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.told);
    let mut phases = BTreeMap::new();
    for step in 1..=steps.len() {
        let (site, mut strangers) = killed_at_step(step, library, base);
        let phase = Phase::of(&site, &before, &strangers);
        *phases.entry(phase).or_insert(0) += 1;
        published(&mut strangers);
        let mut rounds = earlier.clone();
        rounds.extend(phase.is_kept().then_some(2));
        rounds.insert(3);
        assert_repaired(&site, &mut strangers, 3, &rounds).await;
    }
    println!("{} steps; killed: {phases:?}", steps.len());
    phases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_at_any_step_of_a_run_that_may_not_be_published_touches_nothing() {
    let library = Library::build();
    let base = Installation::in_memory(600);
    base.must_run(0).await;
    let script = Script::open(&*names(1, base.count));
    let script = script.with_faults(|request, _| {
        let is_second_page = request.endpoint == FakeEndpoint::Catalog && request.query("last").is_some();
        is_second_page.then(|| Misbehaviour::status(403))
    });
    let registry = start(script).await;
    base.point_at(&registry);
    let (ended, steps) = library.run(&base.copy(), CrashAt::Never);
    assert_eq!(ended.status.code(), Some(4), "{}", ended.told);
    for step in 1..=steps.len() {
        let (site, mut strangers) = killed_at_step(step, &library, &base);
        assert_eq!(published(&mut strangers), [BTreeSet::from([0]), BTreeSet::from([0])]);
        site.must_run(2).await;
        assert_eq!(published(&mut strangers), [BTreeSet::from([0, 2]), BTreeSet::from([0, 2])]);
        // Killed between object and manifest, it is not run again: nothing was sealed. Its row of `runs` remains,
        // whole and true, and without a manifest.
        for stranger in &strangers {
            let unnamed = stranger.unnamed();
            assert!(
                unnamed.iter().all(|path| path.to_string_lossy().contains("/v1/runs/registry=quay/")),
                "{unnamed:?}"
            );
            assert!(unnamed.len() <= 1 && unnamed.iter().all(|path| !is_hidden(path)), "{unnamed:?}");
        }
    }
}

/// One kill at a named point after a published round 0, what it leaves, and the repair by round 2.
async fn killed_at(library: &Library, at: CrashAt<'_>, check: impl Fn(Phase, &Installation, &[Stranger; 2])) {
    let site = Installation::in_memory(600);
    site.must_run(0).await;
    let mut strangers = site.strangers();
    published(&mut strangers);
    let before = site.pointer();
    let registry = site.serve(1).await;
    let (ended, steps) = library.run(&site, at);
    assert!(ended.is_killed(), "{at:?}: {}\n{steps:#?}", ended.told);
    drop(registry);
    published(&mut strangers);
    let phase = Phase::of(&site, &before, &strangers);
    check(phase, &site, &strangers);
    let mut rounds = BTreeSet::from([0, 2]);
    if phase.is_kept() {
        rounds.insert(1);
    }
    assert_repaired(&site, &mut strangers, 2, &rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_walk_leaves_the_earlier_snapshot() {
    let site = Installation::new(2000);
    site.must_run(0).await;
    let mut strangers = site.strangers();
    published(&mut strangers);
    let before = site.pointer();
    let (sender, fourth_page_is_asked_for) = mpsc::channel();
    let script = Script::open(&*names(1, site.count)).with_faults(move |request, nth| {
        let hangs = request.endpoint == FakeEndpoint::Catalog && nth == 4;
        hangs.then(|| {
            let _ = sender.send(());
            Misbehaviour::Hang
        })
    });
    let registry = start(script).await;
    site.point_at(&registry);
    let running = RunningChild::start(site.command());
    fourth_page_is_asked_for.recv_timeout(Duration::from_secs(30)).expect("the walk gets as far as that");
    assert!(running.kill());
    assert_eq!(Phase::of(&site, &before, &strangers), Phase::Walk);
    assert_repaired(&site, &mut strangers, 2, &BTreeSet::from([0, 2])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_before_the_snapshot_is_kept_leaves_the_earlier_one() {
    let library = Library::build();
    for (point, phase) in [
        ("half write 1 state/quay/walk/repositories", Phase::Walk),
        ("half write 1 sealed.json", Phase::Spooled),
        ("before rename 1 state/quay/sealed-", Phase::Spooled),
        ("after rename 1 state/quay/sealed-", Phase::Spooled),
        ("after rename 2 state/quay/sealed-", Phase::Spooled),
        ("after rename 3 state/quay/sealed-", Phase::Sealed),
        // The first writes down the slot, the second the snapshot, the third the receipts.
        ("before rename 2 state/quay/state.json", Phase::Sealed),
    ] {
        killed_at(&library, CrashAt::Point(point), |hit, _, _| assert_eq!(hit, phase, "{point}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_after_the_snapshot_is_kept_is_mended_by_the_next_run() {
    use ExportProgress::{Committed, Nothing, Pointed, Staged, Visible};
    let library = Library::build();
    // What is left at the warehouse and at the feed; none where it depends on the other thread.
    for (point, awaited, warehouse, feed) in [
        ("after rename 2 state/quay/state.json", None, Some(Nothing), Some(Nothing)),
        ("half write 1 inventory/v1/repositories", None, Some(Staged), None),
        ("half write 1 inventory-json/v1/repositories", None, None, Some(Staged)),
        ("after rename 1 inventory/v1/repositories", None, Some(Visible), None),
        ("before link 1 inventory/v1/_runs", None, Some(Visible), None),
        ("before link 1 inventory/v1/_runs", Some("rename inventory-json/v1/_latest"), Some(Visible), Some(Pointed)),
        ("half write 1 inventory-json/v1/_runs", Some("rename inventory/v1/_latest"), Some(Pointed), Some(Visible)),
        // The manifest stands under its hidden name as well.
        ("after link 1 inventory/v1/_runs", None, Some(Committed), None),
        ("before rename 1 inventory/v1/_latest", None, Some(Committed), None),
        ("before rename 3 state/quay/state.json", None, Some(Pointed), Some(Pointed)),
    ] {
        let at = awaited.map_or(CrashAt::Point(point), |awaited| CrashAt::PointAfter(point, awaited));
        let check = |hit: Phase, site: &Installation, strangers: &[Stranger; 2]| {
            assert!(Phase::Kept <= hit && hit < Phase::Receipts, "{at:?}: {hit:?}");
            for (stranger, expected) in strangers.iter().zip([warehouse, feed]) {
                let found = stranger.progress(&site.kept_run());
                assert!(expected.is_none_or(|expected| expected == found), "{at:?}: {found:?}");
            }
        };
        killed_at(&library, at, check).await;
    }
}
