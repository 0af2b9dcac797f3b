//! The configuration of one run, with its sinks built.

use std::path::PathBuf;
use std::sync::Arc;

use stocktake_sink::{RegistryName, Sink};

use crate::discovery::DiscoverySettings;
use crate::registry::{self, Observer};
use crate::snapshot::JudgeSettings;
use crate::walk::WalkSettings;

/// The configuration of one run, with its sinks built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configured name of the registry.
    pub name: RegistryName,
    /// The registry.
    pub registry: registry::RegistrySettings,
    /// How the names of its repositories are found.
    pub discovery: DiscoverySettings,
    /// What is read of it.
    pub walk: WalkSettings,
    /// How strictly the walk is judged.
    pub judge: JudgeSettings,
    /// The sinks, with their configured names.
    pub sinks: Vec<(String, Arc<dyn Sink>)>,
    /// The most snapshots that are kept for a sink that does not take them, the newest included; at least 1.
    pub keep_undelivered: usize,
    /// The state directory of all registries.
    pub state: PathBuf,
    /// SHA-256 of the configuration, hex.
    pub config_sha256: String,
    /// Counts requests.
    pub meter: Arc<dyn Observer>,
}

impl Plan {
    /// The configured names of the sinks, in their order.
    pub fn sink_names(&self) -> Vec<String> {
        self.sinks.iter().map(|(name, _)| name.clone()).collect()
    }
}
