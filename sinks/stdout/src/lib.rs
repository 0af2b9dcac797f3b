//! The standard output sink: a table for people, CSV for spreadsheets, JSON lines for pipes.
//!
//! A snapshot is rendered into an unnamed temporary file and copied to the output when it is whole. Names come from foreign
//! registries, so characters that control a terminal or a spreadsheet are escaped.
#![deny(missing_docs)]

mod csv;
mod format;
mod jsonl;
mod output;
mod render;
mod rows;
mod table;

use std::io::{self, Write};
use std::sync::Arc;

use async_trait::async_trait;
use stocktake_sink::{
    AbsentOption, ConfiguredSink, Receipt, Sink, SinkError, SinkKind, SinkOption, Snapshot, blocking,
};

pub use crate::format::{StdoutFormat, UnknownFormat};
use crate::output::Output;

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
