//! The checked configuration, which the rest of the program uses.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use stocktake_sink::{ConfiguredSink, RegistryName};
use yaml_sections::ConfigNote;

use crate::discovery::DiscoverySettings;
use crate::registry::RegistrySettings;
use crate::schedule::Schedule;
use crate::snapshot::JudgeSettings;
use crate::walk::WalkSettings;
use crate::web::WebSettings;

/// A configuration without a known mistake.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of what is kept between runs.
    pub state: PathBuf,
    /// Registries walked at the same time.
    pub concurrency: NonZeroUsize,
    /// Where inventories go, by name; at least one.
    pub sinks: BTreeMap<String, ConfiguredSink>,
    /// The registries in the order of the files; at least one, no two of one name.
    pub registries: Vec<RegistryConfig>,
    /// The daemon's listener.
    pub web: WebSettings,
    /// What is done otherwise than the text may lead one to expect, in the order of the files.
    pub notes: Vec<ConfigNote>,
    /// SHA-256 of the bytes of all files as read, in hexadecimal.
    pub sha256: String,
    /// The main file.
    pub file: PathBuf,
}

/// One registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// The configured name.
    pub name: RegistryName,
    /// For the protocol.
    pub client: RegistrySettings,
    /// Where names come from.
    pub discovery: DiscoverySettings,
    /// For the walk.
    pub walk: WalkSettings,
    /// When it runs by itself; none: never.
    pub schedule: Option<Schedule>,
    /// For the verdict.
    pub judge: JudgeSettings,
    /// The sinks that it is delivered to, all of them keys of [`Config::sinks`]; at least one.
    pub sinks: Vec<String>,
}
