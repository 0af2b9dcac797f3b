//! The standard output sink: a table for people, CSV for spreadsheets, JSON lines for pipes.
//!
//! A snapshot is rendered into an unnamed temporary file and copied to the output when it is whole. Names come from foreign
//! registries, so characters that control a terminal or a spreadsheet are escaped.
#![deny(missing_docs)]

mod csv;
mod escape;
mod jsonl;
mod output;
mod render;
mod table;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use stocktake_sink::{
    AbsentOption, ConfiguredSink, Receipt, Sink, SinkError, SinkKind, SinkOption, Snapshot, blocking,
};

use crate::output::Output;

/// How snapshots are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdoutFormat {
    /// A line with the run and its counts, then the repositories in aligned columns. A run that may not be published prints
    /// nothing.
    Table,
    /// One object per row: repositories, tags and manifests if they were read, and last the row of the run. That row has a
    /// `verdict` and tells a reader that all rows came. A run that may not be published prints only that row.
    Jsonl,
    /// RFC 4180. All repositories of a process have one header. If tags and manifests were read, each table of each snapshot
    /// follows after an empty line and with its own header. A run that may not be published prints nothing.
    Csv,
}

impl StdoutFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Table, Self::Jsonl, Self::Csv];

    /// The word used in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

impl fmt::Display for StdoutFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is not the name of a [`StdoutFormat`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}; known are: table, jsonl, csv")]
pub struct UnknownFormat(String);

impl FromStr for StdoutFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|f| f.as_str() == word).ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

static FORMAT: SinkOption = SinkOption {
    key: "format",
    accepts: "",
    absent: AbsentOption::Default(StdoutFormat::Table.as_str()),
    meaning: "How rows are printed: aligned columns, JSON lines, or comma-separated values.",
};

/// The kind `stdout`.
pub const KIND: SinkKind = SinkKind {
    name: "stdout",
    summary: "`stdout`: text on standard output.",
    configure: |options| {
        let format = options.one_of(&FORMAT, &StdoutFormat::ALL.map(|format| (format.as_str(), format)))?;
        Ok(ConfiguredSink::new(move || Ok(StdoutSink::new(format))))
    },
};

/// Prints snapshots, each at most once in a process. It does not know what earlier processes printed.
#[derive(Clone, Debug)]
pub struct StdoutSink {
    format: StdoutFormat,
    output: Arc<Output>,
}

impl StdoutSink {
    /// A sink that prints to this process's standard output.
    pub fn new(format: StdoutFormat) -> Self {
        Self::to(format, Box::new(io::stdout()))
    }

    /// A sink that prints to `output` instead.
    pub fn to(format: StdoutFormat, output: Box<dyn Write + Send>) -> Self {
        Self { format, output: Arc::new(Output::new(output)) }
    }
}

#[async_trait]
impl Sink for StdoutSink {
    /// Copying that has started is finished even if the future is dropped, so no half table is printed.
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        let (format, output, snapshot) = (self.format, Arc::clone(&self.output), snapshot.clone());
        blocking(move |abandoned| {
            if let Some(receipt) = output.receipt(snapshot.id()) {
                return Ok(receipt);
            }
            let rendered = render::render(&snapshot, format, abandoned)?;
            output.print(snapshot.id(), rendered, abandoned)
        })
        .await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        blocking(|_| tempfile::tempfile().map(drop).map_err(render::temporary)).await
    }

    fn keeps(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
