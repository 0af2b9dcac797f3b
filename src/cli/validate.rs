//! `stocktake validate`: checks the configuration, and what it names on this machine. Uses no network.

use std::path::Path;

use clap::Args;

use super::exit::Exit;
use super::output::{complain, refuse, say, tell};
use crate::config::{self, Config};
use crate::preflight::Preflight;
use crate::words::{counted, first_of};

/// So many registries are named in a note.
const NAMED: usize = 10;

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
        tell(&note.to_string());
    }
    if !found.problems.is_empty() {
        for problem in &found.problems {
            complain(&problem.to_string());
        }
        return Exit::Configuration;
    }
    if let Some(note) = unscheduled(&config) {
        tell(&format!("{}: note: {note}", config.file.display()));
    }
    let registries = counted(config.registries.len(), "registry", "registries");
    let sinks = counted(config.sinks.len(), "sink", "sinks");
    say(&format!("{}: {registries}, {sinks}, no problem", config.file.display()));
    Exit::Good
}

/// The registries that the daemon never runs by itself.
fn unscheduled(config: &Config) -> Option<String> {
    let idle: Vec<_> = config.registries.iter().filter(|r| r.schedule.is_none()).map(|r| r.name.as_str()).collect();
    match idle.len() {
        0 => None,
        count if count == config.registries.len() => Some(
            "no registry has a `schedule`: the daemon never runs one by itself; add `schedule`, or start `stocktake run` \
             by a timer"
                .to_owned(),
        ),
        count => {
            let names = first_of(&idle, NAMED);
            let (have, them) = if count == 1 { ("has", "it") } else { ("have", "them") };
            Some(format!(
                "{names} {have} no `schedule`: the daemon never runs {them} by itself; add `schedule`, or ask for a run"
            ))
        }
    }
}
