//! `stocktake validate`: checks the configuration, and what it names on this machine. Uses no network.

use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::output::{complain, counted, refuse, say};
use crate::config;
use crate::preflight::Preflight;

#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    /// Check the text of the configuration alone, and nothing that it names on this machine (secrets, variables,
    /// programs, certificates, the state): for another machine than this one
    #[arg(long)]
    syntax_only: bool,
}

/// Checks all of it and prints the problems.
pub(super) fn validate(file: Option<&Path>, arguments: &ValidateArguments) -> Exit {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    let found = if arguments.syntax_only { Preflight::default() } else { Preflight::of(&config) };
    for note in config.notes.iter().chain(&found.notes) {
        complain(&note.to_string());
    }
    if !found.problems.is_empty() {
        for problem in &found.problems {
            complain(&problem.to_string());
        }
        return Exit::Configuration;
    }
    let registries = counted(config.registries.len(), "registry", "registries");
    let sinks = counted(config.sinks.len(), "sink", "sinks");
    say(&format!("{}: {registries}, {sinks}, no problem", config.file.display()));
    Exit::Good
}
