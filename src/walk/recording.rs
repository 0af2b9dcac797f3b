//! One round of recording: enters repositories and a page, and writes a checkpoint. Blocks, and knows no network.

use std::sync::Arc;

use tracing::warn;

use super::WalkError;
use super::reading::RepositoryReading;
use super::recorder::{EnteredPage, WalkRecorder};
use super::unfinished::{ListPosition, WalkCheckpoint};
use crate::registry::Page;
use crate::registry::chain;
use crate::snapshot::SpoolError;

/// What the recorder is given to do at once, on a thread of its own.
pub(super) struct RecordingTask {
    pub(super) done: Vec<RepositoryReading>,
    pub(super) page: Option<Page>,
    pub(super) cut: Option<WalkCheckpoint>,
}

/// What came of a task.
pub(super) struct RecordingResult {
    pub(super) entered: Option<(EnteredPage, ListPosition)>,
    /// The first error; nothing was recorded after it.
    pub(super) error: Option<WalkError>,
    /// Repositories of the task that were not recorded.
    pub(super) left: Vec<Arc<str>>,
    pub(super) checkpoint: bool,
}

impl RecordingTask {
    /// Blocks while rows are sorted and written.
    pub(super) fn work(self, recorder: &mut WalkRecorder) -> RecordingResult {
        let mut outcome = RecordingResult { entered: None, error: None, left: Vec::new(), checkpoint: false };
        for reading in self.done {
            let repository = reading.repository.clone();
            if outcome.error.is_some() {
                outcome.left.push(repository);
            } else if let Err(error) = recorder.absorb(reading) {
                outcome.error = Some(error);
            }
        }
        if let (None, Some(page)) = (&outcome.error, self.page) {
            let (last, cursor) = (page.last, page.cursor.clone());
            match recorder.enter(page) {
                Ok(entered) => {
                    let limited = entered.limited;
                    let pages = match cursor {
                        _ if last || limited => ListPosition::Over { limited },
                        Some(cursor) => ListPosition::Until(cursor),
                        None => ListPosition::Lost,
                    };
                    outcome.entered = Some((entered, pages));
                }
                Err(error) => outcome.error = Some(error),
            }
        }
        if let Some(cut) = self.cut {
            match Self::checkpoint(cut, recorder, &outcome) {
                Ok(written) => outcome.checkpoint = written,
                Err(error) => outcome.error = outcome.error.or(Some(error.into())),
            }
        }
        outcome
    }

    /// Writes the checkpoint; false if there is none to write. If writing fails, the walk goes on, and the next
    /// checkpoint is written when it is due.
    ///
    /// # Errors
    /// If rows were lost on the way.
    fn checkpoint(
        mut cut: WalkCheckpoint,
        recorder: &mut WalkRecorder,
        outcome: &RecordingResult,
    ) -> Result<bool, SpoolError> {
        cut.pending.extend(outcome.left.iter().chain(&recorder.silent()).map(ToString::to_string));
        if let Some((entered, pages)) = &outcome.entered {
            cut.pending.extend(entered.to_read.iter().map(ToString::to_string));
            cut.pages = pages.clone();
        }
        cut.counts = recorder.counts.clone();
        if cut.pages == ListPosition::None && cut.counts.is_empty() || cut.pages == ListPosition::Lost {
            return Ok(false);
        }
        let Err(error) = recorder.spool.checkpoint(&cut) else { return Ok(true) };
        if recorder.spool.is_broken() {
            return Err(error);
        }
        warn!("cannot write a checkpoint, the walk goes on: {}", chain(&error));
        Ok(false)
    }
}
