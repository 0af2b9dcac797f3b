//! Collects the problems and notes of a configuration while it is read.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::Path;

use crate::paths::PathBases;
use crate::problem::{ConfigNote, ConfigProblem, ConfigProblems, Position};

/// A value, or the proof that a problem with it was reported.
pub type Checked<T> = Result<T, Reported>;

/// Proof that a problem was reported: only [`Diagnostics::add`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported(());

/// The problems and notes found so far. All readers of one configuration share it.
#[derive(Debug, Default)]
pub struct Diagnostics {
    bases: PathBases,
    problems: RefCell<Vec<ConfigProblem>>,
    notes: RefCell<Vec<ConfigProblem>>,
    mentions: RefCell<Vec<Mention>>,
}

/// Where a configuration names something outside it, such as a file. A later look at that thing reports what is wrong
/// with it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The key, as messages show it.
    pub key: &'static str,
    /// The path, or the name of the variable or program.
    pub thing: OsString,
    /// The position of the value.
    pub position: Position,
}

impl Diagnostics {
    /// Diagnostics of a configuration whose relative paths start at these directories.
    pub fn with_paths_from(bases: PathBases) -> Self {
        Self { bases, ..Self::default() }
    }

    /// The directories at which relative paths start.
    pub fn bases(&self) -> &PathBases {
        &self.bases
    }

    /// Adds a problem.
    pub fn add(&self, problem: ConfigProblem) -> Reported {
        self.problems.borrow_mut().push(problem);
        Reported(())
    }

    /// Adds a note. It has the parts of a problem, but nothing has to be corrected.
    pub fn note(&self, note: ConfigProblem) {
        self.notes.borrow_mut().push(note);
    }

    /// Adds a mention of something outside the configuration.
    pub fn mention(&self, key: &'static str, thing: impl Into<OsString>, position: &Position) {
        self.mentions.borrow_mut().push(Mention { key, thing: thing.into(), position: position.clone() });
    }

    /// What was mentioned so far, in the order in which it was read.
    pub fn mentions(&self) -> Vec<Mention> {
        self.mentions.borrow().clone()
    }

    /// `checked` with the notes if no problem was found, else all problems. Those of the file `main` come first.
    ///
    /// # Errors
    /// All problems that were added.
    pub fn settle<T>(self, main: &Path, checked: Checked<T>) -> Result<(T, Vec<ConfigNote>), ConfigProblems> {
        let problems = in_order(self.problems.into_inner(), main);
        match checked {
            Ok(checked) if problems.is_empty() => {
                let notes = in_order(self.notes.into_inner(), main);
                Ok((checked, notes.into_iter().map(ConfigNote::new).collect()))
            }
            _ => Err(ConfigProblems::new(problems)),
        }
    }
}

fn in_order(mut problems: Vec<ConfigProblem>, main: &Path) -> Vec<ConfigProblem> {
    let file_rank = |problem: &ConfigProblem| (problem.file != main, problem.file.clone());
    let position = |problem: &ConfigProblem| (file_rank(problem), problem.line, problem.column);
    problems.sort_by_cached_key(|problem| (position(problem), problem.message.clone()));
    // An alias or a merged mapping shows one mistake of the file several times.
    problems.dedup();
    problems
}
