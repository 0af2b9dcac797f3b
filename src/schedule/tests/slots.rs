//! Slots where clocks change, gaps between them, and jitter. Each case of a change is what cron(8) of Debian promises.

use super::*;

#[test]
fn what_is_skipped_in_spring_runs_once_soon_after() {
    // In Dublin 01:00 became 02:00 on 29 March 2026, at 01:00 UTC.
    for (expression, slots) in [
        ("30 1 * * *", ["2026-03-28 01:30:00", "2026-03-29 01:00:00", "2026-03-30 00:30:00"]),
        // Several skipped ones are one, also with the one that is due at that moment.
        ("0,30 1 * * *", ["2026-03-28 01:30:00", "2026-03-29 01:00:00", "2026-03-30 00:00:00"]),
        ("30 1,2 * * *", ["2026-03-28 02:30:00", "2026-03-29 01:00:00", "2026-03-29 01:30:00"]),
        ("0 1,2 * * *", ["2026-03-28 02:00:00", "2026-03-29 01:00:00", "2026-03-30 00:00:00"]),
        ("15 30 1 * * *", ["2026-03-28 01:30:15", "2026-03-29 01:00:00", "2026-03-30 00:30:15"]),
        // One that comes each hour goes by the clock as it is.
        ("30 * * * *", ["2026-03-29 00:30:00", "2026-03-29 01:30:00", "2026-03-29 02:30:00"]),
        ("*/20 1 * * *", ["2026-03-28 01:40:00", "2026-03-30 00:00:00", "2026-03-30 00:20:00"]),
    ] {
        let from = if expression.starts_with("30 *") { "2026-03-29 00:15" } else { "2026-03-28 01:25" };
        let found = slots_after(&schedule(expression, "Europe/Dublin"), from, 6);
        assert!(found.windows(3).any(|three| three == slots), "{expression}: {found:?}");
    }
}

#[test]
fn what_is_repeated_in_autumn_runs_once() {
    // In New York 02:00 became 01:00 on 1 November 2026, at 06:00 UTC.
    let new_york = |expression| schedule(expression, "America/New_York");
    let fixed = slots_after(&new_york("30 1 * * *"), "2026-10-31 12:00", 2);
    assert_eq!(fixed, ["2026-11-01 05:30:00", "2026-11-02 06:30:00"]);
    // Asked in the midst of the repeated hour, too.
    assert_eq!(slots_after(&new_york("30 1 * * *"), "2026-11-01 06:10", 1), ["2026-11-02 06:30:00"]);
    // One that comes each hour has a slot in both.
    let hourly = slots_after(&new_york("30 * * * *"), "2026-11-01 04:50", 3);
    assert_eq!(hourly, ["2026-11-01 05:30:00", "2026-11-01 06:30:00", "2026-11-01 07:30:00"]);
    let seconds = slots_after(&new_york("*/30 59 1 * * *"), "2026-11-01 05:00", 4);
    let both = ["2026-11-01 05:59:00", "2026-11-01 05:59:30", "2026-11-01 06:59:00", "2026-11-01 06:59:30"];
    assert_eq!(seconds, both);
}

#[test]
fn a_correction_of_the_calendar_is_no_change_of_the_clock() {
    // Samoa had no 30 December 2011.
    let found = slots_after(&schedule("0 2 * * *", "Pacific/Apia"), "2011-12-29 00:00", 3);
    assert_eq!(found, ["2011-12-29 12:00:00", "2011-12-30 12:00:00", "2011-12-31 12:00:00"]);
}

#[test]
fn slots_end_where_years_do() {
    let schedule = schedule("0 0 2 * * * 2027", "UTC");
    assert_eq!(schedule.next_after(at("2027-12-31 02:00")), None);
    assert_eq!(schedule.interval(at("2027-12-31 01:00")), None);
    assert_eq!(schedule.interval(at("2027-12-30 01:00")), Some(Duration::from_hours(24)));
    for extreme in [DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC, at("2199-12-31 23:59:59")] {
        // No panic.
        let _ = super::schedule("* * * * * *", "Asia/Tehran").next_after(extreme);
    }
}

#[test]
fn slots_are_strictly_after_and_whole_seconds() {
    let schedule = schedule("* * * * * *", "UTC");
    let half_past = at("2026-06-01 00:00") + TimeDelta::milliseconds(500);
    assert_eq!(schedule.next_after(half_past).map(|slot| slot.at), Some(at("2026-06-01 00:00:01")));
    assert_eq!(schedule.next_after(at("2026-06-01 00:00")).map(|slot| slot.at), Some(at("2026-06-01 00:00:01")));
}

#[test]
fn the_interval_is_the_longest_gap() {
    let from = at("2026-06-03 12:00");
    for (expression, zone, hours) in [
        ("0 2 * * *", "UTC", 24),
        ("0 2 * * *", "Europe/Dublin", 25),
        ("0 2 * * MON-FRI", "UTC", 72),
        ("*/10 8-17 * * MON-FRI", "UTC", 62),
        ("@monthly", "UTC", 31 * 24),
        ("@yearly", "UTC", 365 * 24),
        ("0 0 29 2 *", "UTC", (4 * 365 + 1) * 24),
    ] {
        let interval = schedule(expression, zone).interval(from).unwrap();
        let expected = Duration::from_hours(hours);
        let near = if expression.starts_with("*/10") { Duration::from_mins(10) } else { Duration::ZERO };
        assert_eq!(interval, expected + near, "{expression}");
    }
    assert_eq!(schedule("*/5 * * * * *", "UTC").interval(from), Some(Duration::from_secs(5)));
}

#[test]
fn jitter_is_stable_and_spreads_registries() {
    let settings = ScheduleSettings { jitter: Duration::from_mins(10), ..settings("0 2 * * *", "UTC") };
    let jitter = |name: &str| Schedule::new(&settings, name).jitter();
    // Fixed for ever: another hash would move every registry's start.
    assert_eq!((jitter("quay"), jitter("harbor")), (Duration::from_secs(341), Duration::from_secs(179)));
    let mut tenths = [0; 10];
    for number in 0..500 {
        let jitter = jitter(&format!("registry-{number}"));
        assert!(jitter < Duration::from_mins(10) && jitter.subsec_nanos() == 0);
        tenths[usize::try_from(jitter.as_secs() / 60).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|count| (25..=75).contains(count)), "{tenths:?}");

    let slot = Schedule::new(&settings, "quay").next_after(at("2026-06-01 00:00")).unwrap();
    assert_eq!((slot.at, slot.starts_at), (at("2026-06-01 02:00"), at("2026-06-01 02:00") + jitter("quay")));
    assert_eq!(schedule("0 2 * * *", "UTC").jitter(), Duration::ZERO);
}
