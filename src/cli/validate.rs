//! `stocktake validate`: checks the configuration, and the certificates and keys that it names. Uses no network.

use std::io;

use super::exit::Exit;
use super::output::{complain, refuse, say, tell};
use crate::config::{self, Config};
use crate::registry::chain;
use crate::web;
use crate::words::{counted, first_of};

/// So many registries are named in a note.
const NAMED: usize = 10;

/// Checks all of them and prints the problems.
pub(super) fn validate(file: Option<&std::path::Path>) -> Exit {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    for note in &config.notes {
        tell(&note.to_string());
    }
    if let Some(note) = unscheduled(&config) {
        tell(&format!("{}: note: {note}", config.file.display()));
    }
    let mut wrong = 0;
    for (what, error, remedy) in unusable(&config) {
        let is_note = is_not_here(error.as_ref());
        let note = if is_note { "note: " } else { "" };
        complain(&format!("{}: {note}{what}: {}\n    {remedy}", config.file.display(), chain(error.as_ref())));
        wrong += usize::from(!is_note);
    }
    if wrong > 0 {
        return Exit::Configuration;
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
            let names = first_of(idle.iter().take(NAMED), count.saturating_sub(NAMED) as u64);
            let (have, them) = if count == 1 { ("has", "it") } else { ("have", "them") };
            Some(format!(
                "{names} {have} no `schedule`: the daemon never runs {them} by itself; add `schedule`, or ask for a run"
            ))
        }
    }
}

/// The settings whose files cannot be used, with the error and the remedy.
fn unusable(config: &Config) -> Vec<(String, Box<dyn std::error::Error>, String)> {
    let mut unusable: Vec<(_, Box<dyn std::error::Error>, _)> = Vec::new();
    for registry in &config.registries {
        if let Err(error) = registry.client.check_certificates() {
            let remedy = error.remedy();
            unusable.push((format!("registry `{}`", registry.name), error.into(), remedy));
        }
    }
    if let Err(error) = web::certificates(&config.web) {
        let remedy = error.remedy();
        unusable.push(("`tls_server_config`".to_owned(), error.into(), remedy));
    }
    unusable
}

/// Whether the file is missing or not readable by this user. That is only a note: a configuration may be checked on another
/// machine, or by another user, than the one that it is for.
fn is_not_here(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)) {
            return true;
        }
        cause = error.source();
    }
    false
}
