use crate::schedule::ScheduleSettings;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn name(text: &str) -> RegistryName {
    text.parse().unwrap()
}

/// Every ten seconds of the minute; the first slot is at 10.
fn entrant(registry: &str) -> Entrant {
    let settings = ScheduleSettings::new("*/10 * * * * *".parse().unwrap());
    let (registry, past) = (name(registry), Past::new(at(0)));
    let schedule = Some(Schedule::new(&settings, registry.as_str()));
    Entrant { registry, schedule, past, is_new: true, is_rescheduled: false }
}

fn roster(names: &[&str]) -> Roster {
    let mut roster = Roster::default();
    let changed = roster.replace(names.iter().map(|name| entrant(name)).collect(), at(0));
    assert_eq!(changed.len(), names.len(), "what is new is to be remembered");
    roster
}

fn turn(roster: &mut Roster, second: i64) -> Turn {
    roster.order_what_is_due(at(second), Duration::from_secs(1))
}

fn order(registry: &str, slot: Option<i64>) -> Order {
    Order { registry: name(registry), slot: slot.map(at) }
}

fn skipped(registry: &str, why: SkipReason, count: u64) -> Skipped {
    Skipped { registry: name(registry), why, count }
}

#[test]
fn each_slot_is_ordered_once() {
    let mut roster = roster(&["quay"]);
    for second in 0..10 {
        assert!(turn(&mut roster, second).changed.is_empty(), "{second}");
        assert_eq!(roster.next(), None);
    }
    assert_eq!(roster.next_start(&name("quay")), Some(at(10)));
    assert_eq!(turn(&mut roster, 10).changed, [name("quay")]);
    assert!(turn(&mut roster, 10).changed.is_empty());
    assert_eq!(roster.next(), Some(order("quay", Some(10))));
    assert_eq!(roster.next(), None);
    assert_eq!(roster.next_start(&name("quay")), Some(at(20)));
    roster.ended(&name("quay"), Some(at(10)));
    turn(&mut roster, 21);
    assert_eq!(roster.next(), Some(order("quay", Some(20))));
}

#[test]
fn a_slot_that_meets_a_run_in_progress_or_in_the_queue_is_skipped() {
    let mut roster = roster(&["quay"]);
    turn(&mut roster, 10);
    assert_eq!(turn(&mut roster, 20).skipped, [skipped("quay", SkipReason::Overlap, 1)], "queued");
    assert_eq!(roster.next(), Some(order("quay", Some(10))));
    assert_eq!(turn(&mut roster, 30).skipped, [skipped("quay", SkipReason::Overlap, 1)], "running");
    assert!(!roster.order_now(&name("quay")), "a person's wish as well");
    roster.ended(&name("quay"), Some(at(10)));
    assert_eq!(roster.next(), None, "what was skipped stays so");
    assert_eq!(turn(&mut roster, 40).skipped, []);
    assert_eq!(roster.next(), Some(order("quay", Some(40))));
}

#[test]
fn the_first_in_the_queue_is_the_first_to_run() {
    let mut roster = roster(&["a", "b", "c"]);
    assert!(roster.order_now(&name("c")));
    assert!(roster.is_queued(&name("c")));
    turn(&mut roster, 10);
    let orders: Vec<_> = std::iter::from_fn(|| roster.next()).collect();
    let expected = [order("c", None), order("a", Some(10)), order("b", Some(10))];
    assert_eq!(orders, expected);
    assert!(!roster.is_queued(&name("c")));
    assert!(!roster.order_now(&name("nobody")));
}

#[test]
fn a_run_that_was_stopped_leaves_its_slot_to_be_taken_again() {
    let mut roster = roster(&["quay"]);
    turn(&mut roster, 10);
    roster.next();
    roster.ended(&name("quay"), None);
    let past = roster.past(&name("quay")).unwrap().clone();
    assert!(past.last.is_some_and(|last| !last.ended && last.attempts == 1), "{past:?}");
    let mut after_restart = Roster::default();
    after_restart.replace(vec![Entrant { past, is_new: false, ..entrant("quay") }], at(12));
    turn(&mut after_restart, 12);
    assert_eq!(after_restart.next(), Some(order("quay", Some(10))));
}

#[test]
fn a_reload_keeps_what_was_taken_and_forgets_who_has_gone() {
    let mut roster = roster(&["quay", "harbor", "pulp"]);
    turn(&mut roster, 10);
    assert_eq!(roster.next(), Some(order("harbor", Some(10))));
    assert_eq!(roster.next(), Some(order("pulp", Some(10))));
    let every_second = Some(Schedule::new(&ScheduleSettings::new("* * * * * *".parse().unwrap()), "pulp"));
    let rescheduled = Entrant { is_new: false, schedule: every_second, ..entrant("pulp") };
    let kept = Entrant { is_new: false, ..entrant("harbor") };
    assert_eq!(roster.replace(vec![kept, rescheduled], at(15)), [name("pulp")]);
    assert_eq!(roster.next(), None, "quay was queued, and is not configured any more");
    assert!(roster.past(&name("quay")).is_none());
    assert_eq!(roster.past(&name("pulp")), Some(&Past::new(at(15))), "slots of another schedule were never promised");
    assert_eq!(turn(&mut roster, 16).skipped, [skipped("pulp", SkipReason::Overlap, 1)], "the new slots count at once");
    assert!(!roster.order_now(&name("harbor")), "its run goes on");
    roster.ended(&name("harbor"), Some(at(10)));
    assert!(roster.order_now(&name("harbor")));
}

#[test]
fn one_that_went_and_came_back_waits_for_its_former_run() {
    let mut roster = roster(&["quay"]);
    turn(&mut roster, 10);
    assert_eq!(roster.next(), Some(order("quay", Some(10))));
    let past = roster.past(&name("quay")).unwrap().clone();
    roster.replace(Vec::new(), at(11));
    roster.replace(vec![Entrant { past, is_new: false, ..entrant("quay") }], at(12));
    assert_eq!(
        turn(&mut roster, 12).skipped,
        [skipped("quay", SkipReason::Overlap, 1)],
        "not ended, as far as it knows"
    );
    assert_eq!(turn(&mut roster, 20).skipped, [skipped("quay", SkipReason::Overlap, 1)]);
    roster.ended(&name("quay"), Some(at(10)));
    turn(&mut roster, 30);
    assert_eq!(roster.next(), Some(order("quay", Some(30))));
}

#[test]
fn the_clock_may_be_set_an_hour_back_or_forth() {
    let mut roster = roster(&["quay"]);
    turn(&mut roster, 10);
    roster.next();
    roster.ended(&name("quay"), Some(at(10)));
    for second in -3590..20 {
        assert_eq!(turn(&mut roster, second).changed, [], "{second}");
    }
    turn(&mut roster, 20);
    assert_eq!(roster.next(), Some(order("quay", Some(20))));
    roster.ended(&name("quay"), Some(at(20)));
    assert_eq!(turn(&mut roster, 3625).skipped, [skipped("quay", SkipReason::Missed, 359)], "one run stands for all");
    assert_eq!(roster.next(), Some(order("quay", Some(3620))));
}

#[test]
fn what_was_taken_in_a_wrong_future_is_forgotten() {
    let mut roster = Roster::default();
    let mut past = Past::new(at(0));
    past.begin(at(40 * 86_400));
    past.end(at(40 * 86_400));
    roster.replace(vec![Entrant { past, is_new: false, ..entrant("quay") }], at(0));
    assert_eq!(turn(&mut roster, 1).changed, [name("quay")]);
    turn(&mut roster, 10);
    assert_eq!(roster.next(), Some(order("quay", Some(10))));
}

#[test]
fn slots_that_a_clock_far_ahead_took_do_not_stop_the_schedule_once_it_is_right() {
    const YEAR: i64 = 365 * 24 * 3600;
    for served in [false, true] {
        let mut roster = Roster::default();
        roster.replace(vec![Entrant { past: Past::new(at(YEAR)), ..entrant("quay") }], at(YEAR));
        turn(&mut roster, YEAR);
        if served {
            turn(&mut roster, YEAR + 10);
            let order = roster.next().expect("a slot of that year");
            roster.ended(&name("quay"), order.slot);
        }
        assert_eq!(roster.next(), None);
        // The clock is set right while the daemon runs.
        turn(&mut roster, 21);
        assert_eq!(roster.next_start(&name("quay")), Some(at(30)), "{served}");
        turn(&mut roster, 30);
        assert_eq!(roster.next(), Some(order("quay", Some(30))), "{served}");
    }
}

#[test]
fn a_schedule_that_was_over_while_the_clock_was_ahead_begins_again() {
    let once = "0 0 12 1 1 ? 2035".parse().unwrap();
    let schedule = Schedule::new(&ScheduleSettings::new(once), "quay");
    let mut roster = Roster::default();
    let in_2040 = at(17 * 365 * 24 * 3600);
    let entrant = Entrant {
        registry: name("quay"),
        schedule: Some(schedule),
        past: Past::new(in_2040),
        is_new: true,
        is_rescheduled: false,
    };
    roster.replace(vec![entrant], in_2040);
    roster.order_what_is_due(in_2040, Duration::from_secs(1));
    assert_eq!(roster.next_start(&name("quay")), None);
    turn(&mut roster, 0);
    assert!(roster.next_start(&name("quay")).is_some(), "it is 2023, and the slot is to come");
}

#[test]
fn a_clock_that_was_an_hour_ahead_changes_nothing() {
    let mut roster = roster(&["quay"]);
    turn(&mut roster, 3600);
    roster.next().expect("the latest slot");
    assert!(turn(&mut roster, 20).changed.is_empty());
    assert_eq!(roster.next_start(&name("quay")), Some(at(3610)), "no slot twice");
}
