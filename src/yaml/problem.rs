//! What is wrong with a configuration, and where. Never carries a value that could be a secret.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bases::Bases;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
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

impl Problem {
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

/// Something that is done otherwise than the text may lead one to expect. Nothing has to be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(Problem);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "note: ")
    }
}

/// All that is wrong with a configuration, in the order of the files and lines; one per line when printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A single problem.
    pub(crate) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// The problems, at least one.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
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

impl std::error::Error for Problems {}

/// A position in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<Path>,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Place {
    /// The file as a whole.
    pub(crate) fn whole(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 0, column: 0 }
    }

    /// A problem here.
    pub(crate) fn problem(&self, message: impl Into<String>, help: Option<String>) -> Problem {
        let file = self.file.to_path_buf();
        Problem { file, line: self.line, column: self.column, message: message.into(), help }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A value as read, unless a problem with it was reported.
pub(crate) type Checked<T> = Result<T, Reported>;

/// Proof that a problem was reported: only [`Report::add`] makes one.
#[derive(Debug)]
pub(crate) struct Reported(());

/// Gathers problems and notes while a configuration is checked; shared by everything that reads from it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    bases: Bases,
    problems: RefCell<Vec<Problem>>,
    notes: RefCell<Vec<Problem>>,
}

impl Report {
    /// A report on a configuration whose relative paths begin there.
    pub(crate) fn with_paths_from(bases: Bases) -> Self {
        Self { bases, ..Self::default() }
    }

    /// Where relative paths begin.
    pub(crate) fn bases(&self) -> &Bases {
        &self.bases
    }

    /// Adds a problem.
    pub(crate) fn add(&self, problem: Problem) -> Reported {
        self.problems.borrow_mut().push(problem);
        Reported(())
    }

    /// Adds a note, made of what a problem would be made of.
    pub(crate) fn note(&self, note: Problem) {
        self.notes.borrow_mut().push(note);
    }

    /// `checked` and the notes when no problem was found; else all problems. Those of the `main` file come first.
    pub(crate) fn settle<T>(self, main: &Path, checked: Checked<T>) -> Result<(T, Vec<Note>), Problems> {
        let problems = in_order(self.problems.into_inner(), main);
        match checked {
            Ok(checked) if problems.is_empty() => {
                let notes = in_order(self.notes.into_inner(), main);
                Ok((checked, notes.into_iter().map(Note).collect()))
            }
            _ => Err(Problems(problems)),
        }
    }
}

fn in_order(mut problems: Vec<Problem>, main: &Path) -> Vec<Problem> {
    let file_rank = |problem: &Problem| (problem.file != main, problem.file.clone());
    let place = |problem: &Problem| (file_rank(problem), problem.line, problem.column);
    problems.sort_by_cached_key(|problem| (place(problem), problem.message.clone()));
    // An alias, or a merged mapping, shows one mistake in the file several times.
    problems.dedup();
    problems
}
