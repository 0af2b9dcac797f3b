//! One delivery: directory, plugin, answer.

use async_trait::async_trait;
use stocktake_sink::{Receipt, Sink, SinkError, Snapshot, blocking};

use crate::answer::{self, Answered};
use crate::handover::Handover;
use crate::plugin::Plugin;
use crate::scratch::{self, Scratch};
use crate::settings::ExecSettings;

/// Gives snapshots to a program.
#[derive(Clone, Debug)]
pub struct ExecSink {
    pub(crate) plugin: Plugin,
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
