//! One value, converted to the type that its key needs. Strict: the text `"16"` is not a number.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::{Checked, Diagnostics, Reported};
use crate::node::{YamlNode, YamlValue};
use crate::paths::path_from;
use crate::problem::Position;
use crate::section::Section;
use crate::{duration, words};

/// The longest duration that [`Field::duration`] and [`Field::duration_or_off`] accept.
pub const LONGEST_DURATION: Duration = Duration::from_hours(24);

/// A value, its key and its position.
///
/// Each method that converts the value reports a problem if that is impossible.
pub struct Field<'a> {
    /// The key, as messages show it.
    pub key: &'static str,
    /// The position of the value.
    pub position: Position,
    /// The value.
    pub node: &'a YamlNode,
    /// Where problems with the value are reported.
    pub diagnostics: &'a Diagnostics,
    /// A value that the key could have, for problems with the kind of the value.
    pub(crate) example: Option<&'static str>,
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at {}", self.key, self.position)
    }
}

impl<'a> Field<'a> {
    /// The same field. Problems with the kind of its value show this value as an example.
    #[must_use]
    pub fn with_example(&self, example: &'static str) -> Self {
        Self { position: self.position.clone(), example: Some(example), ..*self }
    }

    /// Text that is not empty, has no control character, and is not a placeholder such as `${NAME}` or `~/`, which is not
    /// replaced.
    pub fn text(&self) -> Checked<&'a str> {
        let text = self.verbatim_text()?;
        match words::placeholder(text) {
            Some((message, help)) => Err(self.problem(message, Some(help.to_owned()))),
            None => Ok(text),
        }
    }

    /// The same, but it may look like a placeholder: an argument of a program that knows what to do with it.
    pub fn verbatim_text(&self) -> Checked<&'a str> {
        match &self.node.value {
            YamlValue::Text(text) if text.trim().is_empty() => self.expected("text", "an empty text", None),
            YamlValue::Text(text) if text.contains(char::is_control) => {
                let help = (self.example.is_none() && text.contains('\n')).then(|| "write it on one line".to_owned());
                self.expected("text", "text with a line break or another control character", help)
            }
            YamlValue::Text(text) => Ok(text),
            value @ (YamlValue::Bool(_) | YamlValue::Whole(_) | YamlValue::Fraction(_)) if self.example.is_none() => {
                self.expected("text", &value.kind(), Some("put it in quotes".to_owned()))
            }
            // YAML reads the placeholder `{{ x }}` as a mapping whose key is a mapping.
            YamlValue::Map(entries) if matches!(entries[..], [(YamlNode { value: YamlValue::Map(_), .. }, _)]) => {
                Err(self.problem("a placeholder `{{ … }}` was not replaced", Some("write the value itself".to_owned())))
            }
            value => self.expected("text", &value.kind(), None),
        }
    }

    /// Text, a whole number, `true` or `false`, as text: a value of a key that is not ours.
    pub fn scalar(&self) -> Checked<String> {
        match &self.node.value {
            YamlValue::Text(_) => self.text().map(str::to_owned),
            YamlValue::Bool(value) => Ok(value.to_string()),
            YamlValue::Whole(number) => Ok(number.to_string()),
            other => self.expected("text, a whole number, `true` or `false`", &other.kind(), None),
        }
    }

    /// Text that `read` converts. Its error is the message of the problem.
    pub fn parse<T, E: ToString>(&self, read: impl FnOnce(&'a str) -> Result<T, E>) -> Checked<T> {
        read(self.text()?).map_err(|error| self.problem(error.to_string(), None))
    }

    /// The value of the word that the text is.
    pub fn one_of<T: Clone>(&self, words: &[(&'static str, T)]) -> Checked<T> {
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of {}", names.join(", "));
        if !matches!(self.node.value, YamlValue::Text(_)) {
            return self.expected(&expected, &self.node.value.kind(), None);
        }
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(value.clone());
        }
        let help = words::nearest(text, &names).map(|near| format!("did you mean `{near}`?"));
        self.expected(&expected, "another word", help)
    }

    /// `true` or `false`.
    pub fn bool(&self) -> Checked<bool> {
        match &self.node.value {
            YamlValue::Bool(value) => Ok(*value),
            other => {
                let help = match other {
                    YamlValue::Text(text) => Some(match text.to_ascii_lowercase().as_str() {
                        "yes" | "on" | "true" | "y" | "1" => "write `true`, without quotes".to_owned(),
                        "no" | "off" | "false" | "n" | "0" => "write `false`, without quotes".to_owned(),
                        _ => "exactly so, without quotes".to_owned(),
                    }),
                    _ => None,
                };
                self.expected("true or false", &other.kind(), help)
            }
        }
    }

    /// A whole number of this range.
    pub fn whole(&self, range: RangeInclusive<u64>) -> Checked<u64> {
        let expected = match (*range.start(), *range.end()) {
            (start, u64::MAX) => format!("a whole number, {start} or more"),
            (start, end) => format!("a whole number from {start} to {end}"),
        };
        match &self.node.value {
            YamlValue::Whole(number) => match u64::try_from(*number).ok().filter(|number| range.contains(number)) {
                None => self.expected(&expected, &number.to_string(), None),
                Some(number) => Ok(number),
            },
            YamlValue::Text(text) if text.parse::<u64>().is_ok() => {
                self.expected(&expected, "text", Some("write it without quotes and leading zeros".to_owned()))
            }
            YamlValue::Text(text) => {
                let digits = text.replace([',', '.', '_', ' ', '\''], "");
                let number = digits.parse::<u64>().ok().filter(|number| range.contains(number));
                self.expected(&expected, "text", number.map(|number| format!("write `{number}`")))
            }
            YamlValue::Fraction(_) => self.expected(&expected, "one that is not whole, or far too large", None),
            other => self.expected(&expected, &other.kind(), None),
        }
    }

    /// A whole number from 1 to `most`, as a type that cannot be zero.
    pub fn positive<T: TryFrom<NonZeroU64>>(&self, most: u32) -> Checked<T> {
        let number = self.whole(1..=u64::from(most))?;
        let fitting = NonZeroU64::new(number).and_then(|number| T::try_from(number).ok());
        fitting.map_or_else(|| self.expected("a smaller number", &number.to_string(), None), Ok)
    }

    /// A number from 0 to 1.
    pub fn share(&self) -> Checked<f64> {
        let expected = "a number from 0 to 1";
        let percent = |number: f64| {
            (1.0..=100.0)
                .contains(&number)
                .then(|| format!("write `{}`, if {number} percent are meant", number / 100.0))
        };
        match self.node.value {
            YamlValue::Whole(0) => Ok(0.0),
            YamlValue::Whole(1) => Ok(1.0),
            #[allow(clippy::cast_precision_loss)] // a percentage is exact
            YamlValue::Whole(number) => self.expected(expected, &number.to_string(), percent(number as f64)),
            YamlValue::Text(ref text) => {
                let number = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
                self.expected(expected, "text", number.and_then(percent))
            }
            YamlValue::Fraction(number) if (0.0..=1.0).contains(&number) => Ok(number),
            YamlValue::Fraction(number) => self.expected(expected, &number.to_string(), None),
            ref other => self.expected(expected, &other.kind(), None),
        }
    }

    /// A duration with its unit, longer than zero and at most 24 hours.
    pub fn duration(&self) -> Checked<Duration> {
        self.duration_up_to(LONGEST_DURATION, "a duration such as `30s`, `1h30m` or `500ms`")
    }

    fn duration_up_to(&self, most: Duration, example: &str) -> Checked<Duration> {
        match &self.node.value {
            YamlValue::Whole(number) if (1..=86_400).contains(number) => {
                self.expected(example, "a number without a unit", Some(format!("`{number}s`, if seconds are meant")))
            }
            YamlValue::Text(text) => match duration::parse(text) {
                None => {
                    let help = duration::meant(text).map_or_else(
                        || "whole numbers with h, m, s or ms, larger units first".to_owned(),
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    self.expected(example, "other text", Some(help))
                }
                Some(duration) if duration.is_zero() => self.expected(example, "no time at all", None),
                Some(duration) if duration > most => {
                    self.expected(&format!("at most `{}h`", most.as_secs() / 3600), "more", None)
                }
                Some(duration) => Ok(duration),
            },
            other => self.expected(example, &other.kind(), None),
        }
    }

    /// The same, or `0` or `off` for [`Duration::ZERO`].
    pub fn duration_or_off(&self) -> Checked<Duration> {
        self.duration_or_off_up_to(LONGEST_DURATION)
    }

    /// The same, with another longest duration, in whole hours.
    pub fn duration_or_off_up_to(&self, most: Duration) -> Checked<Duration> {
        match &self.node.value {
            YamlValue::Whole(0) => Ok(Duration::ZERO),
            YamlValue::Text(text) if text == "off" => Ok(Duration::ZERO),
            YamlValue::Text(text) if duration::parse(text).is_some_and(|duration| duration.is_zero()) => {
                Ok(Duration::ZERO)
            }
            _ => self.duration_up_to(most, "a duration such as `30s` or `1h30m`, or `off`"),
        }
    }

    /// The path of a file that is read, such as a certificate. A relative path starts at [`crate::PathBases::inputs`].
    pub fn path(&self) -> Checked<PathBuf> {
        if matches!(&self.node.value, YamlValue::Text(text) if text.contains("-----BEGIN ")) {
            let help = "write this text into a file, and here the path of the file".to_owned();
            return Err(self.problem("expected the path of a file, found its text", Some(help)));
        }
        let path = path_from(&self.diagnostics.bases().inputs, Path::new(self.text()?));
        self.mention(&path);
        Ok(path)
    }

    /// Remembers that this value names something outside the configuration: [`crate::Diagnostics::mentions`].
    pub fn mention(&self, thing: impl Into<OsString>) {
        self.diagnostics.mention(self.key, thing, &self.position);
    }

    /// The path of a file or directory that is written. A relative path starts at [`crate::PathBases::data`].
    pub fn data_path(&self) -> Checked<PathBuf> {
        let path = self.at_data(Path::new(self.text()?));
        self.mention(&path);
        Ok(path)
    }

    /// A path that was taken from the text, starting at [`crate::PathBases::data`] if it is relative.
    pub fn at_data(&self, path: &Path) -> PathBuf {
        path_from(&self.diagnostics.bases().data, path)
    }

    /// A program to run. A name without `/` is searched in `PATH`; a relative path with `/` starts at
    /// [`crate::PathBases::inputs`].
    pub fn program(&self, text: &str) -> String {
        let from_base = || path_from(&self.diagnostics.bases().inputs, Path::new(text)).to_string_lossy().into_owned();
        if text.contains('/') { from_base() } else { text.to_owned() }
    }

    /// The elements of a list.
    pub fn list(&self) -> Checked<Vec<Field<'a>>> {
        match &self.node.value {
            YamlValue::List(nodes) => Ok(nodes.iter().map(|node| self.child(node)).collect()),
            YamlValue::Map(_) if self.example.is_none() => {
                self.expected("a list", "a mapping", Some("begin each entry with `- `".to_owned()))
            }
            other => self.expected("a list", &other.kind(), None),
        }
    }

    /// The elements of a list, each converted by `read`. A single value is a list of one element.
    pub fn each<T>(&self, read: impl Fn(&Field<'a>) -> Checked<T>) -> Checked<Vec<T>> {
        let fields = match &self.node.value {
            YamlValue::List(_) => self.list()?,
            _ => vec![self.child(self.node)],
        };
        // Every element is looked at before the first bad one fails the whole.
        let read: Vec<_> = fields.iter().map(read).collect();
        read.into_iter().collect()
    }

    /// The value as a mapping.
    pub fn section(&self) -> Checked<Section<'a>> {
        let what = format!("a mapping for `{}`", self.key);
        let help = self.example.map(example);
        Section::of(self.node, self.position.clone(), &what, help, self.diagnostics)
    }

    /// The entries of a mapping whose keys the user chooses, such as sinks: the position of the name, the name, the value.
    pub fn named(&self) -> Checked<Vec<(Position, &'a str, Field<'a>)>> {
        Ok(self.section()?.into_named(self.key))
    }

    /// Reports a problem with this value. `help` says what to write instead.
    pub fn problem(&self, message: impl Into<String>, help: Option<String>) -> Reported {
        self.diagnostics.add(self.position.problem(format!("`{}`: {}", self.key, message.into()), help))
    }

    /// Adds a note about this value.
    pub fn note(&self, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.note(self.position.problem(format!("`{}`: {}", self.key, message.into()), help));
    }

    fn expected<T>(&self, expected: &str, found: &str, help: Option<String>) -> Checked<T> {
        let help = help.or_else(|| self.example.map(example));
        Err(self.problem(format!("expected {expected}, found {found}"), help))
    }

    fn child(&self, node: &'a YamlNode) -> Field<'a> {
        let position = Position { file: Arc::clone(&self.position.file), line: node.line, column: node.column };
        Field { key: self.key, position, node, diagnostics: self.diagnostics, example: None }
    }
}

fn example(value: &'static str) -> String {
    format!("for example `{value}`")
}
