//! Renders a whole snapshot as text into an unnamed temporary file. Prints nothing.

use std::env;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use stocktake_sink::{Abandoned, SinkError, SinkErrorKind, Snapshot, Table};

use crate::format::StdoutFormat;
use crate::rows::{RenderError, SnapshotReader};
use crate::{csv, jsonl, table};

/// The text to print, from its beginning.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: File,
    /// The tables whose rows the text holds, where each stands under a header; the first header is not in the text.
    pub(crate) headed: Vec<Table>,
}

pub(crate) fn render(snapshot: &Snapshot, format: StdoutFormat, abandoned: &Abandoned) -> Result<Rendered, SinkError> {
    let mut text = BufWriter::new(tempfile::tempfile().map_err(temporary)?);
    let source = SnapshotReader::new(snapshot, abandoned);
    let mut headed = Vec::new();
    let written = match format {
        StdoutFormat::Jsonl => jsonl::write(&source, &mut text),
        _ if !snapshot.record().verdict.is_publishable() => Ok(()),
        StdoutFormat::Table => table::write(&source, &mut text),
        StdoutFormat::Csv => {
            headed = csv::tables(&source);
            csv::write(&source, &mut text)
        }
    };
    let written = written.and_then(|()| {
        text.flush()?;
        text.get_mut().rewind()?;
        Ok(())
    });
    written.map_err(|e| match e {
        RenderError::Write(e) => temporary(e),
        RenderError::Rows(e) => e.into(),
        RenderError::Encode(e) => {
            SinkError::new(SinkErrorKind::Snapshot, format!("cannot render {}", snapshot.id())).with_source(e)
        }
    })?;
    let text = text.into_inner().map_err(|e| temporary(e.into_error()))?;
    Ok(Rendered { text, headed })
}

/// An error of the temporary file, with the directory that it is in.
pub(crate) fn temporary(error: io::Error) -> SinkError {
    let directory = env::temp_dir();
    SinkError::io(format!("cannot write a temporary file in {} (set by TMPDIR)", directory.display()), error)
}
