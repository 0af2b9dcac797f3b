//! The keys that say when registries run: their values, what the main file says for all, and what has no effect.

use super::*;
use crate::schedule::Schedule;
use std::time::Duration;

/// The schedules of registries with these lines each, below these of the main file.
fn schedules(main: &str, registries: &[&str]) -> Result<Vec<Option<String>>, String> {
    let list = registries.iter().enumerate();
    let list: Vec<_> = list.map(|(at, keys)| format!("  - {{name: r{at}, url: 'https://r', {keys}}}\n")).collect();
    let config = load_text(&format!("{main}{SINK}registries:\n{}", list.concat()))?;
    let shown = |schedule: &Schedule| format!("{} {}", schedule.expression(), schedule.time_zone());
    Ok(config.registries.iter().map(|registry| registry.schedule.as_ref().map(shown)).collect())
}

#[test]
fn a_registry_says_when_it_runs_or_the_main_file_does() {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(schedules("", &[""]), Ok(vec![None]));
    assert_eq!(schedules("", &["schedule: 0 2 * * *"]), Ok(vec![some("0 2 * * * UTC")]));
    assert_eq!(schedules("schedule: off\n", &["schedule: ~"]), Ok(vec![None]));
    let main = "schedule: '@daily'\ntime_zone: Europe/Dublin\n";
    let read = schedules(main, &["", "schedule: off", "schedule: '5 * * * *'", "time_zone: UTC"]);
    let expected = vec![some("@daily Europe/Dublin"), None, some("5 * * * * Europe/Dublin"), some("@daily UTC")];
    assert_eq!(read, Ok(expected));
    assert_eq!(
        schedules("time_zone: Asia/Tehran\n", &["", "schedule: '@daily'"]),
        Ok(vec![None, some("@daily Asia/Tehran")])
    );
}

#[test]
fn every_key_of_a_schedule_is_read() {
    let lines = "    schedule: 0 2 * * *\n    jitter: 10m\n    catch_up: 168h\n    run_on_start: always\n";
    let schedule = load_registry(lines).unwrap().schedule.unwrap();
    assert!(schedule.jitter() < Duration::from_mins(10) && !schedule.jitter().is_zero());
    // `Debug` shows what is not asked for elsewhere.
    let shown = |schedule: &Schedule| format!("{schedule:?}");
    assert!(shown(&schedule).contains("catch_up: TimeDelta { secs: 604800, nanos: 0 }, run_on_start: Always"));
    let defaults = load_registry("    schedule: 0 2 * * *\n").unwrap().schedule.unwrap();
    assert!(shown(&defaults).contains("catch_up: TimeDelta { secs: 21600, nanos: 0 }, run_on_start: IfMissed"));
    assert!(defaults.jitter().is_zero());
    let off = "    schedule: 0 2 * * *\n    jitter: off\n    catch_up: 0\n    run_on_start: never\n";
    let off = shown(&load_registry(off).unwrap().schedule.unwrap());
    assert!(off.contains("catch_up: TimeDelta { secs: 0, nanos: 0 }, run_on_start: Never"));
}

#[test]
fn values_that_cannot_be_are_refused_with_place_and_help() {
    for (key, value, column, message, help) in [
        ("schedule", "0 25 * * *", 15, "hour: expected 0 to 23, found 25", "for example `2`, `2,14`, `8-18` or `*/6`"),
        (
            "schedule",
            "0 2 30 2 *",
            15,
            "day of month: there is no such day in these months",
            "for the last day of each month write `0 2 L * *`",
        ),
        ("schedule", "'@reboot'", 15, "`@reboot` is no time", "write a schedule, and `run_on_start: always` beside it"),
        ("schedule", "5", 15, "expected text, found a number", "for example `\"0 2 * * *\"`"),
        ("time_zone", "Europe/Dubln", 16, "not the name of a time zone", "did you mean `Europe/Dublin`?"),
        ("time_zone", "europe/dublin", 16, "not the name of a time zone", "did you mean `Europe/Dublin`?"),
        ("time_zone", "Nowhere", 16, "not the name of a time zone", "for example `Europe/Dublin` or `UTC`"),
        (
            "time_zone",
            "CEST",
            16,
            "an abbreviation that is not the name of a time zone",
            "name the place, for example `Europe/Dublin`: then the clock is changed in spring and autumn",
        ),
        (
            "time_zone",
            "Local",
            16,
            "which zone is local depends on the machine",
            "name it, for example `Europe/Dublin`; `timedatectl` shows the name of this machine's",
        ),
        ("jitter", "1500ms", 13, "expected whole seconds, found a part of one", "for example `10m`"),
        ("jitter", "25h", 13, "expected at most `24h`, found more", ""),
        ("catch_up", "169h", 15, "expected at most `168h`, found more", ""),
        (
            "run_on_start",
            "if_mised",
            19,
            "expected one of never, if_missed, always, found another word",
            "did you mean `if_missed`?",
        ),
    ] {
        let schedule = if key == "schedule" { "" } else { "    schedule: 0 2 * * *\n" };
        let line = if key == "schedule" { 5 } else { 6 };
        let refused = load_registry(&format!("{schedule}    {key}: {value}\n")).expect_err(value);
        let help = if help.is_empty() { String::new() } else { format!("\n    {help}") };
        assert_eq!(refused, format!("m.yaml:{line}:{column}: `{key}`: {message}{help}"));
        // In the main file, once: the registries are not to blame.
        let refused =
            load_text(&format!("{key}: {value}\n{SINK}registries: [{{name: r, url: 'https://r', jitter: 1m}}]\n"));
        assert_eq!(refused.expect_err(value), format!("m.yaml:1:{}: `{key}`: {message}{help}", column - 4));
    }
}

#[test]
fn keys_without_a_schedule_have_no_effect() {
    const HELP: &str = "    add one, for example `schedule: 0 2 * * *`, or leave this out";
    let keys = "time_zone: UTC, jitter: off, catch_up: 1h, run_on_start: never";
    let refused = schedules("", &[keys]).expect_err("problems");
    let expected = [("time_zone", 45), ("jitter", 58), ("catch_up", 73), ("run_on_start", 91)].map(|(key, column)| {
        format!("m.yaml:3:{column}: `{key}`: has no effect: this registry has no `schedule`\n{HELP}")
    });
    assert_eq!(refused, expected.join("\n"));
    let refused = schedules("schedule: '@daily'\n", &["schedule: off, jitter: 1m"]).expect_err("problems");
    assert_eq!(refused, format!("m.yaml:4:57: `jitter`: has no effect: this registry has no `schedule`\n{HELP}"));
    let refused = schedules("jitter: 1m\n", &["", ""]).expect_err("problems");
    assert_eq!(refused, format!("m.yaml:1:9: `jitter`: has no effect: no registry has a `schedule`\n{HELP}"));
}

#[test]
fn an_included_file_does_not_say_it_for_all() {
    let more = "schedule: '@daily'\njitter: 1m\nregistries: [{name: a, url: 'https://a'}]\n";
    let refused = load_files(&[("m.yaml", &format!("{SINK}include: more.yaml\n")), ("more.yaml", more)]);
    let expected = "more.yaml:1:1: `schedule` belongs to the main file\n    an included file has `registries` alone\n\
                    more.yaml:2:1: `jitter` belongs to the main file\n    an included file has `registries` alone";
    assert_eq!(refused.expect_err("problems"), expected);
}
