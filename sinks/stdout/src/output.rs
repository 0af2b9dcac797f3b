//! The output, and what was printed: one snapshot at a time, each once. Rendering is in `render`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use parking_lot::{Mutex, MutexGuard};
use stocktake_sink::{Abandoned, Receipt, SinkError, SinkErrorKind, SnapshotId, Table};

use crate::csv;
use crate::render::Rendered;

const LOCATION: &str = "standard output";

pub(crate) struct Output(Mutex<OutputState>);

struct OutputState {
    out: Box<dyn Write + Send>,
    printed: BTreeMap<SnapshotId, Receipt>,
    /// The table of the latest header.
    under: Option<Table>,
    /// A write failed in the middle of a snapshot. Any further output would look like part of that snapshot.
    torn: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Output").field(&LOCATION).finish()
    }
}

impl Output {
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(OutputState { out, printed: BTreeMap::new(), under: None, torn: false }))
    }

    /// The receipt of a snapshot that was printed already.
    pub(crate) fn receipt(&self, id: &SnapshotId) -> Option<Receipt> {
        self.state().printed.get(id).cloned()
    }

    /// Copies the whole text out, unless the snapshot was printed in the meantime.
    pub(crate) fn print(
        &self,
        id: &SnapshotId,
        rendered: Rendered,
        abandoned: &Abandoned,
    ) -> Result<Receipt, SinkError> {
        // This waits while the reader of the output takes an earlier snapshot.
        let mut state = self.state();
        if abandoned.is_set() {
            return Err(SinkError::new(SinkErrorKind::Unavailable, format!("the printing of {id} was abandoned")));
        }
        if let Some(receipt) = state.printed.get(id) {
            return Ok(receipt.clone());
        }
        if state.torn {
            let message = format!("{LOCATION} broke off in an earlier snapshot; start again with a reader that stays");
            return Err(SinkError::new(SinkErrorKind::Invalid, message));
        }
        // Set before the first byte, so that a panic of the writer counts as well.
        state.torn = true;
        state.copy(rendered).map_err(failed)?;
        state.torn = false;
        let receipt = Receipt { location: LOCATION.to_owned(), objects: Vec::new(), warnings: Vec::new() };
        state.printed.insert(id.clone(), receipt.clone());
        Ok(receipt)
    }

    fn state(&self) -> MutexGuard<'_, OutputState> {
        self.0.lock()
    }
}

impl OutputState {
    fn copy(&mut self, mut rendered: Rendered) -> io::Result<()> {
        if let (Some(&first), Some(&last)) = (rendered.headed.first(), rendered.headed.last()) {
            if self.under != Some(first) {
                let apart = if self.under.is_some() { csv::LINE_END } else { "" };
                write!(self.out, "{apart}{}", csv::header(first))?;
            }
            self.under = Some(last);
        }
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let length = rendered.text.read(&mut chunk)?;
            if length == 0 {
                return self.out.flush();
            }
            self.out.write_all(&chunk[..length])?;
        }
    }
}

/// A retry would print some rows twice, so no error here is transient.
fn failed(error: io::Error) -> SinkError {
    let known = error.kind();
    let message = match known {
        io::ErrorKind::BrokenPipe => format!("cannot write to {LOCATION}: its reader has gone"),
        _ => format!("cannot write to {LOCATION}"),
    };
    let classed = SinkError::io(message.clone(), known.into());
    let kind = if classed.kind().is_transient() { SinkErrorKind::Invalid } else { classed.kind() };
    SinkError::new(kind, message).with_source(error)
}
