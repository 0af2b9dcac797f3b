//! One value of the configuration, read as the type that its key wants. Strict: text is no number.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::node::{Node, Value};
use super::problem::{Checked, Place, Report, Reported};
use super::section::Section;
use super::{duration, words};

/// The longest duration that a key accepts which names no other.
const LONGEST: Duration = Duration::from_hours(24);

/// A value, the key that it belongs to, and its place.
pub(crate) struct Field<'a> {
    pub(crate) key: &'static str,
    pub(crate) place: Place,
    pub(crate) node: &'a Node,
    pub(crate) report: &'a Report,
}

impl<'a> Field<'a> {
    /// Any text but the empty one.
    pub(crate) fn text(&self) -> Checked<&'a str> {
        match &self.node.value {
            Value::Text(text) if text.trim().is_empty() => self.expected("text", "an empty text", None),
            Value::Text(text) if text.contains(char::is_control) => {
                self.expected("text", "text with a line break or another control character", None)
            }
            Value::Text(text) => Ok(text),
            value @ (Value::Bool(_) | Value::Whole(_) | Value::Fraction(_)) => {
                self.expected("text", &words::kind(value), Some("put it in quotes".to_owned()))
            }
            value => self.expected("text", &words::kind(value), None),
        }
    }

    /// Text that `read` turns into something; its error is the problem.
    pub(crate) fn parse<T, E: ToString>(&self, read: impl FnOnce(&'a str) -> Result<T, E>) -> Checked<T> {
        read(self.text()?).map_err(|error| self.problem(error.to_string(), None))
    }

    /// One of these words.
    pub(crate) fn one_of<T: Clone>(&self, words: &[(&'static str, T)]) -> Checked<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(value.clone());
        }
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let help = words::suggest(text, &names).map(|near| format!("did you mean `{near}`?"));
        self.expected(&format!("one of {}", names.join(", ")), "another word", help)
    }

    /// `true` or `false`.
    pub(crate) fn bool(&self) -> Checked<bool> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            other => {
                let help = matches!(other, Value::Text(_)).then(|| "exactly so, without quotes".to_owned());
                self.expected("true or false", &words::kind(other), help)
            }
        }
    }

    /// A whole number of this range.
    pub(crate) fn whole(&self, range: RangeInclusive<u64>) -> Checked<u64> {
        let expected = match (*range.start(), *range.end()) {
            (start, u64::MAX) => format!("a whole number, {start} or more"),
            (start, end) => format!("a whole number from {start} to {end}"),
        };
        match &self.node.value {
            Value::Whole(number) => match u64::try_from(*number).ok().filter(|number| range.contains(number)) {
                None => self.expected(&expected, &number.to_string(), None),
                Some(number) => Ok(number),
            },
            Value::Text(text) if text.parse::<u64>().is_ok() => {
                self.expected(&expected, "text", Some("write it without quotes and leading zeros".to_owned()))
            }
            Value::Fraction(_) => self.expected(&expected, "one that is not whole, or far too large", None),
            other => self.expected(&expected, &words::kind(other), None),
        }
    }

    /// A whole number from 1 to `most`, as a type that cannot be zero.
    pub(crate) fn positive<T: TryFrom<NonZeroU64>>(&self, most: u32) -> Checked<T> {
        let number = self.whole(1..=u64::from(most))?;
        let fitting = NonZeroU64::new(number).and_then(|number| T::try_from(number).ok());
        fitting.map_or_else(|| self.expected("a smaller number", &number.to_string(), None), Ok)
    }

    /// A number from 0 to 1.
    pub(crate) fn share(&self) -> Checked<f64> {
        let expected = "a number from 0 to 1";
        match self.node.value {
            Value::Whole(0) => Ok(0.0),
            Value::Whole(1) => Ok(1.0),
            Value::Whole(number) => self.expected(expected, &number.to_string(), None),
            Value::Fraction(number) if (0.0..=1.0).contains(&number) => Ok(number),
            Value::Fraction(number) => self.expected(expected, &number.to_string(), None),
            ref other => self.expected(expected, &words::kind(other), None),
        }
    }

    /// A duration with its unit, longer than nothing.
    pub(crate) fn duration(&self) -> Checked<Duration> {
        self.duration_up_to(LONGEST)
    }

    fn duration_up_to(&self, most: Duration) -> Checked<Duration> {
        let example = "a duration such as `30s`, `1h30m` or `500ms`";
        match &self.node.value {
            Value::Whole(number) if (1..=86_400).contains(number) => {
                self.expected(example, "a number without a unit", Some(format!("`{number}s`, if seconds are meant")))
            }
            Value::Text(text) => match duration::parse(text) {
                None => {
                    let help = "whole numbers with h, m, s or ms, larger units first".to_owned();
                    self.expected(example, "other text", Some(help))
                }
                Some(duration) if duration.is_zero() => self.expected(example, "no time at all", None),
                Some(duration) if duration > most => {
                    self.expected(&format!("at most `{}h`", most.as_secs() / 3600), "more", None)
                }
                Some(duration) => Ok(duration),
            },
            other => self.expected(example, &words::kind(other), None),
        }
    }

    /// A duration, or none at all, which is written `0` or `off`.
    pub(crate) fn duration_or_off(&self) -> Checked<Duration> {
        self.duration_or_off_up_to(LONGEST)
    }

    /// The same, with another limit, in whole hours.
    pub(crate) fn duration_or_off_up_to(&self, most: Duration) -> Checked<Duration> {
        match &self.node.value {
            Value::Whole(0) => Ok(Duration::ZERO),
            Value::Text(text) if text == "off" => Ok(Duration::ZERO),
            Value::Text(text) if duration::parse(text).is_some_and(|duration| duration.is_zero()) => Ok(Duration::ZERO),
            _ => self.duration_up_to(most),
        }
    }

    /// The path of a file that is read, such as a certificate.
    pub(crate) fn path(&self) -> Checked<PathBuf> {
        self.text().map(|text| self.report.bases().input(Path::new(text)))
    }

    /// The path of something that is written.
    pub(crate) fn data_path(&self) -> Checked<PathBuf> {
        self.text().map(|text| self.at_data(Path::new(text)))
    }

    /// Such a path, read otherwise, from its base on.
    pub(crate) fn at_data(&self, path: &Path) -> PathBuf {
        self.report.bases().data(path)
    }

    /// A program to run: a name is looked for in `PATH`, a relative path with a `/` begins at the configuration.
    pub(crate) fn program(&self, text: &str) -> String {
        let from_base = || self.report.bases().input(Path::new(text)).to_string_lossy().into_owned();
        if text.contains('/') { from_base() } else { text.to_owned() }
    }

    /// The elements of a list.
    pub(crate) fn list(&self) -> Checked<Vec<Field<'a>>> {
        match &self.node.value {
            Value::List(nodes) => Ok(nodes.iter().map(|node| self.child(node)).collect()),
            other => self.expected("a list", &words::kind(other), None),
        }
    }

    /// The elements of a list, each read by `read`; a single value is a list of one.
    pub(crate) fn each<T>(&self, read: impl Fn(&Field<'a>) -> Checked<T>) -> Checked<Vec<T>> {
        let fields = match &self.node.value {
            Value::List(_) => self.list()?,
            _ => vec![self.child(self.node)],
        };
        // Every element is looked at before the first bad one fails the whole.
        let read: Vec<_> = fields.iter().map(read).collect();
        read.into_iter().collect()
    }

    /// The keys of a mapping.
    pub(crate) fn section(&self) -> Checked<Section<'a>> {
        Section::of(self.node, self.place.clone(), &format!("a mapping for `{}`", self.key), self.report)
    }

    /// The keys of a mapping that the user names, such as sinks, each with the place of its name.
    pub(crate) fn named(&self) -> Checked<Vec<(Place, &'a str, Field<'a>)>> {
        Ok(self.section()?.into_named(self.key))
    }

    /// Reports something about this value.
    pub(crate) fn problem(&self, message: impl Into<String>, help: Option<String>) -> Reported {
        self.report.add(self.place.problem(format!("`{}`: {}", self.key, message.into()), help))
    }

    /// Says something about this value that is no problem.
    pub(crate) fn note(&self, message: impl Into<String>, help: Option<String>) {
        self.report.note(self.place.problem(format!("`{}`: {}", self.key, message.into()), help));
    }

    fn expected<T>(&self, expected: &str, found: &str, help: Option<String>) -> Checked<T> {
        Err(self.problem(format!("expected {expected}, found {found}"), help))
    }

    fn child(&self, node: &'a Node) -> Field<'a> {
        let place = Place { file: Arc::clone(&self.place.file), line: node.line, column: node.column };
        Field { key: self.key, place, node, report: self.report }
    }
}
