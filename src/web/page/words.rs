//! Formats times, durations and numbers for the page. Times are UTC.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

/// The two largest units that a duration has: `3 h 12 min`, `4 d`, `40 s`.
pub(super) fn duration(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = duration.as_secs();
    let Some(first) = UNITS.iter().position(|(size, _)| seconds >= *size) else { return "0 s".to_owned() };
    let (size, unit) = UNITS[first];
    let large = format!("{}\u{a0}{unit}", seconds / size);
    match UNITS.get(first + 1).map(|(smaller, unit)| (seconds % size / smaller, unit)) {
        // Seconds are left out next to minutes.
        Some((small, unit)) if small > 0 && size > 60 => format!("{large} {small}\u{a0}{unit}"),
        _ => large,
    }
}

/// The distance of a time from now: `in 3 h 12 min`, `2 min ago`.
pub(super) fn relative(now: DateTime<Utc>, time: DateTime<Utc>) -> String {
    let (later, earlier) = ((time - now).to_std(), (now - time).to_std());
    match (later, earlier) {
        (Ok(wait), _) if wait.as_secs() > 0 => format!("in {}", duration(wait)),
        (_, Ok(since)) if since.as_secs() > 0 => format!("{} ago", duration(since)),
        _ => "now".to_owned(),
    }
}

/// `2026-11-23 02:00Z`.
pub(super) fn absolute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%MZ").to_string()
}

/// A `time` element with the exact time, shown as `text`.
fn time(time: DateTime<Utc>, text: &str) -> Markup {
    let exact = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) title=(time.format("%Y-%m-%d %H:%M:%S UTC")) { (text) } }
}

/// For a sentence: `2 min ago`, with the exact time as a tooltip.
pub(super) fn when(now: DateTime<Utc>, at: DateTime<Utc>) -> Markup {
    time(at, &relative(now, at))
}

/// `2 min ago` and the time.
pub(super) fn both(now: DateTime<Utc>, at: DateTime<Utc>) -> Markup {
    html! { (when(now, at)) " " span.at { (absolute(at)) } }
}

/// `12,345`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let first = match digits.len() % 3 {
        0 => 3,
        rest => rest,
    };
    let (head, tail) = digits.split_at(first.min(digits.len()));
    let groups = tail.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    std::iter::once(head.to_owned()).chain(groups).collect::<Vec<_>>().join(",")
}

/// `1 page`, `2 pages`, `12,345 repositories`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{}\u{a0}{}", number(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn durations_have_at_most_two_units_and_no_seconds_beside_minutes() {
        for (seconds, expected) in [
            (0, "0 s"),
            (1, "1 s"),
            (59, "59 s"),
            (60, "1 min"),
            (119, "1 min"),
            (3_600, "1 h"),
            (3_659, "1 h"),
            (11_520, "3 h 12 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
            (90_000 * 400, "416 d 16 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)).replace('\u{a0}', " "), expected);
        }
    }

    #[test]
    fn times_are_relative_to_now() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for (seconds, expected) in [(0, "now"), (11_520, "in 3 h 12 min"), (-125, "2 min ago"), (-1, "1 s ago")] {
            assert_eq!(relative(now, now + TimeDelta::seconds(seconds)).replace('\u{a0}', " "), expected);
        }
        let written = both(now, now - TimeDelta::minutes(3)).into_string().replace('\u{a0}', " ");
        assert_eq!(
            written,
            "<time datetime=\"2024-10-03T23:57:00Z\" title=\"2024-10-03 23:57:00 UTC\">3 min ago</time> \
             <span class=\"at\">2024-10-03 23:57Z</span>"
        );
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (count, expected) in [(0, "0"), (12, "12"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(number(count), expected);
        }
        assert_eq!(counted(1, "page", "pages"), "1\u{a0}page");
    }
}
