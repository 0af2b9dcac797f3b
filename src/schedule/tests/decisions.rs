//! The table of what is decided, then days of a daemon that is restarted at every point and whose clock is set.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// 02:00 each day in UTC, first met on 1 June, with this memory of the last slot.
fn past(last: Option<(&str, bool, u32)>) -> SlotHistory {
    let taken = |(slot, ended, attempts)| TakenSlot { slot: at(slot), ended, attempts };
    SlotHistory { first_seen: at("2026-06-01 00:00"), last: last.map(taken) }
}

fn nightly(run_on_start: RunOnStart, catch_up_hours: u64) -> Schedule {
    let catch_up = Duration::from_hours(catch_up_hours);
    Schedule::new(&ScheduleSettings { catch_up, run_on_start, ..settings("0 2 * * *", "UTC") }, "quay")
}

fn run(slot: &str, missed: u64, late: bool) -> ScheduleDecision {
    ScheduleDecision::Run { slot: at(slot), missed, late }
}

fn wait(next: &str) -> ScheduleDecision {
    ScheduleDecision::Wait { next: Some(Slot { at: at(next), starts_at: at(next) }) }
}

fn missed(last: &str, count: u64) -> ScheduleDecision {
    ScheduleDecision::Missed { last: at(last), count }
}

#[test]
fn while_the_daemon_runs() {
    let slot = "2026-06-01 02:00";
    let awake = SECOND;
    let away = Duration::from_secs(61);
    let new = past(None);
    let done = past(Some((slot, true, 1)));
    let running = past(Some((slot, false, 1)));
    for (past, now, catch_up, unwatched, expected) in [
        (&new, "2026-06-01 01:59:59", 6, awake, wait(slot)),
        (&new, "2026-06-01 02:00:00", 6, awake, run(slot, 0, false)),
        (&new, "2026-06-01 02:01:00", 0, awake, run(slot, 0, false)),
        (&done, "2026-06-01 02:00:00", 6, awake, wait("2026-06-02 02:00")),
        (&running, "2026-06-01 04:00:00", 6, awake, wait("2026-06-02 02:00")),
        // There was no call for a while: late slots are caught up, or not.
        (&new, "2026-06-01 02:01:00", 0, away, run(slot, 0, false)),
        (&new, "2026-06-01 02:01:01", 0, away, missed(slot, 1)),
        (&new, "2026-06-01 08:00:00", 6, away, run(slot, 0, true)),
        (&new, "2026-06-01 08:00:01", 6, away, missed(slot, 1)),
        (&new, "2026-06-03 03:00:00", 6, away, run("2026-06-03 02:00", 2, true)),
        (&new, "2026-06-03 12:00:00", 6, away, missed("2026-06-03 02:00", 3)),
        // Asked a second ago, so the clock jumped: the slot is run although it may not be caught up.
        (&new, "2026-06-01 03:00:00", 0, awake, run(slot, 0, true)),
        (&new, "2026-06-01 05:00:00", 0, awake, run(slot, 0, true)),
        (&new, "2026-06-01 05:00:01", 0, awake, missed(slot, 1)),
        (&new, "2026-06-01 05:00:01", 6, awake, run(slot, 0, true)),
        // It went back.
        (&done, "2026-06-01 01:30:00", 6, awake, wait("2026-06-02 02:00")),
        (&done, "2026-05-31 01:00:00", 6, awake, wait("2026-06-02 02:00")),
        (&done, "2026-05-31 00:59:59", 6, awake, ScheduleDecision::Forget { ahead: at(slot) }),
    ] {
        let decision = nightly(RunOnStart::IfMissed, catch_up).decide(past, at(now), unwatched);
        assert_eq!(decision, expected, "{now} {catch_up} {unwatched:?} {past:?}");
    }
}

#[test]
fn at_the_start() {
    use RunOnStart::{Always, IfMissed, Never};
    let slot = "2026-06-02 02:00";
    let before = past(Some(("2026-06-01 02:00", true, 1)));
    let done = past(Some((slot, true, 1)));
    let cut_off = past(Some((slot, false, 1)));
    let twice = past(Some((slot, false, 2)));
    let thrice = past(Some((slot, false, 3)));
    for (run_on_start, past, now, catch_up, expected) in [
        (Never, &before, "2026-06-02 01:00:00", 6, wait(slot)),
        (Never, &before, "2026-06-02 02:00:00", 6, missed(slot, 1)),
        (Never, &cut_off, "2026-06-02 02:00:30", 6, wait("2026-06-03 02:00")),
        (IfMissed, &before, "2026-06-02 01:59:59", 6, wait(slot)),
        (IfMissed, &before, "2026-06-02 02:00:59", 0, run(slot, 0, false)),
        (IfMissed, &before, "2026-06-02 02:01:01", 0, missed(slot, 1)),
        (IfMissed, &before, "2026-06-02 08:00:00", 6, run(slot, 0, true)),
        (IfMissed, &before, "2026-06-02 08:00:01", 6, missed(slot, 1)),
        (IfMissed, &done, "2026-06-02 02:00:30", 6, wait("2026-06-03 02:00")),
        (IfMissed, &cut_off, "2026-06-02 02:00:30", 0, run(slot, 0, false)),
        (IfMissed, &cut_off, "2026-06-02 02:01:01", 0, wait("2026-06-03 02:00")),
        (IfMissed, &twice, "2026-06-02 08:00:00", 6, run(slot, 0, true)),
        (IfMissed, &twice, "2026-06-02 08:00:01", 6, wait("2026-06-03 02:00")),
        (IfMissed, &thrice, "2026-06-02 03:00:00", 6, wait("2026-06-03 02:00")),
        // A later slot is due: the one that was begun is not begun again.
        (IfMissed, &cut_off, "2026-06-04 03:00:00", 6, run("2026-06-04 02:00", 1, true)),
        (Always, &before, "2026-06-02 01:00:00", 6, run("2026-06-02 01:00", 0, false)),
        (Always, &before, "2026-06-02 03:00:00", 6, run(slot, 0, true)),
        (Always, &before, "2026-06-02 09:00:00", 6, run("2026-06-02 09:00", 1, false)),
        (Always, &done, "2026-06-02 02:30:00", 6, run("2026-06-02 02:30", 0, false)),
        (Always, &done, "2026-06-02 01:30:00", 6, run("2026-06-02 02:00:01", 0, false)),
        (Always, &cut_off, "2026-06-02 02:30:00", 6, run(slot, 0, true)),
        (Always, &thrice, "2026-06-02 02:30:00", 6, run("2026-06-02 02:30", 0, false)),
        (Always, &before, "2026-05-30 02:30:00", 6, ScheduleDecision::Forget { ahead: at("2026-06-01 02:00") }),
    ] {
        let decision = nightly(run_on_start, catch_up).decide_at_start(past, at(now));
        assert_eq!(decision, expected, "{run_on_start:?} {now} {catch_up} {past:?}");
    }
}

#[test]
fn jitter_delays_the_start_and_not_the_slot() {
    let settings = ScheduleSettings {
        jitter: Duration::from_mins(10),
        run_on_start: RunOnStart::Always,
        ..settings("0 2 * * *", "UTC")
    };
    let schedule = Schedule::new(&settings, "quay");
    let (slot, starts_at) = (at("2026-06-01 02:00"), at("2026-06-01 02:00") + TimeDelta::seconds(341));
    let before = starts_at - TimeDelta::seconds(1);
    let (due, waiting) =
        (run("2026-06-01 02:00", 0, false), ScheduleDecision::Wait { next: Some(Slot { at: slot, starts_at }) });
    assert_eq!(schedule.decide(&past(None), before, SECOND), waiting);
    assert_eq!(schedule.decide(&past(None), starts_at, SECOND), due);
    // A run at the start stands for the slot whose turn is about to come.
    assert_eq!(schedule.decide_at_start(&past(None), before), due);
}

#[test]
fn a_definition_that_is_new_has_no_earlier_slots() {
    let mut past = past(Some(("2026-06-01 02:00", true, 1)));
    past.first_seen = at("2026-06-05 12:00");
    let decision = nightly(RunOnStart::IfMissed, 168).decide_at_start(&past, at("2026-06-05 12:00:01"));
    assert_eq!(decision, wait("2026-06-06 02:00"));
}

#[test]
fn a_year_of_missed_seconds_is_one_run() {
    let schedule = schedule("* * * * * *", "Europe/Dublin");
    let past = SlotHistory::new(at("2025-06-01 00:00"));
    assert_eq!(schedule.decide_at_start(&past, at("2026-06-01 00:00")), run("2026-06-01 00:00", 1_000, false));
    // Dense, and none for half a year.
    let schedule = super::schedule("* * * 1 1-3 *", "Europe/Dublin");
    assert_eq!(schedule.decide_at_start(&past, at("2026-09-15 12:00")), missed("2026-03-01 23:59:59", 1_001));
    let schedule = super::schedule("0 0 2 * * * 2026", "UTC");
    assert_eq!(schedule.decide(&past, at("2027-06-01 00:00"), SECOND), missed("2026-12-31 02:00", 365));
}

/// A daemon with one registry.
struct SimulatedDaemon {
    schedule: Schedule,
    runs_take: TimeDelta,
    past: SlotHistory,
    /// Until when the run in progress takes.
    busy: Option<(DateTime<Utc>, DateTime<Utc>)>,
    begun: Vec<DateTime<Utc>>,
    ended: Vec<DateTime<Utc>>,
    missed: u64,
}

impl SimulatedDaemon {
    fn new(schedule: Schedule, runs_take: TimeDelta, now: DateTime<Utc>) -> Self {
        Self {
            schedule,
            runs_take,
            past: SlotHistory::new(now),
            busy: None,
            begun: Vec::new(),
            ended: Vec::new(),
            missed: 0,
        }
    }

    fn turn(&mut self, decision: &ScheduleDecision, now: DateTime<Utc>) {
        match *decision {
            ScheduleDecision::Run { slot, missed, .. } => {
                assert!(self.busy.is_none());
                self.past.begin(slot);
                self.begun.push(slot);
                self.missed += missed;
                self.busy = Some((slot, now + self.runs_take));
            }
            ScheduleDecision::Missed { last, count } => {
                self.past.end(last);
                self.missed += count;
            }
            ScheduleDecision::Wait { .. } => {}
            ScheduleDecision::Forget { .. } => panic!("the clock is not that wrong"),
        }
    }

    fn tick(&mut self, now: DateTime<Utc>) {
        if let Some((slot, _)) = self.busy.filter(|(_, until)| *until <= now) {
            self.past.end(slot);
            self.ended.push(slot);
            self.busy = None;
        }
        self.turn(&self.schedule.decide(&self.past, now, Duration::from_secs(30)), now);
    }

    fn restart(&mut self, now: DateTime<Utc>) {
        self.busy = None;
        self.turn(&self.schedule.decide_at_start(&self.past, now), now);
    }
}

#[test]
fn a_restart_at_any_point_repeats_no_slot_and_catches_up_once() {
    let minute = TimeDelta::minutes(1);
    let (from, until) = (at("2026-06-01 01:50"), at("2026-06-04 02:30"));
    for stop in 0..30 {
        for (minutes, lost) in [(0, 0), (1, 0), (15, 0), (300, 0), (6 * 60 + 30, 1), (3 * 1440, 3)] {
            let mut daemon = SimulatedDaemon::new(nightly(RunOnStart::IfMissed, 6), TimeDelta::minutes(10), from);
            let stopped = from + minute * stop;
            let begins = stopped + TimeDelta::minutes(minutes);
            let mut now = from;
            while now < until {
                if now == stopped {
                    now = begins;
                    daemon.restart(now);
                } else {
                    daemon.tick(now);
                }
                now += minute;
            }
            let nights: Vec<_> = (1..=4).map(|day| at(&format!("2026-06-0{day} 02:00"))).collect();
            let ended = daemon.ended.clone();
            assert!(ended.is_sorted_by(|a, b| a < b), "none twice: {ended:?}");
            assert!(ended.iter().all(|slot| nights.contains(slot)));
            let unserved = nights.iter().filter(|slot| !ended.contains(slot)).count();
            assert!(unserved <= lost, "{stop} {minutes}: {ended:?}, begun {:?}", daemon.begun);
            assert!(daemon.begun.len() <= ended.len() + 1, "at most the one that was cut off: {:?}", daemon.begun);
        }
    }
}

#[test]
fn a_clock_that_is_set_by_an_hour_loses_and_doubles_no_slot() {
    for zone in ["UTC", "Europe/Dublin"] {
        for (expression, slots) in [("0 2 * * *", 2), ("30 1 * * *", 2), ("0 * * * *", 36), ("*/30 * * * *", 72)] {
            for hours in [-1, 1] {
                for set_at in (0..180).step_by(7) {
                    let settings = ScheduleSettings { catch_up: Duration::ZERO, ..settings(expression, zone) };
                    let (begun, missed) = a_day_and_a_half(&Schedule::new(&settings, "quay"), set_at, hours);
                    let what =
                        || format!("`{expression}` in {zone}, set by {hours} h after {set_at} minutes: {begun:?}");
                    assert!(begun.is_sorted_by(|a, b| a < b), "none twice: {}", what());
                    assert_eq!(u64::try_from(begun.len()).unwrap() + missed, slots, "{}", what());
                    assert!(missed <= 2, "{}", what());
                }
            }
        }
    }
}

/// The slots begun, and how many others these stood for. Dublin's clock changes in the first hour.
fn a_day_and_a_half(schedule: &Schedule, set_at: i32, hours: i64) -> (Vec<DateTime<Utc>>, u64) {
    let mut now = at("2026-03-28 23:45");
    let mut daemon = SimulatedDaemon::new(schedule.clone(), TimeDelta::zero(), now);
    for minute in 0.. {
        if minute == set_at {
            now += TimeDelta::hours(hours);
        }
        daemon.tick(now);
        now += TimeDelta::minutes(1);
        if now >= at("2026-03-30 11:45") {
            break;
        }
    }
    (daemon.begun, daemon.missed)
}
