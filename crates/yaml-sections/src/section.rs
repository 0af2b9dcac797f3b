//! One mapping. Its keys are read by name, so that a mistake in one does not hide a mistake in another. Keys that were
//! not read are reported at the end.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::diagnostics::{Checked, Diagnostics, Reported};
use crate::field::Field;
use crate::node::{YamlNode, YamlValue};
use crate::problem::Position;
use crate::words;

/// One mapping while it is read. Call [`Section::finish`] at the end: it reports unknown keys.
pub struct Section<'a> {
    position: Position,
    diagnostics: &'a Diagnostics,
    entries: Vec<(&'a str, Position, &'a YamlNode)>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping at {}", self.position)
    }
}

impl<'a> Section<'a> {
    /// The mapping that `node` is; nothing is an empty mapping. Duplicate keys are reported, and the first one counts.
    pub(crate) fn of(
        node: &'a YamlNode,
        position: Position,
        what: &str,
        diagnostics: &'a Diagnostics,
    ) -> Checked<Self> {
        let mut section = Self { position, diagnostics, entries: Vec::new(), known: Vec::new(), refused: Vec::new() };
        match &node.value {
            YamlValue::Map(entries) => section.fill(entries),
            YamlValue::Null => {}
            other => {
                let message = format!("expected {what}, found {}", other.kind());
                return Err(diagnostics.add(section.position.problem(message, None)));
            }
        }
        Ok(section)
    }

    fn fill(&mut self, entries: &'a [(YamlNode, YamlNode)]) {
        let mut seen = HashMap::<&str, Position>::new();
        for (key, value) in entries {
            let position = Position { file: Arc::clone(&self.position.file), line: key.line, column: key.column };
            let YamlValue::Text(name) = &key.value else {
                let message = format!("expected a name as the key, found {}", key.value.kind());
                self.diagnostics.add(position.problem(message, None));
                continue;
            };
            if let Some(first) = seen.get(name.as_str()) {
                let message = format!("{} stands here twice", words::named("the key", name));
                self.diagnostics.add(position.problem(message, Some(format!("the first is at {first}"))));
            } else {
                seen.insert(name, position.clone());
                self.entries.push((name, position, value));
            }
        }
    }

    /// Accepts other names for keys: `names` has pairs of the other name and the real one. A note says so. It is a
    /// problem if both names are present.
    pub fn rename(&mut self, names: &[(&str, &'static str)]) {
        for (theirs, ours) in names {
            let has_ours = self.entries.iter().any(|(name, ..)| name == ours);
            let Some(entry) = self.entries.iter_mut().find(|(name, ..)| name == theirs) else { continue };
            entry.0 = ours;
            if has_ours {
                let message = format!("`{theirs}` says the same as `{ours}`");
                self.diagnostics.add(entry.1.problem(message, Some(format!("keep `{ours}`"))));
            } else {
                self.diagnostics.note(entry.1.problem(format!("`{theirs}` is read as `{ours}`"), None));
            }
        }
    }

    /// Moves keys to a new section: `names` has pairs of the name here and the name there. `None` if none of the keys is
    /// present.
    pub fn split_off(&mut self, names: &[(&str, &'static str)]) -> Option<Self> {
        let renamed = |name: &str| names.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours);
        let taken: Vec<_> = self.entries.extract_if(.., |(name, ..)| renamed(name).is_some()).collect();
        let entries: Vec<_> =
            taken.into_iter().filter_map(|(name, position, node)| Some((renamed(name)?, position, node))).collect();
        let (_, position, _) = entries.first()?;
        let (position, diagnostics) = (position.clone(), self.diagnostics);
        Some(Self { position, diagnostics, entries, known: Vec::new(), refused: Vec::new() })
    }

    /// The position of this key, if it is present.
    pub fn position_of(&self, key: &str) -> Option<Position> {
        self.entries.iter().find(|(name, ..)| *name == key).map(|(_, position, _)| position.clone())
    }

    /// The value of this key. `None` if the key is absent or has no value.
    pub fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (_, key_position, node) = self.entries.iter().find(|(name, ..)| *name == key)?;
        let position = Position { file: Arc::clone(&key_position.file), line: node.line, column: node.column };
        (!matches!(node.value, YamlValue::Null)).then_some(Field { key, position, node, diagnostics: self.diagnostics })
    }

    /// The value of this key as `read` converts it, or the default if the key is absent.
    pub fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(&Field<'a>) -> Checked<T>) -> Checked<T> {
        self.take(key).map_or(Ok(default), |field| read(&field))
    }

    /// The same for a key without a default.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<Option<T>> {
        self.or(key, None, |field| read(field).map(Some))
    }

    /// The value of a key that must be present. `example` is a value that could stand here.
    pub fn required<T>(
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

    /// Reports this key if it is present. The value is not read.
    pub fn refuse(&mut self, key: &'static str, message: &str, help: &str) -> Checked<()> {
        self.refused.push(key);
        match self.entries.iter().find(|(name, ..)| *name == key) {
            Some((_, position, _)) => Err(self.diagnostics.add(position.problem(message, Some(help.to_owned())))),
            None => Ok(()),
        }
    }

    /// Ignores all other keys, after a mistake that makes it unclear which keys belong here.
    pub fn skip_rest(&mut self) {
        self.entries.clear();
    }

    /// Reports a problem with the whole mapping.
    pub fn problem(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.diagnostics.add(self.position.problem(message, Some(help.into())))
    }

    /// Reports a problem at one position in it.
    pub fn problem_at(&self, position: &Position, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.diagnostics.add(position.problem(message, Some(help.into())))
    }

    /// Adds a note about one position in it.
    pub fn note_at(&self, position: &Position, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.note(position.problem(message, help));
    }

    /// Adds a note about the whole mapping.
    pub fn note(&self, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.note(self.position.problem(message, help));
    }

    /// All entries, for a mapping whose keys the user chooses. Messages about the values name `key`.
    pub(crate) fn into_named(self, key: &'static str) -> Vec<(Position, &'a str, Field<'a>)> {
        let named = |(name, name_position, node): (&'a str, Position, &'a YamlNode)| {
            let position = Position { file: Arc::clone(&name_position.file), line: node.line, column: node.column };
            (name_position, name, Field { key, position, node, diagnostics: self.diagnostics })
        };
        self.entries.into_iter().map(named).collect()
    }

    /// Reports the keys that were not asked for.
    pub fn finish(self) {
        for (name, position, node) in &self.entries {
            if self.known.contains(name) || self.refused.contains(name) {
                continue;
            }
            // A key without a value may be a value whose key is missing, perhaps a secret. It is not repeated.
            let echoed = if matches!(node.value, YamlValue::Null) { "" } else { *name };
            let help = words::nearest(name, &self.known).map_or_else(
                || format!("known here: {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            self.diagnostics.add(position.problem(words::named("unknown key", echoed), Some(help)));
        }
    }
}
