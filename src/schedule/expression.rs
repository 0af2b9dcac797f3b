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
        let help = "for example `*/5 * * * *` for every five minutes, `0 */6 * * *` for every six hours";
        return Err(ScheduleError::new("`@every` is not known, since it would count from the start", help));
    }
    let known = NICKNAMES.iter().find(|(nickname, _)| nickname.eq_ignore_ascii_case(first));
    match (known, words) {
        (Some((_, fields)), [_]) => Ok((*fields).to_owned()),
        (Some((nickname, _)), _) => {
            Err(ScheduleError::new(format!("`{nickname}` stands alone, without further fields"), EXAMPLE))
        }
        (None, _) => {
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

/// What other programs write for a schedule, as a cron expression.
fn meant(words: &[&str]) -> Option<String> {
    let time = |word: &str| {
        let mut parts = word.split(':').map(|part| part.parse::<u8>().ok());
        let (hour, minute) = (parts.next()??, parts.next()??);
        (hour < 24 && minute < 60).then(|| format!("{minute} {hour} * * *"))
    };
    let day = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "*-*-*" | "daily" | "nightly" | "at");
    match words {
        [word] if time(word).is_some() => time(word),
        // A calendar expression of systemd, such as `*-*-* 02:00:00`.
        [first, word] if day(first) => time(word),
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
