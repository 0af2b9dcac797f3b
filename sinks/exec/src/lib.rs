//! The exec sink: a program of the user, the plugin, loads the snapshot from a directory of Parquet files.
//!
//! What a plugin gets and what it answers is told in `docs/PROTOCOL.md`. This crate is the other side: the directory, the
//! environment, the end of all processes, and what becomes of each answer. It knows no warehouse.
#![deny(missing_docs)]

mod answer;
mod handover;
mod output;
mod plugin;
mod program;
mod running;
mod scratch;
mod settings;

use async_trait::async_trait;
use stocktake_sink::{Receipt, Sink, SinkError, Snapshot, blocking};

use crate::answer::Answered;
use crate::handover::Handover;
use crate::plugin::Plugin;
use crate::scratch::Scratch;

pub use settings::{ExecSettings, KIND};

/// The version of the protocol, in the manifest and in the environment of a plugin.
pub const PROTOCOL: u32 = 1;

/// Gives snapshots to a program.
#[derive(Clone, Debug)]
pub struct ExecSink {
    plugin: Plugin,
}

impl ExecSink {
    /// A sink that runs this command. Touches nothing yet.
    pub fn new(settings: ExecSettings) -> Self {
        Self { plugin: Plugin::new(settings) }
    }
}

#[async_trait]
impl Sink for ExecSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        // Before anything is written: a plugin that is not there is found at once.
        let program = self.plugin.look()?;
        let scratch = Scratch::take(&self.plugin.settings.directory, &self.plugin.key(snapshot.id())).await?;
        let snapshot = snapshot.clone();
        let handover = blocking(move |abandoned| Handover::write(scratch, &snapshot, abandoned)).await?;
        let (manifest, ended) = self.plugin.load(&program, handover).await?;
        let Answered { location, warnings } = answer::of_load(self.plugin.name(), &ended, &manifest)?;
        Ok(Receipt { location, objects: Vec::new(), warnings })
    }

    async fn probe(&self) -> Result<(), SinkError> {
        let program = self.plugin.look()?;
        let directory = self.plugin.settings.directory.clone();
        blocking(move |_| scratch::probe(&directory)).await?;
        answer::of_probe(self.plugin.name(), &self.plugin.probe(&program).await?)
    }
}

#[cfg(test)]
mod tests;
