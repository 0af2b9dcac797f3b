//! How a kind of sink reads its settings: keys by name, without the format of the configuration.
//!
//! The program implements [`SinkOptions`] over the section of its configuration. It knows the position of each key, so it
//! reports the problems, and a kind of sink needs no words for `is missing` or `expected a duration`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::SecretPlace;

/// One key of a kind of sink. The settings reference is made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkOption {
    /// The key as users write it, such as `url`.
    pub key: &'static str,
    /// Which values are allowed, in a few words. The words of [`SinkOptions::word`] are listed in their place.
    pub accepts: &'static str,
    /// What an absent key means.
    pub absent: AbsentOption,
    /// What the key does, in one sentence.
    pub meaning: &'static str,
}

/// What an absent key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsentOption {
    /// A problem. The text is a value that the key could have.
    Required(&'static str),
    /// The same as this value, as users write it.
    Default(&'static str),
    /// This, in a few words: there is no value that means the same.
    Means(&'static str),
}

/// The keys that name the place of a secret. Users write one of the four sources; a secret itself never stands in the
/// configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretOption {
    /// The key that people expect to take the secret itself, such as `password`. It is refused.
    pub literal: &'static str,
    /// The key of a file, such as `password_file`.
    pub file: &'static str,
    /// The key of an environment variable, such as `password_env`.
    pub env: &'static str,
    /// The key of a program that prints the secret, such as `password_command`.
    pub command: &'static str,
    /// The key of a credential of systemd, such as `credential`.
    pub credential: &'static str,
    /// What the key of the file does, in one sentence: `File that holds the password.` The others say "the same".
    pub meaning: &'static str,
}

/// One entry of a mapping whose keys are not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionEntry {
    /// The key as written.
    pub key: String,
    /// The value as written: text, a whole number, `true` or `false`.
    pub value: String,
    /// Which entry of the mapping it is, for [`SinkOptions::refuse_entry`].
    pub at: usize,
}

/// Proof that a problem with an option was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRefused(());

impl OptionRefused {
    /// For implementations of [`SinkOptions`], after they have reported the problem.
    pub fn reported() -> Self {
        Self(())
    }
}

impl fmt::Display for OptionRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an option was refused, as reported before")
    }
}

impl std::error::Error for OptionRefused {}

/// The settings of one sink. Each method reads one key. If that is impossible, it reports why and returns
/// [`OptionRefused`]; a kind of sink then reads its other keys before it returns the error, so that users see all
/// problems at once.
pub trait SinkOptions {
    /// Text that is not empty.
    fn text(&mut self, option: &'static SinkOption) -> Result<String, OptionRefused>;

    /// Text that is not empty, if the key is there.
    fn optional_text(&mut self, option: &'static SinkOption) -> Result<Option<String>, OptionRefused>;

    /// A list of texts. A single text is a list of one. Placeholders are not looked for: a program may know them.
    fn texts(&mut self, option: &'static SinkOption) -> Result<Vec<String>, OptionRefused>;

    /// A whole number of this range.
    fn number(&mut self, option: &'static SinkOption, range: RangeInclusive<u64>) -> Result<u64, OptionRefused>;

    /// The entries of a mapping, in their order; none if the key is absent.
    fn entries(&mut self, option: &'static SinkOption) -> Result<Vec<OptionEntry>, OptionRefused>;

    /// Where a secret is, if one of the keys is there. It is read when it is needed, again and again.
    fn secret(&mut self, option: &'static SecretOption) -> Result<Option<Arc<dyn SecretPlace>>, OptionRefused>;

    /// A file that the sink reads, if the key is there. A relative path starts beside the configuration.
    fn optional_file(&mut self, option: &'static SinkOption) -> Result<Option<PathBuf>, OptionRefused>;

    /// A program of the configuration. A name without `/` is searched in `PATH`; a relative path starts beside the
    /// configuration.
    fn program(&self, written: &str) -> String;

    /// The index of one of these words.
    fn word(&mut self, option: &'static SinkOption, words: &[&'static str]) -> Result<usize, OptionRefused>;

    /// A duration such as `30s`, longer than zero.
    fn duration(&mut self, option: &'static SinkOption) -> Result<Duration, OptionRefused>;

    /// A path of the configuration that the sink writes to. A relative path starts at the directory for data.
    fn data_path(&self, path: &Path) -> PathBuf;

    /// Reports a problem with the value of this key.
    fn refuse(&mut self, option: &'static SinkOption, message: String) -> OptionRefused;

    /// Reports a problem with one entry of a mapping that was read last by [`SinkOptions::entries`]. `help` says what to
    /// write instead. None of the two repeats the value, which may be a secret in the wrong place.
    fn refuse_entry(&mut self, entry: &OptionEntry, message: String, help: Option<String>) -> OptionRefused;
}

impl dyn SinkOptions + '_ {
    /// The value of the word that stands there.
    pub fn one_of<T: Clone>(
        &mut self,
        option: &'static SinkOption,
        choices: &[(&'static str, T)],
    ) -> Result<T, OptionRefused> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.word(option, &words).map(|at| choices[at].1.clone())
    }

    /// Text that `read` converts. Its error is the message of the problem.
    pub fn parse<T, E: fmt::Display>(
        &mut self,
        option: &'static SinkOption,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, OptionRefused> {
        read(&self.text(option)?).map_err(|error| self.refuse(option, error.to_string()))
    }
}
