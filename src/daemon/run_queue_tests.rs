use crate::schedule::ScheduleSettings;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn name(text: &str) -> RegistryName {
    text.parse().unwrap()
}

/// Every ten seconds of the minute; the first slot is at 10.
fn configured(registry: &str) -> ConfiguredRegistry {
    let settings = ScheduleSettings::new("*/10 * * * * *".parse().unwrap());
    let (registry, past) = (name(registry), SlotHistory::new(at(0)));
    let schedule = Some(Schedule::new(&settings, registry.as_str()));
    ConfiguredRegistry { registry, schedule, past, is_new: true, is_rescheduled: false }
}

fn queue(names: &[&str]) -> RunQueue {
    let mut queue = RunQueue::default();
    let changed = queue.replace(names.iter().map(|name| configured(name)).collect(), at(0));
    assert_eq!(changed.len(), names.len(), "new registries must be stored");
    queue
}

fn tick(queue: &mut RunQueue, second: i64) -> TickOutcome {
    queue.queue_due_runs(at(second), Duration::from_secs(1))
}

fn run(registry: &str, slot: Option<i64>) -> QueuedRun {
    QueuedRun { registry: name(registry), slot: slot.map(at), accepts_loss: false }
}

fn skipped(registry: &str, reason: SkipReason, count: u64) -> SkippedSlots {
    SkippedSlots { registry: name(registry), reason, count }
}

#[test]
fn each_slot_is_queued_once() {
    let mut queue = queue(&["quay"]);
    for second in 0..10 {
        assert!(tick(&mut queue, second).changed.is_empty(), "{second}");
        assert_eq!(queue.next(), None);
    }
    assert_eq!(queue.next_start(&name("quay")), Some(at(10)));
    assert_eq!(tick(&mut queue, 10).changed, [name("quay")]);
    assert!(tick(&mut queue, 10).changed.is_empty());
    assert_eq!(queue.next(), Some(run("quay", Some(10))));
    assert_eq!(queue.next(), None);
    assert_eq!(queue.next_start(&name("quay")), Some(at(20)));
    queue.ended(&name("quay"), Some(at(10)));
    tick(&mut queue, 21);
    assert_eq!(queue.next(), Some(run("quay", Some(20))));
}

#[test]
fn a_slot_is_skipped_while_a_run_is_queued_or_in_progress() {
    let mut queue = queue(&["quay"]);
    tick(&mut queue, 10);
    assert_eq!(tick(&mut queue, 20).skipped, [skipped("quay", SkipReason::Overlap, 1)], "queued");
    assert_eq!(queue.next(), Some(run("quay", Some(10))));
    assert_eq!(tick(&mut queue, 30).skipped, [skipped("quay", SkipReason::Overlap, 1)], "running");
    assert!(!queue.queue_now(&name("quay")), "a requested run as well");
    queue.ended(&name("quay"), Some(at(10)));
    assert_eq!(queue.next(), None, "what was skipped stays so");
    assert_eq!(tick(&mut queue, 40).skipped, []);
    assert_eq!(queue.next(), Some(run("quay", Some(40))));
}

#[test]
fn the_first_in_the_queue_is_the_first_to_run() {
    let mut queue = queue(&["a", "b", "c"]);
    assert!(queue.queue_now(&name("c")));
    assert!(queue.is_queued(&name("c")));
    tick(&mut queue, 10);
    let runs: Vec<_> = std::iter::from_fn(|| queue.next()).collect();
    let expected = [run("c", None), run("a", Some(10)), run("b", Some(10))];
    assert_eq!(runs, expected);
    assert!(!queue.is_queued(&name("c")));
    assert!(!queue.queue_now(&name("nobody")));
}

#[test]
fn a_run_that_was_stopped_leaves_its_slot_to_be_taken_again() {
    let mut queue = queue(&["quay"]);
    tick(&mut queue, 10);
    queue.next();
    queue.ended(&name("quay"), None);
    let past = queue.past(&name("quay")).unwrap().clone();
    assert!(past.last.is_some_and(|last| !last.ended && last.attempts == 1), "{past:?}");
    let mut after_restart = RunQueue::default();
    after_restart.replace(vec![ConfiguredRegistry { past, is_new: false, ..configured("quay") }], at(12));
    tick(&mut after_restart, 12);
    assert_eq!(after_restart.next(), Some(run("quay", Some(10))));
}

#[test]
fn a_reload_keeps_slots_and_removes_registries() {
    let mut queue = queue(&["quay", "harbor", "pulp"]);
    tick(&mut queue, 10);
    assert_eq!(queue.next(), Some(run("harbor", Some(10))));
    assert_eq!(queue.next(), Some(run("pulp", Some(10))));
    let every_second = Some(Schedule::new(&ScheduleSettings::new("* * * * * *".parse().unwrap()), "pulp"));
    let rescheduled = ConfiguredRegistry { is_new: false, schedule: every_second, ..configured("pulp") };
    let kept = ConfiguredRegistry { is_new: false, ..configured("harbor") };
    assert_eq!(queue.replace(vec![kept, rescheduled], at(15)), [name("pulp")]);
    assert_eq!(queue.next(), None, "quay was queued, and is not configured any more");
    assert!(queue.past(&name("quay")).is_none());
    assert_eq!(queue.past(&name("pulp")), Some(&SlotHistory::new(at(15))), "slots of another schedule do not count");
    assert_eq!(tick(&mut queue, 16).skipped, [skipped("pulp", SkipReason::Overlap, 1)], "the new slots count at once");
    assert!(!queue.queue_now(&name("harbor")), "its run goes on");
    queue.ended(&name("harbor"), Some(at(10)));
    assert!(queue.queue_now(&name("harbor")));
}

#[test]
fn a_registry_that_was_removed_and_added_waits_for_its_former_run() {
    let mut queue = queue(&["quay"]);
    tick(&mut queue, 10);
    assert_eq!(queue.next(), Some(run("quay", Some(10))));
    let past = queue.past(&name("quay")).unwrap().clone();
    queue.replace(Vec::new(), at(11));
    queue.replace(vec![ConfiguredRegistry { past, is_new: false, ..configured("quay") }], at(12));
    assert_eq!(
        tick(&mut queue, 12).skipped,
        [skipped("quay", SkipReason::Overlap, 1)],
        "not ended, as far as it knows"
    );
    assert_eq!(tick(&mut queue, 20).skipped, [skipped("quay", SkipReason::Overlap, 1)]);
    queue.ended(&name("quay"), Some(at(10)));
    tick(&mut queue, 30);
    assert_eq!(queue.next(), Some(run("quay", Some(30))));
}

#[test]
fn the_clock_may_be_set_an_hour_back_or_forth() {
    let mut queue = queue(&["quay"]);
    tick(&mut queue, 10);
    queue.next();
    queue.ended(&name("quay"), Some(at(10)));
    for second in -3590..20 {
        assert_eq!(tick(&mut queue, second).changed, [], "{second}");
    }
    tick(&mut queue, 20);
    assert_eq!(queue.next(), Some(run("quay", Some(20))));
    queue.ended(&name("quay"), Some(at(20)));
    assert_eq!(tick(&mut queue, 3625).skipped, [skipped("quay", SkipReason::Missed, 359)], "one run stands for all");
    assert_eq!(queue.next(), Some(run("quay", Some(3620))));
}

#[test]
fn slots_taken_in_a_wrong_future_are_dropped() {
    let mut queue = RunQueue::default();
    let mut past = SlotHistory::new(at(0));
    past.begin(at(40 * 86_400));
    past.end(at(40 * 86_400));
    queue.replace(vec![ConfiguredRegistry { past, is_new: false, ..configured("quay") }], at(0));
    assert_eq!(tick(&mut queue, 1).changed, [name("quay")]);
    tick(&mut queue, 10);
    assert_eq!(queue.next(), Some(run("quay", Some(10))));
}

#[test]
fn slots_taken_with_the_clock_far_ahead_do_not_stop_the_schedule_once_the_clock_is_right() {
    const YEAR: i64 = 365 * 24 * 3600;
    for served in [false, true] {
        let mut queue = RunQueue::default();
        queue.replace(vec![ConfiguredRegistry { past: SlotHistory::new(at(YEAR)), ..configured("quay") }], at(YEAR));
        tick(&mut queue, YEAR);
        if served {
            tick(&mut queue, YEAR + 10);
            let run = queue.next().expect("a slot of that year");
            queue.ended(&name("quay"), run.slot);
        }
        assert_eq!(queue.next(), None);
        // The clock is set right while the daemon runs.
        tick(&mut queue, 21);
        assert_eq!(queue.next_start(&name("quay")), Some(at(30)), "{served}");
        tick(&mut queue, 30);
        assert_eq!(queue.next(), Some(run("quay", Some(30))), "{served}");
    }
}

#[test]
fn a_schedule_that_was_over_while_the_clock_was_ahead_begins_again() {
    let once = "0 0 12 1 1 ? 2035".parse().unwrap();
    let schedule = Schedule::new(&ScheduleSettings::new(once), "quay");
    let mut queue = RunQueue::default();
    let in_2040 = at(17 * 365 * 24 * 3600);
    let configured = ConfiguredRegistry {
        registry: name("quay"),
        schedule: Some(schedule),
        past: SlotHistory::new(in_2040),
        is_new: true,
        is_rescheduled: false,
    };
    queue.replace(vec![configured], in_2040);
    queue.queue_due_runs(in_2040, Duration::from_secs(1));
    assert_eq!(queue.next_start(&name("quay")), None);
    tick(&mut queue, 0);
    assert!(queue.next_start(&name("quay")).is_some(), "it is 2023, and the slot is to come");
}

#[test]
fn a_clock_that_was_an_hour_ahead_changes_nothing() {
    let mut queue = queue(&["quay"]);
    tick(&mut queue, 3600);
    queue.next().expect("the latest slot");
    assert!(tick(&mut queue, 20).changed.is_empty());
    assert_eq!(queue.next_start(&name("quay")), Some(at(3610)), "no slot twice");
}
