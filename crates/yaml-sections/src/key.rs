//! Descriptions of keys. A [`crate::Section`] reads only keys that are described, so a settings reference that is made of
//! the descriptions is complete.
//!
//! A key is a `static`. Its type says what an absent key means, and so which method of `Section` reads it.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::duration;

/// A piece of text in a description.
#[derive(Clone, Copy, Debug)]
pub enum Phrase {
    /// This text.
    Plain(&'static str),
    /// Text made of constants that readers use, so that no number stands twice.
    Computed(fn() -> String),
}

impl Phrase {
    fn text(self) -> String {
        match self {
            Self::Plain(text) => text.to_owned(),
            Self::Computed(text) => text(),
        }
    }
}

/// A key and its description. `A` says what it means if the key is absent.
pub struct SettingKey<A> {
    name: &'static str,
    accepts: Phrase,
    absent: A,
    meaning: &'static str,
}

/// A key that must be present; read by [`crate::Section::required`].
pub type RequiredKey = SettingKey<Example>;
/// A key without a default value; read by [`crate::Section::optional`] and [`crate::Section::or_empty`].
pub type OptionalKey = SettingKey<Phrase>;
/// A key with a default value; read by [`crate::Section::or`].
pub type DefaultKey<T> = SettingKey<DefaultValue<T>>;
/// A key whose default value depends on other settings; read by [`crate::Section::or_derived`].
pub type DerivedKey = SettingKey<Derived>;

/// A value that a required key could have.
#[derive(Clone, Copy, Debug)]
pub struct Example(pub(crate) &'static str);

/// How the default value of a key is derived.
#[derive(Clone, Copy, Debug)]
pub struct Derived(Phrase);

/// A default value, and how it is written in YAML.
pub struct DefaultValue<T: 'static> {
    value: fn() -> T,
    words: &'static [(&'static str, T)],
    written: fn(&T, &'static [(&'static str, T)]) -> String,
}

impl<A> SettingKey<A> {
    /// The key as it stands in YAML.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl RequiredKey {
    /// A key that must be present. `accepts` says which values are allowed, `meaning` what they do, in one sentence.
    pub const fn new(name: &'static str, accepts: Phrase, example: &'static str, meaning: &'static str) -> Self {
        Self { name, accepts, absent: Example(example), meaning }
    }

    pub(crate) fn example(&self) -> &'static str {
        self.absent.0
    }
}

impl OptionalKey {
    /// A key without a default value. `without` says what happens if it is absent.
    pub const fn new(name: &'static str, accepts: Phrase, without: Phrase, meaning: &'static str) -> Self {
        Self { name, accepts, absent: without, meaning }
    }
}

impl DerivedKey {
    /// A key whose default depends on other settings. `default` says how.
    pub const fn new(name: &'static str, accepts: Phrase, default: Phrase, meaning: &'static str) -> Self {
        Self { name, accepts, absent: Derived(default), meaning }
    }
}

impl<T> DefaultKey<T> {
    /// A key with a default value.
    pub const fn new(name: &'static str, accepts: Phrase, value: fn() -> T, meaning: &'static str) -> Self
    where
        T: Written,
    {
        let absent = DefaultValue { value, words: &[], written: |value, _| value.written() };
        Self { name, accepts, absent, meaning }
    }

    /// A key whose values are words.
    pub const fn one_of(
        name: &'static str,
        words: &'static [(&'static str, T)],
        value: fn() -> T,
        meaning: &'static str,
    ) -> Self
    where
        T: PartialEq,
    {
        // The words are the values that are accepted; see `DescribedKey` below.
        Self { name, accepts: Phrase::Plain(""), absent: DefaultValue { value, words, written: word_of }, meaning }
    }

    /// The words of [`DefaultKey::one_of`].
    pub fn words(&self) -> &'static [(&'static str, T)] {
        self.absent.words
    }

    /// The default value.
    pub fn default_value(&self) -> T {
        (self.absent.value)()
    }
}

fn word_of<T: PartialEq>(value: &T, words: &'static [(&'static str, T)]) -> String {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word).to_owned()
}

/// A value as it is written in YAML.
pub trait Written {
    /// The text.
    fn written(&self) -> String;
}

macro_rules! written_as_displayed {
    ($($kind:ty),*) => {
        $(impl Written for $kind {
            fn written(&self) -> String {
                self.to_string()
            }
        })*
    };
}

written_as_displayed!(bool, u64, f64, NonZeroU32, NonZeroUsize);

impl Written for Duration {
    fn written(&self) -> String {
        duration::written(*self)
    }
}

/// What a settings reference says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// The key as it stands in YAML.
    pub name: &'static str,
    /// Which values are allowed.
    pub accepts: String,
    /// What an absent key means.
    pub absent: AbsentKey,
    /// What the key does.
    pub meaning: &'static str,
}

/// What an absent key means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbsentKey {
    /// A problem.
    Required,
    /// The same as this value, as it is written in YAML.
    Default(String),
    /// This, in words.
    Means(String),
}

/// A key that can describe itself.
pub trait DescribedKey: Sync {
    /// The key as it stands in YAML.
    fn key(&self) -> &'static str;

    /// What a settings reference says of it.
    fn description(&self) -> KeyDescription;
}

trait Absent {
    fn describe(&self) -> AbsentKey;

    fn words(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

impl Absent for Example {
    fn describe(&self) -> AbsentKey {
        AbsentKey::Required
    }
}

impl Absent for Phrase {
    fn describe(&self) -> AbsentKey {
        AbsentKey::Means(self.text())
    }
}

impl Absent for Derived {
    fn describe(&self) -> AbsentKey {
        AbsentKey::Means(self.0.text())
    }
}

impl<T> Absent for DefaultValue<T> {
    fn describe(&self) -> AbsentKey {
        AbsentKey::Default((self.written)(&(self.value)(), self.words))
    }

    fn words(&self) -> Vec<&'static str> {
        self.words.iter().map(|(word, _)| *word).collect()
    }
}

#[allow(private_bounds)] // the four kinds of keys are all there are
impl<A: Absent + Sync> DescribedKey for SettingKey<A> {
    fn key(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> KeyDescription {
        let words = self.absent.words();
        let accepts = if words.is_empty() { self.accepts.text() } else { alternatives(&words) };
        KeyDescription { name: self.name, accepts, absent: self.absent.describe(), meaning: self.meaning }
    }
}

/// `` `a`, `b` or `c` ``, for descriptions.
pub fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

impl<A> fmt::Debug for SettingKey<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)
    }
}

impl<T> fmt::Debug for DefaultValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.describe())
    }
}

/// A key that a section was asked for.
#[derive(Clone)]
pub struct KnownKey(Source);

#[derive(Clone)]
enum Source {
    Key(&'static dyn DescribedKey),
    Description(KeyDescription),
}

impl KnownKey {
    pub(crate) fn name(&self) -> &'static str {
        match &self.0 {
            Source::Key(key) => key.key(),
            Source::Description(description) => description.name,
        }
    }

    pub(crate) fn description(&self) -> KeyDescription {
        match &self.0 {
            Source::Key(key) => key.description(),
            Source::Description(description) => description.clone(),
        }
    }
}

impl fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

impl<K: DescribedKey> From<&'static K> for KnownKey {
    fn from(key: &'static K) -> Self {
        Self(Source::Key(key))
    }
}

impl From<KeyDescription> for KnownKey {
    fn from(description: KeyDescription) -> Self {
        Self(Source::Description(description))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_describes_its_values_and_its_default() {
        static TIMEOUT: DefaultKey<Duration> =
            DefaultKey::new("timeout", Phrase::Plain("a duration"), || Duration::from_secs(90), "The longest wait.");
        static MODE: DefaultKey<u8> = DefaultKey::one_of("mode", &[("slow", 1), ("fast", 2)], || 2, "The speed.");
        static URL: RequiredKey = RequiredKey::new("url", Phrase::Plain("a URL"), "https://a", "The server.");
        static USER: OptionalKey =
            OptionalKey::new("user", Phrase::Plain("text"), Phrase::Computed(|| "no login".to_owned()), "The name.");
        let described = |key: &dyn DescribedKey| {
            let KeyDescription { accepts, absent, .. } = key.description();
            (accepts, absent)
        };
        assert_eq!(described(&TIMEOUT), ("a duration".to_owned(), AbsentKey::Default("1m30s".to_owned())));
        assert_eq!(described(&MODE), ("`slow` or `fast`".to_owned(), AbsentKey::Default("fast".to_owned())));
        assert_eq!(described(&URL), ("a URL".to_owned(), AbsentKey::Required));
        assert_eq!(described(&USER), ("text".to_owned(), AbsentKey::Means("no login".to_owned())));
    }
}
