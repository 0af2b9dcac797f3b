//! What one run is told: the configuration of a registry, with its sinks built.

use std::path::PathBuf;
use std::sync::Arc;

use stocktake_sink::{RegistryName, Sink};

use crate::discovery::DiscoverySettings;
use crate::registry::{self, Observer};
use crate::snapshot::JudgeSettings;
use crate::walk::WalkSettings;

/// Everything one run needs to know: the configuration of a registry, with its sinks built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configured name of the registry.
    pub name: RegistryName,
    /// The registry.
    pub registry: registry::RegistrySettings,
    /// Where the names of its repositories come from.
    pub discovery: DiscoverySettings,
    /// What to keep of it.
    pub walk: WalkSettings,
    /// How sceptical to be.
    pub judge: JudgeSettings,
    /// Where snapshots go, by their configured names.
    pub sinks: Vec<(String, Arc<dyn Sink>)>,
    /// The state directory of all registries.
    pub state: PathBuf,
    /// SHA-256 of the configuration, hex.
    pub config_sha256: String,
    /// Who counts requests.
    pub meter: Arc<dyn Observer>,
}

impl Plan {
    /// The configured names of the sinks, in their order.
    pub fn sink_names(&self) -> Vec<String> {
        self.sinks.iter().map(|(name, _)| name.clone()).collect()
    }
}
