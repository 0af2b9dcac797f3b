//! `stocktake validate`: checks the configuration, and the certificates and keys that it names. Uses no network.

use std::io;

use super::exit::Exit;
use super::output::{complain, counted, refuse, say};
use crate::config::{self, Config};
use crate::registry::chain;
use crate::web;

/// Checks all of them and prints the problems.
pub(super) fn validate(file: Option<&std::path::Path>) -> Exit {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    for note in &config.notes {
        complain(&note.to_string());
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

/// The settings whose files cannot be used, with the error and the remedy.
fn unusable(config: &Config) -> Vec<(String, Box<dyn std::error::Error>, String)> {
    let mut unusable: Vec<(_, Box<dyn std::error::Error>, _)> = Vec::new();
    for registry in &config.registries {
        for error in
            [registry.client.check_certificates(), registry.client.check_proxy()].into_iter().filter_map(Result::err)
        {
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
