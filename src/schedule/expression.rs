//! Cron expressions: five fields, six with seconds first, seven with years last, or `@daily` and its like.
//!
//! Stricter than `croner`, which ignores what it does not understand: each field is checked here first, so that an
//! error names the field. As in Debian's cron a day matches if the day of the month or the day of the week does, and if
//! one of them begins with `*`, only if both do.

use std::str::FromStr;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::ScheduleError;
use super::field::{DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, YEAR};
use super::zone::TimeZone;

/// Years before this were over when the program was written. A fixed one: what is valid must not become invalid one
/// night.
const OPEN_YEAR: u16 = 2026;

const LONGEST: usize = 200;
const EXAMPLE: &str = "for example `0 2 * * *`, each day at 02:00";
const EVERY: &str = "for example `*/5 * * * *` for every five minutes, `0 */6 * * *` for every six hours";
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A cron expression that matches at least one time since 2026.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    /// Shared: it has a byte for each year of five thousand.
    cron: Arc<Cron>,
    has_times_of_day: bool,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl FromStr for Expression {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.contains(['“', '”', '„', '‘', '’', '″']) {
            return Err(ScheduleError::new(
                "typographic quotes are part of the value",
                "write plain quotes: `\"0 2 * * *\"`",
            ));
        }
        if !text.is_ascii() || text.len() > LONGEST {
            return Err(ScheduleError::new("expected at most 200 ASCII characters", EXAMPLE));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        refuse_zone(&words)?;
        refuse_strangers(&words)?;
        let expanded = expand(&words)?;
        let fields: Vec<&str> = expanded.split(' ').collect();
        let fields = match fields[..] {
            [minute, hour, day, month, weekday] => ["0", minute, hour, day, month, weekday, "*"],
            [second, minute, hour, day, month, weekday] => [second, minute, hour, day, month, weekday, "*"],
            [second, minute, hour, day, month, weekday, year] => [second, minute, hour, day, month, weekday, year],
            _ => return Err(wrong_number(&fields)),
        };
        let cron = parse(fields)?;
        let has_times_of_day = !fields[..3].iter().any(|field| field.starts_with('*'));
        let expression = Self { text: words.join(" "), cron: Arc::new(cron), has_times_of_day };
        let open = NaiveDate::from_ymd_opt(OPEN_YEAR.into(), 1, 1).map(NaiveDateTime::from);
        match open.and_then(|open| expression.next_match(open, true)) {
            Some(_) => Ok(expression),
            None => Err(never(fields)),
        }
    }
}

impl Expression {
    /// The text as written, with single blanks.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names times of the day, and not one that comes again with each hour, minute or second.
    pub(super) fn has_times_of_day(&self) -> bool {
        self.has_times_of_day
    }

    /// The first time after this one that matches, on a clock that never changes; this one itself, if `inclusive`.
    pub(super) fn next_match(&self, time: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        // It fails where its search ends, and only there.
        self.cron.find_next_occurrence(&time, inclusive).ok()
    }
}

/// The fields in place of a nickname, with single blanks.
fn expand(words: &[&str]) -> Result<String, ScheduleError> {
    let Some(first) = words.first().filter(|word| word.starts_with('@')) else { return Ok(words.join(" ")) };
    if first.eq_ignore_ascii_case("@reboot") {
        return Err(ScheduleError::new(
            "`@reboot` is no time",
            "write a schedule, and `run_on_start: always` beside it",
        ));
    }
    if first.eq_ignore_ascii_case("@every") {
        return Err(ScheduleError::new("`@every` is not known, since it would count from the start", EVERY));
    }
    let known = NICKNAMES.iter().find(|(nickname, _)| nickname.eq_ignore_ascii_case(first));
    match (known, words) {
        (Some((_, fields)), [_]) => Ok((*fields).to_owned()),
        (Some((nickname, _)), _) => {
            Err(ScheduleError::new(format!("`{nickname}` stands alone, without further fields"), EXAMPLE))
        }
        (None, _) => {
            if matches!(first.to_ascii_lowercase().as_str(), "@nightly" | "@night" | "@day") {
                return Err(ScheduleError::new(
                    "expected another word after `@`",
                    "did you mean `@daily`, which is at 00:00?",
                ));
            }
            let names: Vec<_> = NICKNAMES.iter().map(|(nickname, _)| *nickname).collect();
            Err(ScheduleError::new("expected another word after `@`", format!("known: {}", names.join(", "))))
        }
    }
}

/// `CRON_TZ=Europe/Dublin` and `TZ=…` before the fields, as Go's cron libraries and Kubernetes know them.
fn refuse_zone(words: &[&str]) -> Result<(), ScheduleError> {
    let zone = |word: &&str| Some(word.strip_prefix("CRON_TZ=").or_else(|| word.strip_prefix("TZ="))?.to_owned());
    let Some((name, rest)) = words.split_first().and_then(|(first, rest)| Some((zone(first)?, rest.join(" ")))) else {
        return Ok(());
    };
    let zone = name.parse::<TimeZone>().map_or("Europe/Dublin", TimeZone::name);
    let fields = if rest.parse::<Expression>().is_ok() { rest } else { "0 2 * * *".to_owned() };
    let help = format!("write `schedule: \"{fields}\"`, and beside it `time_zone: {zone}`");
    Err(ScheduleError::new("the time zone has a key of its own", help))
}

/// A comment behind the fields, and the forms of AWS: `cron(0 2 * * ? *)` with the year last, and `rate(1 day)`.
fn refuse_strangers(words: &[&str]) -> Result<(), ScheduleError> {
    if let Some(at) = words.iter().position(|word| word.starts_with('#')) {
        let fields = Some(words[..at].join(" ")).filter(|fields| fields.parse::<Expression>().is_ok());
        let help = fields
            .map_or_else(|| EXAMPLE.to_owned(), |fields| format!("write `\"{fields}\"`, and the comment behind it"));
        return Err(ScheduleError::new("a comment is part of the value", help));
    }
    let text = words.join(" ");
    let within = |name: &str| text.strip_prefix(name).and_then(|rest| rest.strip_suffix(')')).map(str::to_owned);
    if let Some(fields) = within("cron(") {
        let six: Vec<&str> = fields.split(' ').collect();
        let five = six[..six.len().min(5)].join(" ");
        let meant = if five.parse::<Expression>().is_ok() { five } else { "0 2 * * *".to_owned() };
        return Err(ScheduleError::new("`cron(…)` is a form of AWS", format!("write the fields alone: `{meant}`")));
    }
    if within("rate(").is_some() {
        return Err(ScheduleError::new("`rate(…)` is a form of AWS", EVERY));
    }
    Ok(())
}

/// What other programs write for a schedule, as a cron expression.
fn meant(words: &[&str]) -> Option<String> {
    let time = |word: &str| {
        let (word, afternoon) = match word.to_ascii_lowercase() {
            word if word.ends_with("am") => (word[..word.len() - 2].to_owned(), Some(0)),
            word if word.ends_with("pm") => (word[..word.len() - 2].to_owned(), Some(12)),
            word => (word, None),
        };
        let mut parts = word.split(':').map(|part| part.parse::<u8>().ok());
        let (hour, minute) = (parts.next()??, parts.next());
        let minute = match (minute, afternoon) {
            (Some(minute), _) => minute?,
            (None, Some(_)) => 0,
            (None, None) => return None,
        };
        let hour = afternoon.map_or(Some(hour), |add| (1..=12).contains(&hour).then(|| hour % 12 + add))?;
        (hour < 24 && minute < 60).then(|| format!("{minute} {hour} * * *"))
    };
    let day = |word: &str| {
        let word = word.to_ascii_lowercase();
        matches!(word.as_str(), "*-*-*" | "daily" | "nightly" | "at" | "every" | "day" | "night" | "each")
    };
    match words {
        [word] if time(word).is_some() => time(word),
        // A calendar expression of systemd, such as `*-*-* 02:00:00`.
        [first @ .., word] if !first.is_empty() && first.iter().all(|word| day(word)) => time(word),
        [word] if matches!(word.to_ascii_lowercase().as_str(), "nightly" | "day" | "24h" | "1d") => {
            Some("0 2 * * *".to_owned())
        }
        [word] => {
            let hours: u8 = word.strip_suffix('h')?.parse().ok()?;
            (1..=12)
                .contains(&hours)
                .then(|| if hours == 1 { "0 * * * *".to_owned() } else { format!("0 */{hours} * * *") })
        }
        _ => None,
    }
}

fn wrong_number(fields: &[&str]) -> ScheduleError {
    let expected = "expected 5 fields (minute, hour, day of month, month, day of week), 6 with the second before them, \
                    or 7 with the year after them";
    match fields {
        [""] => ScheduleError::new(format!("{expected}, found none"), EXAMPLE),
        [word] if NICKNAMES.iter().any(|(nickname, _)| nickname[1..].eq_ignore_ascii_case(word)) => {
            let help = format!("did you mean `'@{}'`, in quotes?", word.to_ascii_lowercase());
            ScheduleError::new(format!("{expected}, found a word"), help)
        }
        _ if let Some(meant) = meant(fields) => {
            ScheduleError::new(format!("{expected}, found something else"), format!("did you mean `{meant}`?"))
        }
        _ => ScheduleError::new(format!("{expected}, found {}", fields.len()), EXAMPLE),
    }
}

/// The expression of these seven fields, each checked.
fn parse(fields: [&str; 7]) -> Result<Cron, ScheduleError> {
    let mut plain = Vec::new();
    for (field, text) in [SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR].iter().zip(fields) {
        plain.push(field.plain(text)?);
    }
    let [_, _, _, day, _, weekday, _] = fields;
    let both = day.starts_with('*') || weekday.starts_with('*');
    let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).dom_and_dow(both).build();
    // What passed above passes here too; a test tries a great many.
    parser.parse(&plain.join(" ")).map_err(|_| ScheduleError::new("expected a cron expression", EXAMPLE))
}

/// Why these fields match no time from now on.
fn never(fields: [&str; 7]) -> ScheduleError {
    let [_, _, _, day, month, _, year] = fields;
    match parse(["0", "0", "0", "1", "1", "*", year])
        .map(|cron| (cron, NaiveDate::from_ymd_opt(OPEN_YEAR.into(), 1, 1)))
    {
        Ok((cron, Some(open))) if cron.find_next_occurrence(&NaiveDateTime::from(open), true).is_err() => {
            ScheduleError::new("year: all of them are over", "leave the year out: `0 2 * * *` is each day at 02:00")
        }
        _ if month == "*" && year == "*" => ScheduleError::new("day of month: no such day comes", DAY.example),
        _ => ScheduleError::new(
            format!(
                "day of month: there is no such day in these {}",
                if year == "*" { "months" } else { "months and years" }
            ),
            if day.starts_with('L') { DAY.example } else { "for the last day of each month write `0 2 L * *`" },
        ),
    }
}
