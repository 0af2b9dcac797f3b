//! The configuration: YAML files, read and checked as a whole. What is wrong is reported all at once with its place;
//! only a checked [`Config`] leaves this room. Reads the configuration files, nothing else, and no network.
#![allow(clippy::zero_sized_map_values)] // without any sink built in, `SinkSettings` has no values

mod auth;
mod check;
mod discovery;
mod files;
mod hints;
mod registry;
mod schedule;
#[cfg(test)]
mod tests;
mod web;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use stocktake_sink::RegistryName;

use crate::discovery::DiscoverySettings;
use crate::registry::Settings;
use crate::schedule::Schedule;
use crate::sinks::SinkSettings;
use crate::snapshot::JudgeSettings;
use crate::walk::WalkSettings;
use crate::web::WebSettings;
use crate::yaml::{Bases, Checked, Report};
pub use crate::yaml::{Note, Problem, Problems};
use files::Files;

/// A configuration without a known mistake.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory of what is kept between runs.
    pub state: PathBuf,
    /// Registries walked at the same time.
    pub concurrency: NonZeroUsize,
    /// Where inventories go, by name; at least one.
    pub sinks: BTreeMap<String, SinkSettings>,
    /// The registries in the order of the files; at least one, no two of one name.
    pub registries: Vec<RegistryConfig>,
    /// The daemon's listener.
    pub web: WebSettings,
    /// What is done otherwise than the text may lead one to expect, in the order of the files.
    pub notes: Vec<Note>,
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
    pub client: Settings,
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

/// Reads and checks the configuration: this main file, or that of the first usual place.
///
/// # Errors
/// All problems of all files. A file that cannot be read or parsed is one of them and hides no other file's.
pub fn load(explicit: Option<&Path>) -> Result<Config, Problems> {
    let file = files::find(explicit, &files::USUAL).map_err(Problems::one)?;
    let bases = Bases::of(&file, std::env::var_os("STATE_DIRECTORY").as_deref());
    let report = Report::with_paths_from(bases);
    let checked = read(&file, &report);
    let (config, notes) = report.settle(&file, checked)?;
    Ok(Config { notes, ..config })
}

fn read(file: &Path, report: &Report) -> Checked<Config> {
    let mut files = Files::new(report);
    let main = files.main(file)?;
    let mut section = main.section("a mapping with `sinks` and `registries`", report)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let included = section.take("include").map_or_else(Vec::new, |field| files.included(&field, directory));
    let check::Parts { state, concurrency, sinks, registries, web } = check::check(section, &included, report)?;
    let (notes, sha256) = (Vec::new(), files.sha256());
    Ok(Config { state, concurrency, sinks, registries, web, notes, sha256, file: file.to_owned() })
}
