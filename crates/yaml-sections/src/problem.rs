//! What is wrong with a configuration, and at which position. No message contains a value, which could be a secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file to correct.
    pub file: PathBuf,
    /// Its line, from 1; 0: the file as a whole.
    pub line: u64,
    /// Its column in characters, from 1; 0: the file as a whole.
    pub column: u64,
    /// What was expected and what was found.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ConfigProblem {
    fn write(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {what}{}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n    {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

/// The program does something that the reader of the file may not expect. Nothing has to be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigNote(ConfigProblem);

impl ConfigNote {
    /// A note with the parts of a problem.
    pub fn new(note: ConfigProblem) -> Self {
        Self(note)
    }
}

impl fmt::Display for ConfigNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "note: ")
    }
}

/// All problems of a configuration, in the order of files and lines. `Display` writes one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(Vec<ConfigProblem>);

impl ConfigProblems {
    pub(crate) fn new(problems: Vec<ConfigProblem>) -> Self {
        Self(problems)
    }

    /// A single problem.
    pub fn one(problem: ConfigProblem) -> Self {
        Self(vec![problem])
    }

    /// The problems, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigProblem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigProblems {
    type Item = &'a ConfigProblem;
    type IntoIter = std::slice::Iter<'a, ConfigProblem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

/// A position in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1; 0: the file as a whole.
    pub line: u64,
    /// The column in characters, from 1; 0: the file as a whole.
    pub column: u64,
}

impl Position {
    /// The file as a whole, without line and column.
    pub fn whole(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 0, column: 0 }
    }

    /// A problem at this position. `help` says what to write instead.
    pub fn problem(&self, message: impl Into<String>, help: Option<String>) -> ConfigProblem {
        let file = self.file.to_path_buf();
        ConfigProblem { file, line: self.line, column: self.column, message: message.into(), help }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}
