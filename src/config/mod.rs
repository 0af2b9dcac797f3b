//! The configuration: YAML files, read and checked together. All problems are reported at once with their positions, and
//! only a checked [`Config`] is returned. Reads the files of the configuration, no other file, and not the network.

mod address;
mod auth;
mod check;
mod discovery;
mod files;
mod hints;
mod other_names;
mod paths;
mod phrases;
mod readable;
mod registry;
mod schedule;
mod settings;
#[cfg(test)]
mod tests;
mod walk;
mod web;

use std::path::Path;

use files::ConfigFiles;
pub use settings::{Config, RegistryConfig};
use yaml_sections::Phrase::Plain;
use yaml_sections::{Checked, Diagnostics, OptionalKey};
pub use yaml_sections::{ConfigNote, ConfigProblem, ConfigProblems, Mention};

static INCLUDE: OptionalKey = OptionalKey::new(
    "include",
    Plain("a path or a pattern, or a list of them"),
    phrases::NONE,
    "Further files with `registries`, relative to this file. A pattern may match no file; a path must exist.",
);

/// Reads and checks the configuration: this main file, or the first of the usual files that exists.
///
/// # Errors
/// All problems of all files. A file that cannot be read is one problem, and the other files are checked anyway.
pub fn load(explicit: Option<&Path>) -> Result<Config, ConfigProblems> {
    let file = files::find(explicit, &files::USUAL).map_err(ConfigProblems::one)?;
    let bases = paths::bases(&file, std::env::var_os("STATE_DIRECTORY").as_deref());
    let diagnostics = Diagnostics::with_paths_from(bases);
    let checked = read(&file, &diagnostics);
    let mentions = diagnostics.mentions();
    let (config, notes) = diagnostics.settle(&file, checked)?;
    Ok(Config { notes, mentions, ..config })
}

fn read(file: &Path, diagnostics: &Diagnostics) -> Checked<Config> {
    let mut files = ConfigFiles::new(diagnostics);
    let main = files.main(file)?;
    let mut section = main.section("a mapping with `sinks` and `registries`", diagnostics)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let included = section.take(&INCLUDE).map_or_else(Vec::new, |field| files.included(&field, directory));
    let check::CheckedFiles { state, concurrency, sinks, registries, web } =
        check::check(section, &included, diagnostics)?;
    let (notes, mentions, sha256) = (Vec::new(), Vec::new(), files.sha256());
    Ok(Config { state, concurrency, sinks, registries, web, notes, sha256, file: file.to_owned(), mentions })
}
