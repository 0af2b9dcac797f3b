//! The checked configuration, which the rest of the program uses.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use stocktake_sink::{ConfiguredSink, RegistryName};
use yaml_sections::{ConfigNote, Mention};

use crate::discovery::DiscoverySettings;
use crate::registry::RegistrySettings;
use crate::schedule::Schedule;
use crate::snapshot::JudgeSettings;
use crate::walk::WalkSettings;
use crate::web::WebSettings;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of everything that is kept between runs.
    pub state: PathBuf,
    /// Registries walked at the same time.
    pub concurrency: NonZeroUsize,
    /// The sinks by name; at least one.
    pub sinks: BTreeMap<String, ConfiguredSink>,
    /// The registries in the order of the files; at least one, no two of one name.
    pub registries: Vec<RegistryConfig>,
    /// The daemon's listener.
    pub web: WebSettings,
    /// Notes: things that the program does and the reader of the files may not expect. In the order of the files.
    pub notes: Vec<ConfigNote>,
    /// SHA-256 of the bytes of all files as read, in hexadecimal.
    pub sha256: String,
    /// The main file.
    pub file: PathBuf,
    /// Where the files name something outside them: files, variables, programs.
    pub mentions: Vec<Mention>,
}

/// One registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// The configured name.
    pub name: RegistryName,
    /// Settings of the client.
    pub client: RegistrySettings,
    /// Where the names of repositories come from.
    pub discovery: DiscoverySettings,
    /// Settings of the walk.
    pub walk: WalkSettings,
    /// When the daemon runs it. `None`: never.
    pub schedule: Option<Schedule>,
    /// Settings of the verdict.
    pub judge: JudgeSettings,
    /// The sinks to which the inventory is delivered: keys of [`Config::sinks`], at least one.
    pub sinks: Vec<String>,
    /// The most snapshots that are kept for a sink that does not take them, the newest included.
    pub keep_undelivered: NonZeroUsize,
}
