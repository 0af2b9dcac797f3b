//! One mapping. Its keys are read by name, so that a mistake in one does not hide a mistake in another. Keys that were
//! not read are reported at the end.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use crate::diagnostics::{Checked, Diagnostics, Reported};
use crate::field::Field;
use crate::key::{DefaultKey, DerivedKey, KeyDescription, KnownKey, OptionalKey, RequiredKey};
use crate::node::{YamlNode, YamlValue};
use crate::paths::PathBases;
use crate::problem::Position;
use crate::words;

/// One mapping while it is read. Call [`Section::finish`] at the end: it reports unknown keys.
pub struct Section<'a> {
    position: Position,
    diagnostics: &'a Diagnostics,
    entries: Vec<(&'a str, Position, &'a YamlNode)>,
    known: Vec<KnownKey>,
    refused: Vec<&'static str>,
    other_names: &'static [(&'static str, &'static str)],
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
        help: Option<String>,
        diagnostics: &'a Diagnostics,
    ) -> Checked<Self> {
        let mut section = Self::with(position, diagnostics, Vec::new());
        match &node.value {
            YamlValue::Map(entries) => section.fill(entries),
            YamlValue::Null => {}
            other => {
                let message = format!("expected {what}, found {}", other.kind());
                return Err(diagnostics.add(section.position.problem(message, help)));
            }
        }
        Ok(section)
    }

    fn with(position: Position, diagnostics: &'a Diagnostics, entries: Vec<(&'a str, Position, &'a YamlNode)>) -> Self {
        Self { position, diagnostics, entries, known: Vec::new(), refused: Vec::new(), other_names: &[] }
    }

    /// Names that people expect for keys: `names` has pairs of the name that they expect and the real one. If such a name
    /// is unknown here, the report asks whether the real one is meant.
    pub fn suggest(&mut self, names: &'static [(&'static str, &'static str)]) {
        self.other_names = names;
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
                // The first key again is most likely the next entry of a list.
                let is_first = self.entries.first().is_some_and(|(first, ..)| first == name);
                let dash = if is_first { "; if another entry of a list begins here, begin it with `- `" } else { "" };
                self.diagnostics.add(position.problem(message, Some(format!("the first is at {first}{dash}"))));
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
        Some(Self::with(position, diagnostics, entries))
    }

    /// The position of this key, if it is present.
    pub fn position_of(&self, key: &str) -> Option<Position> {
        self.entries.iter().find(|(name, ..)| *name == key).map(|(_, position, _)| position.clone())
    }

    /// The value of this key. `None` if the key is absent or has no value.
    pub fn take(&mut self, key: impl Into<KnownKey>) -> Option<Field<'a>> {
        let known = key.into();
        let key = known.name();
        if !self.known.iter().any(|other| other.name() == key) {
            self.known.push(known);
        }
        let (_, key_position, node) = self.entries.iter().find(|(name, ..)| *name == key)?;
        let position = Position { file: Arc::clone(&key_position.file), line: node.line, column: node.column };
        let field = Field { key, position, node, diagnostics: self.diagnostics, example: None };
        (!matches!(node.value, YamlValue::Null)).then_some(field)
    }

    /// The value of this key as `read` converts it, or the default value of the key if it is absent.
    pub fn or<T: Sync>(
        &mut self,
        key: &'static DefaultKey<T>,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<T> {
        self.take(key).map_or_else(|| Ok(key.default_value()), |field| read(&field))
    }

    /// The same for a key whose values are words.
    pub fn one_of<T: Clone + Sync>(&mut self, key: &'static DefaultKey<T>) -> Checked<T> {
        self.or(key, |field| field.one_of(key.words()))
    }

    /// The same for a key whose default value depends on other settings.
    pub fn or_derived<T>(
        &mut self,
        key: &'static DerivedKey,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<T> {
        self.take(key).map_or(Ok(default), |field| read(&field))
    }

    /// The value of a key without a default value.
    pub fn optional<T>(
        &mut self,
        key: &'static OptionalKey,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<Option<T>> {
        self.take(key).map_or(Ok(None), |field| read(&field).map(Some))
    }

    /// The same for a collection, which is empty if the key is absent.
    pub fn or_empty<C: Default>(
        &mut self,
        key: &'static OptionalKey,
        read: impl FnOnce(&Field<'a>) -> Checked<C>,
    ) -> Checked<C> {
        self.optional(key, read).map(Option::unwrap_or_default)
    }

    /// The value of a key that must be present.
    pub fn required<T>(
        &mut self,
        key: &'static RequiredKey,
        read: impl FnOnce(&Field<'a>) -> Checked<T>,
    ) -> Checked<T> {
        match self.take(key) {
            Some(field) => read(&field.with_example(key.example())),
            None => Err(self.missing(key.name(), key.example())),
        }
    }

    /// The entry, if there is only one and it is a mapping: its name and its position.
    pub fn only_mapping(&self) -> Option<(&'a str, &Position)> {
        match &self.entries[..] {
            [(name, position, YamlNode { value: YamlValue::Map(_), .. })] => Some((name, position)),
            _ => None,
        }
    }

    /// The directories at which relative paths start.
    pub fn bases(&self) -> &'a PathBases {
        self.diagnostics.bases()
    }

    /// Reports that a key is missing. `example` is a value that it could have.
    pub fn missing(&self, key: &str, example: &str) -> Reported {
        if let Some(position) = self.position_of(key) {
            let help = format!("indent what belongs to it, or write for example `{key}: {example}`");
            return self.problem_at(&position, format!("`{key}` has no value"), help.as_str());
        }
        // `{type:parquet}` is a key without a value.
        let glued = |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with([':', '=']));
        if let Some((_, position, _)) = self.entries.iter().find(|(name, ..)| glued(name)) {
            let message = format!("`{key}` is not followed by a colon and a space");
            return self.problem_at(position, message, format!("for example `{key}: {example}`").as_str());
        }
        self.problem(format!("`{key}` is missing"), format!("for example `{key}: {example}`"))
    }

    /// The keys that were read so far, in their order.
    pub fn keys(&self) -> Vec<KeyDescription> {
        self.known.iter().map(KnownKey::description).collect()
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
    pub fn problem_at<'h>(
        &self,
        position: &Position,
        message: impl Into<String>,
        help: impl Into<Option<&'h str>>,
    ) -> Reported {
        self.diagnostics.add(position.problem(message, help.into().map(str::to_owned)))
    }

    /// Adds a note about one position in it.
    pub fn note_at(&self, position: &Position, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.note(position.problem(message, help));
    }

    /// Remembers that the value of a key names something outside the configuration: [`Diagnostics::mentions`].
    pub fn mention(&self, key: &'static str, thing: impl Into<OsString>, position: &Position) {
        self.diagnostics.mention(key, thing, position);
    }

    /// Adds a note about the whole mapping.
    pub fn note(&self, message: impl Into<String>, help: Option<String>) {
        self.diagnostics.note(self.position.problem(message, help));
    }

    /// All entries, for a mapping whose keys the user chooses. Messages about the values name `key`.
    pub(crate) fn into_named(self, key: &'static str) -> Vec<(Position, &'a str, Field<'a>)> {
        let named = |(name, name_position, node): (&'a str, Position, &'a YamlNode)| {
            let position = Position { file: Arc::clone(&name_position.file), line: node.line, column: node.column };
            (name_position, name, Field { key, position, node, diagnostics: self.diagnostics, example: None })
        };
        self.entries.into_iter().map(named).collect()
    }

    /// Reports the keys that were not asked for.
    pub fn finish(self) {
        let known: Vec<_> = self.known.iter().map(KnownKey::name).collect();
        for (at, (name, position, node)) in self.entries.iter().enumerate() {
            if known.contains(name) || self.refused.contains(name) {
                continue;
            }
            // A key without a value may be a value whose key is missing, perhaps a secret. It is not repeated.
            let repeated = if matches!(node.value, YamlValue::Null) { "" } else { *name };
            let owner = self.entries[..at].iter().rfind(|(name, ..)| known.contains(name));
            let owner = owner.filter(|(.., node)| matches!(node.value, YamlValue::Null));
            let help = match (self.meant(name, &known), owner) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some((owner, ..))) => format!("indent it, if it belongs to `{owner}`"),
                (None, None) => format!("known here: {}", known.join(", ")),
            };
            self.diagnostics.add(position.problem(words::named("unknown key", repeated), Some(help)));
        }
    }

    /// The known key that was probably meant.
    fn meant(&self, name: &str, known: &[&'static str]) -> Option<&'static str> {
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let other = self.other_names.iter().find(|(theirs, ours)| *theirs == plain && known.contains(ours));
        other.map(|(_, ours)| *ours).or_else(|| words::nearest(name, known))
    }
}
