//! One field of a cron expression: a list of values, ranges and steps, checked and put into numbers.

use super::ScheduleError;

/// Years outside of these have no slots.
pub(super) const FIRST_YEAR: u16 = 1970;
pub(super) const LAST_YEAR: u16 = 2199;

/// What may stand in a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct CronField {
    name: &'static str,
    first: u16,
    last: u16,
    /// What its values are called, from `first` on.
    names: &'static [&'static str],
    extras: Extras,
    pub(super) example: &'static str,
}

/// What a field takes besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extras {
    None,
    /// `L` the last day, `15W` the working day nearest to the 15th, `LW` the last working day, `?` any.
    Day,
    /// `5L` the last Friday, `5#3` the third one, `?` any.
    Weekday,
}

const fn field(name: &'static str, first: u16, last: u16, example: &'static str) -> CronField {
    CronField { name, first, last, names: &[], extras: Extras::None, example }
}

pub(super) const SECOND: CronField = field("second", 0, 59, "for example `0`, `0,30` or `*/10`");
pub(super) const MINUTE: CronField = field("minute", 0, 59, "for example `0`, `0,30` or `*/15`");
pub(super) const HOUR: CronField = field("hour", 0, 23, "for example `2`, `2,14`, `8-18` or `*/6`");
pub(super) const DAY: CronField = CronField {
    extras: Extras::Day,
    ..field("day of month", 1, 31, "for example `*`, `1`, `1,15`, `L` for the last, `15W` for the nearest working day")
};
pub(super) const MONTH: CronField = CronField {
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    ..field("month", 1, 12, "for example `*`, `1`, `JAN,JUL` or `*/3`")
};
pub(super) const WEEKDAY: CronField = CronField {
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    extras: Extras::Weekday,
    ..field(
        "day of week",
        0,
        7,
        "for example `*`, `MON-FRI`, `0` or `7` for Sunday, `FRI#1` for the first Friday of a month",
    )
};
pub(super) const YEAR: CronField = field("year", FIRST_YEAR, LAST_YEAR, "for example `*`, `2030` or `2027-2030`");

impl CronField {
    /// The same in numbers, in the form that `croner` reads.
    pub(super) fn plain(&self, text: &str) -> Result<String, ScheduleError> {
        let text = text.to_ascii_uppercase();
        match text.as_str() {
            "*" | "*/1" => return Ok("*".to_owned()),
            "?" if self.extras != Extras::None => return Ok("*".to_owned()),
            _ => {}
        }
        let items: Result<Vec<_>, _> = text.split(',').map(|item| self.item(item)).collect();
        Ok(items?.join(","))
    }

    fn item(&self, item: &str) -> Result<String, ScheduleError> {
        if let Some((range, step)) = item.split_once('/') {
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (self.first, self.highest()),
                (_, Some((from, to))) => self.range(from, to, number(step))?,
                _ => {
                    // `0/6` means the same to Quartz and to AWS.
                    let from = number(range).filter(|from| (self.first..self.highest()).contains(from));
                    let help = from.map(|from| format!("did you mean `{from}-{}/{}`?", self.highest(), step));
                    let is_step = number(step).is_some();
                    return Err(self.refused("a step goes with `*` or a range", help.filter(|_| is_step)));
                }
            };
            return Ok(format!("{from}-{to}/{}", self.step(step, to - from)?));
        }
        if let Some((from, to)) = item.split_once('-') {
            let (from, to) = self.range(from, to, None)?;
            return Ok(format!("{from}-{to}"));
        }
        match self.extra(item)? {
            Some(extra) => Ok(extra),
            None => self.value(item).map(|value| value.to_string()),
        }
    }

    /// The greatest value that is not another one's second name, as 7 is Sunday's.
    fn highest(&self) -> u16 {
        if self.extras == Extras::Weekday { self.last - 1 } else { self.last }
    }

    fn range(&self, from: &str, to: &str, step: Option<u16>) -> Result<(u16, u16), ScheduleError> {
        let from = self.value(from)?;
        // A week that ends with Sunday ends with its seventh day.
        let to = if self.extras == Extras::Weekday && to == "SUN" { self.last } else { self.value(to)? };
        if from > to {
            let message = format!("the range {from}-{to} goes backwards");
            return Err(self.refused(&message, Some(self.forwards(from, to, step))));
        }
        Ok((from, to))
    }

    /// How to write a range that goes on after the highest value with the first.
    fn forwards(&self, from: u16, to: u16, step: Option<u16>) -> String {
        let (first, highest) = (self.first, self.highest());
        if from > highest {
            // Only Sunday has two numbers.
            let step =
                step.filter(|step| (1..=to - first).contains(step)).map_or(String::new(), |step| format!("/{step}"));
            return format!("write `{first}-{to}{step}`: at the beginning of a range, Sunday is {first}");
        }
        let part = |from: u16, to: u16| if from == to { from.to_string() } else { format!("{from}-{to}") };
        match step.filter(|step| *step > 1) {
            None => format!("write its two parts, `{},{}`", part(from, highest), part(first, to)),
            Some(step) => {
                let all = (from..=highest).chain(first..=to).step_by(step.into());
                let values: Vec<_> = all.map(|value| value.to_string()).collect();
                format!("write its values, `{}`", values.join(","))
            }
        }
    }

    /// A step that meets at least two values.
    fn step(&self, text: &str, span: u16) -> Result<u16, ScheduleError> {
        match number(text) {
            Some(step) if (1..=span).contains(&step) => Ok(step),
            Some(step) if span > 0 => {
                Err(self.refused(&format!("expected a step from 1 to {span}, found {step}"), None))
            }
            _ => Err(self.refused("expected a whole number as the step", None)),
        }
    }

    fn extra(&self, item: &str) -> Result<Option<String>, ScheduleError> {
        match self.extras {
            Extras::Day if item == "L" || item == "LW" => Ok(Some(item.to_owned())),
            Extras::Day if item.len() > 1 => match item.strip_suffix('W') {
                Some(day) => self.value(day).map(|day| Some(format!("{day}W"))),
                None => Ok(None),
            },
            Extras::Weekday if item.len() > 1 && item.ends_with('L') => {
                self.value(&item[..item.len() - 1]).map(|day| Some(format!("{day}#L")))
            }
            Extras::Weekday => match item.split_once('#') {
                Some((day, which)) => match (self.value(day)?, number(which)) {
                    (day, Some(which @ 1..=5)) => Ok(Some(format!("{day}#{which}"))),
                    _ => Err(self.refused("expected 1 to 5 after `#`", None)),
                },
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    fn value(&self, text: &str) -> Result<u16, ScheduleError> {
        let named = (self.first..).zip(self.names).find(|(_, name)| **name == text);
        if let Some((value, _)) = named {
            return Ok(value);
        }
        let (first, last) = (self.first, self.last);
        let or_names = match self.names {
            [from, .., to] => format!(" or {from} to {to}"),
            _ => String::new(),
        };
        match number(text) {
            Some(number) if (first..=last).contains(&number) => Ok(number),
            Some(number) => Err(self.refused(&format!("expected {first} to {last}{or_names}, found {number}"), None)),
            None if text.is_empty() => {
                Err(self.refused(&format!("expected {first} to {last}{or_names}, found nothing"), None))
            }
            None => {
                if text == "H" {
                    let help = format!(
                        "only Jenkins knows `H`: write a number, {}; `jitter` spreads the starts",
                        self.example
                    );
                    return Err(self.refused(&format!("expected {first} to {last}{or_names}, found `H`"), Some(help)));
                }
                if let Some((from, to)) = text.split_once("..").filter(|(from, to)| is_word(from) && is_word(to)) {
                    let message = "a range is written with `-`";
                    return Err(self.refused(message, Some(format!("did you mean `{from}-{to}`?"))));
                }
                let near = self.names.iter().find(|name| text.len() > 3 && text.starts_with(**name));
                let help = near.map(|name| format!("did you mean `{name}`?"));
                Err(self.refused(&format!("expected {first} to {last}{or_names}, found something else"), help))
            }
        }
    }

    fn refused(&self, message: &str, help: Option<String>) -> ScheduleError {
        ScheduleError::new(format!("{}: {message}", self.name), help.unwrap_or_else(|| self.example.to_owned()))
    }
}

fn is_word(text: &str) -> bool {
    (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A whole number of at most four digits.
fn number(text: &str) -> Option<u16> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
