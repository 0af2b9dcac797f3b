//! Reads the keys of one mapping by name, so that a mistake in one hides none in another. What nobody asked for is
//! reported at the end.

use std::collections::HashMap;
use std::sync::Arc;

use super::field::Field;
use super::node::{Node, Value};
use super::problem::{Checked, Place, Report, Reported};
use super::words;

/// A mapping of the configuration while it is read.
pub(crate) struct Section<'a> {
    place: Place,
    report: &'a Report,
    entries: Vec<(&'a str, Place, &'a Node)>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The mapping at this place; nothing at all is an empty one. Duplicate keys are reported; the first counts.
    pub(crate) fn of(node: &'a Node, place: Place, what: &str, report: &'a Report) -> Checked<Self> {
        let mut section = Self { place, report, entries: Vec::new(), known: Vec::new(), refused: Vec::new() };
        match &node.value {
            Value::Map(entries) => section.fill(entries),
            Value::Null => {}
            other => {
                let message = format!("expected {what}, found {}", words::kind(other));
                return Err(report.add(section.place.problem(message, None)));
            }
        }
        Ok(section)
    }

    fn fill(&mut self, entries: &'a [(Node, Node)]) {
        let mut seen = HashMap::<&str, Place>::new();
        for (key, value) in entries {
            let place = Place { file: Arc::clone(&self.place.file), line: key.line, column: key.column };
            let Value::Text(name) = &key.value else {
                let message = format!("expected a name as the key, found {}", words::kind(&key.value));
                self.report.add(place.problem(message, None));
                continue;
            };
            if let Some(first) = seen.get(name.as_str()) {
                let message = format!("{} stands here twice", words::shown("the key", name));
                self.report.add(place.problem(message, Some(format!("the first is at {first}"))));
            } else {
                seen.insert(name, place.clone());
                self.entries.push((name, place, value));
            }
        }
    }

    /// Gives keys that are known by another name elsewhere the name that they have here, and notes that. Both at once
    /// are a problem.
    pub(crate) fn rename(&mut self, names: &[(&str, &'static str)]) {
        for (theirs, ours) in names {
            let has_ours = self.entries.iter().any(|(name, ..)| name == ours);
            let Some(entry) = self.entries.iter_mut().find(|(name, ..)| name == theirs) else { continue };
            entry.0 = ours;
            if has_ours {
                let message = format!("`{theirs}` says the same as `{ours}`");
                self.report.add(entry.1.problem(message, Some(format!("keep `{ours}`"))));
            } else {
                self.report.note(entry.1.problem(format!("`{theirs}` is read as `{ours}`"), None));
            }
        }
    }

    /// Takes these keys out, as a section of their own in which they have the second name of each pair; `None` when
    /// not one of them is there.
    pub(crate) fn split_off(&mut self, names: &[(&str, &'static str)]) -> Option<Self> {
        let renamed = |name: &str| names.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
        let taken: Vec<_> = self.entries.extract_if(.., |(name, ..)| renamed(name).is_some()).collect();
        let entries: Vec<_> =
            taken.into_iter().filter_map(|(name, place, node)| Some((renamed(name)?, place, node))).collect();
        let (_, place, _) = entries.first()?;
        let (place, report) = (place.clone(), self.report);
        Some(Self { place, report, entries, known: Vec::new(), refused: Vec::new() })
    }

    /// The place of this key, if it stands here.
    pub(crate) fn place_of(&self, key: &str) -> Option<Place> {
        self.entries.iter().find(|(name, ..)| *name == key).map(|(_, place, _)| place.clone())
    }

    /// The value of this key; `None` when it is absent or empty.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (_, key_place, node) = self.entries.iter().find(|(name, ..)| *name == key)?;
        let place = Place { file: Arc::clone(&key_place.file), line: node.line, column: node.column };
        (!matches!(node.value, Value::Null)).then_some(Field { key, place, node, report: self.report })
    }

    /// The value of this key as `read` makes it, or the default when the key is absent.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<T> {
        self.take(key).map_or(Ok(default), |field| read(&field))
    }

    /// The same for a setting that has no default.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<Option<T>> {
        self.or(key, None, |field| read(field).map(Some))
    }

    /// The value of a key that must be there; `example` is how it could look.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<T> {
        match self.take(key) {
            Some(field) => read(&field),
            None => Err(self.problem(format!("`{key}` is missing"), format!("for example `{key}: {example}`"))),
        }
    }

    /// Reports this key, if it is there, with the reason and what to write instead. Its value is not looked at.
    pub(crate) fn refuse(&mut self, key: &'static str, message: &str, help: &str) -> Checked<()> {
        self.refused.push(key);
        match self.entries.iter().find(|(name, ..)| *name == key) {
            Some((_, place, _)) => Err(self.report.add(place.problem(message, Some(help.to_owned())))),
            None => Ok(()),
        }
    }

    /// Leaves the other keys unread, after a mistake that makes it unclear which of them belong here.
    pub(crate) fn skip_rest(&mut self) {
        self.entries.clear();
    }

    /// Reports something about the mapping as a whole.
    pub(crate) fn problem(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report.add(self.place.problem(message, Some(help.into())))
    }

    /// Reports something about one place in it.
    pub(crate) fn problem_at(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report.add(place.problem(message, Some(help.into())))
    }

    /// Says something about one place in it that is no problem.
    pub(crate) fn note_at(&self, place: &Place, message: impl Into<String>, help: Option<String>) {
        self.report.note(place.problem(message, help));
    }

    /// Says something about the mapping as a whole that is no problem.
    pub(crate) fn note(&self, message: impl Into<String>, help: Option<String>) {
        self.report.note(self.place.problem(message, help));
    }

    /// All keys as names that the user chose, with the place of each; the values belong to `key` in messages.
    pub(crate) fn into_named(self, key: &'static str) -> Vec<(Place, &'a str, Field<'a>)> {
        let named = |(name, name_place, node): (&'a str, Place, &'a Node)| {
            let place = Place { file: Arc::clone(&name_place.file), line: node.line, column: node.column };
            (name_place, name, Field { key, place, node, report: self.report })
        };
        self.entries.into_iter().map(named).collect()
    }

    /// Reports the keys that nobody took.
    pub(crate) fn finish(self) {
        for (name, place, node) in &self.entries {
            if self.known.contains(name) || self.refused.contains(name) {
                continue;
            }
            // A key without a value may be a value that lost its key, and that a secret: it is not echoed.
            let echoed = if matches!(node.value, Value::Null) { "" } else { *name };
            let help = words::suggest(name, &self.known).map_or_else(
                || format!("known here: {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.report.add(place.problem(words::shown("unknown key", echoed), Some(help)));
        }
    }
}
