//! What may be written, what it means, and how everything else is refused.

use super::*;

#[test]
fn five_six_and_seven_fields_and_nicknames_are_read() {
    // A Monday.
    let from = "2026-06-01 00:00:00";
    for (expression, next) in [
        ("0 2 * * *", "2026-06-01 02:00:00"),
        ("  0\t2  * * * ", "2026-06-01 02:00:00"),
        ("30 0 2 * * *", "2026-06-01 02:00:30"),
        ("30 0 2 * * * 2030", "2030-01-01 02:00:30"),
        ("0 0 0 1 1 ? 2028-2029", "2028-01-01 00:00:00"),
        ("0 0 1 1 * ? */4", "2026-06-01 01:00:00"),
        ("@hourly", "2026-06-01 01:00:00"),
        ("@daily", "2026-06-02 00:00:00"),
        ("@Midnight", "2026-06-02 00:00:00"),
        ("@weekly", "2026-06-07 00:00:00"),
        ("@monthly", "2026-07-01 00:00:00"),
        ("@yearly", "2027-01-01 00:00:00"),
        ("@annually", "2027-01-01 00:00:00"),
        ("*/5 * * * * *", "2026-06-01 00:00:05"),
        ("5-59/20 * * * *", "2026-06-01 00:05:00"),
        ("0 8-18/5,23 * * *", "2026-06-01 08:00:00"),
        ("0 2 * * 0", "2026-06-07 02:00:00"),
        ("0 2 * * 7", "2026-06-07 02:00:00"),
        ("0 2 * * SAT-SUN", "2026-06-06 02:00:00"),
        ("0 2 * * sun-tue", "2026-06-01 02:00:00"),
        ("0 2 * aug,DEC *", "2026-08-01 02:00:00"),
        ("0 2 L * *", "2026-06-30 02:00:00"),
        ("0 2 LW * *", "2026-06-30 02:00:00"),
        ("0 2 6W * *", "2026-06-05 02:00:00"),
        ("0 2 * * FRI#1", "2026-06-05 02:00:00"),
        ("0 2 * * 5L", "2026-06-26 02:00:00"),
        ("0 2 29 2 *", "2028-02-29 02:00:00"),
        ("0 2 31 4,5 *", "2027-05-31 02:00:00"),
        // Either day, and both where one begins with `*`.
        ("0 2 10 * 3", "2026-06-03 02:00:00"),
        ("0 2 10 * *", "2026-06-10 02:00:00"),
        ("0 2 10 * */1", "2026-06-10 02:00:00"),
        ("0 2 */2 * 2", "2026-06-09 02:00:00"),
    ] {
        assert_eq!(slots_after(&schedule(expression, "UTC"), from, 1), [next], "{expression}");
    }
    assert_eq!(schedule("  0\t2  * * * ", "UTC").expression(), "0 2 * * *");
}

#[test]
fn refusals_name_the_field_and_show_an_example() {
    let refusal = |text: &str| text.parse::<Expression>().expect_err(text);
    for (expression, message, help) in [
        ("60 2 * * *", "minute: expected 0 to 59, found 60", "for example `0`, `0,30` or `*/15`"),
        ("0 25 * * *", "hour: expected 0 to 23, found 25", "for example `2`, `2,14`, `8-18` or `*/6`"),
        ("0 2 0 * *", "day of month: expected 1 to 31, found 0", DAY),
        ("0 2 * 13 *", "month: expected 1 to 12 or JAN to DEC, found 13", "for example `*`, `1`, `JAN,JUL` or `*/3`"),
        ("0 2 * * 8", "day of week: expected 0 to 7 or SUN to SAT, found 8", WEEKDAY),
        ("0 2 * * MOON", "day of week: expected 0 to 7 or SUN to SAT, found something else", WEEKDAY),
        ("61 0 2 * * *", "second: expected 0 to 59, found 61", "for example `0`, `0,30` or `*/10`"),
        ("0 0 2 * * * 1969", "year: expected 1970 to 2199, found 1969", "for example `*`, `2030` or `2027-2030`"),
        ("0 0 2 * * * 2025", "year: all of them are over", "leave the year out: `0 2 * * *` is each day at 02:00"),
        ("0 2 30 2 *", "day of month: there is no such day in these months", LAST),
        ("0 2 31 4,6,9,11 *", "day of month: there is no such day in these months", LAST),
        ("0 0 2 29 2 ? 2027", "day of month: there is no such day in these months and years", LAST),
        ("0 22-2 * * *", "hour: the range 22-2 goes backwards", "write its two parts, `22-23,0-2`"),
        ("0 2 * * FRI-MON", "day of week: the range 5-1 goes backwards", "write its two parts, `5-6,0-1`"),
        ("0/15 * * * *", "minute: a step goes with `*` or a range", "did you mean `0-59/15`?"),
        ("x/15 * * * *", "minute: a step goes with `*` or a range", "for example `0`, `0,30` or `*/15`"),
        ("*/90 * * * *", "minute: expected a step from 1 to 59, found 90", "for example `0`, `0,30` or `*/15`"),
        ("*/0 * * * *", "minute: expected a step from 1 to 59, found 0", "for example `0`, `0,30` or `*/15`"),
        ("*/ * * * *", "minute: expected a whole number as the step", "for example `0`, `0,30` or `*/15`"),
        ("0,,5 * * * *", "minute: expected 0 to 59, found nothing", "for example `0`, `0,30` or `*/15`"),
        ("? * * * *", "minute: expected 0 to 59, found something else", "for example `0`, `0,30` or `*/15`"),
        ("0 2 * * FRI#6", "day of week: expected 1 to 5 after `#`", WEEKDAY),
        ("0 2 * * L", "day of week: expected 0 to 7 or SUN to SAT, found something else", WEEKDAY),
        ("@reboot", "`@reboot` is no time", "write a schedule, and `run_on_start: always` beside it"),
        ("@every 5m", "`@every` is not known, since it would count from the start", EVERY),
        ("@daily 5", "`@daily` stands alone, without further fields", "for example `0 2 * * *`, each day at 02:00"),
        ("@often", "expected another word after `@`", NICKNAMES),
        ("@nightly", "expected another word after `@`", "did you mean `@daily`, which is at 00:00?"),
    ] {
        let refused = refusal(expression);
        assert_eq!((refused.to_string().as_str(), refused.help()), (message, help), "{expression}");
    }
    for (expression, found) in
        [("0 2 * *", "found 4"), ("", "found none"), ("1 2 3 4 5 6 7 8", "found 8"), ("5", "found 1")]
    {
        let refused = refusal(expression);
        assert!(
            refused.to_string().starts_with("expected 5 fields (minute, hour, day of month, month, day of week), 6 ")
        );
        assert!(refused.to_string().ends_with(found), "{refused}");
        assert_eq!(refused.help(), "for example `0 2 * * *`, each day at 02:00");
    }
    assert_eq!(refusal("Daily").help(), "did you mean `'@daily'`, in quotes?");
    assert_eq!(refusal("0 2 * * ä").to_string(), "expected at most 200 ASCII characters");
    assert_eq!(refusal(&"0,".repeat(101)).to_string(), "expected at most 200 ASCII characters");
}

const DAY: &str = "for example `*`, `1`, `1,15`, `L` for the last, `15W` for the nearest working day";
const WEEKDAY: &str = "for example `*`, `MON-FRI`, `0` or `7` for Sunday, `FRI#1` for the first Friday of a month";
const LAST: &str = "for the last day of each month write `0 2 L * *`";
const EVERY: &str = "for example `*/5 * * * *` for every five minutes, `0 */6 * * *` for every six hours";
const NICKNAMES: &str = "known: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually";

#[test]
fn time_zones_have_iana_names() {
    let zone = |text: &str| text.parse::<TimeZone>().map_err(|error| error.to_string());
    assert_eq!(zone("Europe/Dublin").map(TimeZone::name), Ok("Europe/Dublin"));
    assert_eq!(schedule("@daily", "Africa/Casablanca").time_zone(), "Africa/Casablanca");
    for text in ["Europe/Dubin", "", "UTC ", "Etc/UTC/", "europe-1/x"] {
        assert_eq!(zone(text), Err("not the name of a time zone".to_owned()), "{text}");
    }
    for text in ["CEST", "PST", "AEDT"] {
        let expected = "an abbreviation that is not the name of a time zone";
        assert_eq!(zone(text), Err(expected.to_owned()), "{text}");
    }
    for text in ["+01:00", "UTC+2", "GMT-0500", "-3"] {
        assert_eq!(zone(text), Err("an offset is not the name of a time zone".to_owned()), "{text}");
    }
    // These have the same form and are names.
    for text in ["EST", "CET", "UTC", "Etc/GMT-2", "EST5EDT", "GMT+0"] {
        assert_eq!(zone(text).map(TimeZone::name), Ok(text));
    }
    for text in ["Local", "local"] {
        assert_eq!(zone(text), Err("which zone is local depends on the machine".to_owned()));
    }
    assert!(TimeZone::names().count() > 400);
}

/// Whatever is written: it is refused in plain words, or read by `croner` too and has a slot.
#[test]
fn no_text_makes_reading_panic() {
    const PARTS: [&str; 34] = [
        "*", "0", "5", "7", "12", "23", "31", "59", "2030", "99999", "-", "/", ",", "#", "L", "W", "LW", "?", "+", " ",
        " ", " ", " ", "*/2", "1-5", "MON", "SUN", "jan", "dec", "@", "@daily", "ä", "\u{0}", "\n",
    ];
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let mut read = 0;
    for _ in 0..60_000 {
        let mut text = String::new();
        if random.bool() {
            let fields = random.usize(5..8);
            let field = |random: &mut fastrand::Rng| PARTS[random.usize(0..9)].to_owned() + PARTS[random.usize(0..28)];
            text.extend((0..fields).map(|_| if random.bool() { "*".to_owned() } else { field(&mut random) } + " "));
        } else {
            text.extend((0..random.usize(0..16)).map(|_| PARTS[random.usize(0..PARTS.len())]));
        }
        match text.parse::<Expression>() {
            Ok(expression) => {
                read += 1;
                let schedule = Schedule::new(&ScheduleSettings::new(expression), "quay");
                assert!(schedule.next_after(at("2026-01-01 00:00")).is_some(), "{text:?}");
            }
            Err(refused) => {
                assert_ne!(refused.to_string(), "expected a cron expression", "croner alone refuses {text:?}");
                assert!(!refused.to_string().contains(char::is_control) && !refused.help().is_empty(), "{text:?}");
            }
        }
    }
    assert!(read > 1_000, "the test sees expressions: {read}");
}

#[test]
fn what_a_refused_range_is_to_be_written_as_is_accepted() {
    let fields = [("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("day of week", 0, 7)];
    let mut refused = 0;
    for (at, (name, first, last)) in fields.into_iter().enumerate() {
        for (from, to) in (first..=last).flat_map(|from| (first..from).map(move |to| (from, to))) {
            for step in ["", "/1", "/2", "/5", "/7"] {
                let expression = |field: &str| {
                    let mut all = ["0", "0", "*", "*", "*"].map(str::to_owned);
                    field.clone_into(&mut all[at]);
                    all.join(" ")
                };
                let range = format!("{from}-{to}{step}");
                let error = expression(&range).parse::<Expression>().expect_err(&range);
                let help =
                    error.help().split('`').nth(1).unwrap_or_else(|| panic!("{range}: {}", error.help())).to_owned();
                assert!(expression(&help).parse::<Expression>().is_ok(), "{name} {range}: `{help}`");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 5 * (60 * 59 + 24 * 23 + 31 * 30 + 12 * 11 + 8 * 7) / 2);
}

#[test]
fn what_other_programs_write_leads_to_an_expression_that_is_accepted() {
    for (text, meant) in [
        ("02:30", "30 2 * * *"),
        ("daily 2:30", "30 2 * * *"),
        ("*-*-* 02:00:00", "0 2 * * *"),
        ("6h", "0 */6 * * *"),
        ("1h", "0 * * * *"),
        ("24h", "0 2 * * *"),
        ("nightly", "0 2 * * *"),
        ("hourly", "@hourly"),
    ] {
        let error = text.parse::<Expression>().expect_err(text);
        let help = error.help().split('`').nth(1).map(|help| help.trim_matches('\'').to_owned());
        assert_eq!(help.as_deref(), Some(meant), "{text}");
        assert!(meant.parse::<Expression>().is_ok(), "{meant}");
    }
    for (text, zone) in [
        ("CRON_TZ=America/New_York 0 2 * * *", "America/New_York"),
        ("TZ=Nowhere 0 2 * * *", "Europe/Dublin"),
        ("TZ=UTC nonsense", "UTC"),
        ("CRON_TZ=UTC", "UTC"),
    ] {
        let error = text.parse::<Expression>().expect_err(text);
        assert_eq!(error.help(), format!("write `schedule: \"0 2 * * *\"`, and beside it `time_zone: {zone}`"));
    }
}
