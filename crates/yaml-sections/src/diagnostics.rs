//! Collects the problems and notes of a configuration while it is read.

use std::cell::RefCell;
use std::path::Path;

use crate::paths::PathBases;
use crate::problem::{ConfigNote, ConfigProblem, ConfigProblems};

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
