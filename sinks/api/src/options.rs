//! How a kind of sink reads its settings: keys by name, without the format of the configuration.
//!
//! The program implements [`SinkOptions`] over the section of its configuration. It knows the position of each key, so it
//! reports the problems, and a kind of sink needs no words for `is missing` or `expected a duration`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

    /// The index of one of these words.
    fn word(&mut self, option: &'static SinkOption, words: &[&'static str]) -> Result<usize, OptionRefused>;

    /// A duration such as `30s`, longer than zero.
    fn duration(&mut self, option: &'static SinkOption) -> Result<Duration, OptionRefused>;

    /// A path of the configuration that the sink writes to. A relative path starts at the directory for data.
    fn data_path(&self, path: &Path) -> PathBuf;

    /// Reports a problem with the value of this key.
    fn refuse(&mut self, option: &'static SinkOption, message: String) -> OptionRefused;
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
