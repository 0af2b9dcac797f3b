//! Errors of single repositories for the row of table `runs`. Their number is bounded.

use serde::{Deserialize, Serialize};
use stocktake_sink::RunError;

use crate::words::counted;

/// How many errors are kept; all others are counted in one.
const KEPT: usize = 100;

/// Errors, one per repository and code, in the order of their first occurrence.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    entries: Vec<RunError>,
    more: i64,
}

impl Notes {
    /// Adds an error. If there is one of the same repository and code, only its count grows.
    pub(super) fn add(&mut self, note: RunError) {
        let same = |known: &&mut RunError| known.repository == note.repository && known.code == note.code;
        // The same repository's notes come together, so the search ends soon.
        if let Some(known) = self.entries.iter_mut().rev().find(same) {
            known.count += note.count;
        } else if self.entries.len() < KEPT {
            self.entries.push(note);
        } else {
            self.more += note.count;
        }
    }

    /// Adds all notes of another list.
    pub(super) fn append(&mut self, other: Self) {
        other.entries.into_iter().for_each(|note| self.add(note));
        self.more += other.more;
    }

    /// All errors; the last one counts those that were not kept.
    pub(super) fn into_errors(self) -> Vec<RunError> {
        let Self { mut entries, more } = self;
        if more > 0 {
            let more_errors = counted(more, "further error", "further errors");
            let message = format!("{more_errors}; the log at level debug has them all");
            entries.push(RunError { count: more, ..RunError::of_run("further", message) });
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(repository: &str, code: &str) -> RunError {
        RunError { repository: Some(repository.into()), ..RunError::of_run(code, "first words") }
    }

    #[test]
    fn equal_notes_are_counted_and_too_many_are_summed_up() {
        let mut notes = Notes::default();
        notes.add(note("a", "gone"));
        notes.add(note("a", "corrupt"));
        notes.add(note("a", "gone"));
        let mut others = Notes::default();
        (0..150).for_each(|n| others.add(note(&format!("r/{n}"), "denied")));
        notes.append(others);
        let errors = notes.into_errors();
        assert_eq!(errors.len(), KEPT + 1);
        assert_eq!((errors[0].count, errors[1].count), (2, 1));
        assert_eq!(errors.iter().map(|e| e.count).sum::<i64>(), 153);
        assert_eq!(errors.last().map(|e| e.code.as_str()), Some("further"));
    }
}
