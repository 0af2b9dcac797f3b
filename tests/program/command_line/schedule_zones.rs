//! Slots against an independent oracle that simulates Debian's cron: ten time zones, five years with each kind of change
//! that there is, and five years to come.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use stocktake::schedule::{Expression, Schedule, ScheduleSettings};

use crate::support::python;

const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Dublin", // its winter time is the one that is called saved
    "America/New_York",
    "America/St_Johns",    // 30 minutes off the hour
    "America/Sao_Paulo",   // changed at midnight, until 2019
    "Africa/Casablanca",   // a change before and after Ramadan
    "Asia/Kolkata",        // never changes
    "Asia/Tehran",         // changed at midnight, until 2022
    "Australia/Lord_Howe", // changes by 30 minutes
    "Pacific/Chatham",     // 45 minutes off the hour
];

/// Those that meet changes: with times of day, several of them, none; with days of either kind and of both.
const EXPRESSIONS: [&str; 11] = [
    "0 2 * * *",
    "30 1 * * *",
    "0 0 * * *",
    "15,45 0-3 * * *",
    "59 23 31 12 *",
    "30 0 1-7 * 0",
    "5 2,14 * * 1-5",
    "0 3 */2 * 1",
    "0 0 29 2 *",
    "*/20 2 * * *",
    "0 * * * *",
];

#[test]
fn slots_are_what_debians_cron_would_run_in_ten_zones_and_ten_years() {
    let compared = std::thread::scope(|scope| {
        let past = scope.spawn(|| compare((2017, 2021), &EXPRESSIONS));
        let future = scope.spawn(|| compare((2026, 2030), &EXPRESSIONS));
        let dense = scope.spawn(|| compare((2018, 2019), &["*/15 * * * *"]));
        [past, future, dense].map(|compared| compared.join().unwrap()).iter().sum::<usize>()
    });
    assert!(compared > 1_500_000, "the test sees slots: {compared}");
}

/// Compares all zones in these years; how many slots there were.
fn compare(years: (i32, i32), expressions: &[&str]) -> usize {
    let starts = oracle(years, expressions);
    let mut lines = starts.lines();
    let release = lines.next().unwrap();
    assert_eq!(release, chrono_tz::IANA_TZDB_VERSION, "tests/readers.txt names the release of chrono-tz");
    let mut compared = 0;
    for zone in ZONES {
        for expression in expressions {
            let expected = lines.next().unwrap().split_ascii_whitespace();
            let expected = expected.map(|second| DateTime::from_timestamp(second.parse().unwrap(), 0).unwrap());
            let mut found = slots(zone, expression, years);
            for start in expected {
                assert_eq!(found.next(), Some(start), "`{expression}` in {zone}");
                compared += 1;
            }
            assert_eq!(found.next(), None, "`{expression}` in {zone}");
        }
    }
    assert_eq!(lines.next(), None);
    compared
}

/// The slots of these years.
fn slots(zone: &str, expression: &str, (first, last): (i32, i32)) -> impl Iterator<Item = DateTime<Utc>> {
    let expression: Expression = expression.parse().unwrap();
    let settings = ScheduleSettings { time_zone: zone.parse().unwrap(), ..ScheduleSettings::new(expression) };
    let schedule = Schedule::new(&settings, "quay");
    let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let before = new_year(first) - TimeDelta::seconds(1);
    let next = move |at: &DateTime<Utc>| schedule.next_after(*at).map(|slot| slot.at);
    std::iter::successors(next(&before), next).take_while(move |at| *at < new_year(last + 1))
}

fn oracle((first, last): (i32, i32), expressions: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/support/oracle.py");
    let mut command = Command::new(python());
    let mut process = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let asked = serde_json::json!({"years": [first, last], "zones": ZONES, "expressions": expressions});
    process.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle ends well");
    String::from_utf8(output.stdout).unwrap()
}
