//! What a configuration names on this machine: secret files and variables, programs, certificates, the directory of the
//! state. It looks without the network, runs no program and writes nothing. What is wrong is reported at the position
//! that names it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use stocktake_sink::{ConfiguredSink, LocalFault, UnreadableSecret};
use yaml_sections::Position;

use crate::config::{Config, ConfigNote, ConfigProblem, Mention, RegistryConfig};
use crate::registry::api::ApiLogin;
use crate::registry::examine::LocalProblem;
use crate::registry::{Auth, SecretSource, chain};
use crate::state::{self, StateError};
use crate::web::{self, ClientCertificates, WebError};

/// What is wrong on this machine, in the order of the files.
#[derive(Debug, Default)]
pub struct Preflight {
    /// What would fail here.
    pub problems: Vec<ConfigProblem>,
    /// What only the service can see.
    pub notes: Vec<ConfigNote>,
}

impl Preflight {
    /// Looks at everything that the configuration names on this machine.
    pub fn of(config: &Config) -> Self {
        let mut positions = Positions { mentions: &config.mentions, used: HashMap::new(), file: &config.file };
        let mut found = Self::default();
        found.add(state_problem(config), &mut positions);
        for registry in &config.registries {
            for problem in problems_of(registry) {
                found.add(Some(problem), &mut positions);
            }
        }
        let secrets = config.sinks.values().flat_map(ConfiguredSink::secrets);
        for unreadable in secrets.filter_map(|secret| secret.look().err()) {
            let UnreadableSecret { key, thing, problem, remedy, is_of_service } = unreadable;
            let told = positions.of(&[key], &thing).1.problem(format!("`{key}`: {problem}"), Some(remedy));
            found.tell(told, is_of_service);
        }
        for fault in config.sinks.values().filter_map(ConfiguredSink::look) {
            let LocalFault { key, thing, problem, remedy } = fault;
            found.tell(positions.of(&[key], &thing).1.problem(format!("`{key}`: {problem}"), Some(remedy)), false);
        }
        found.add(listener_problem(config), &mut positions);
        // Variables of the environment have no position. All registries see the same proxies.
        let unusable = config.registries.iter().filter_map(|registry| registry.client.check_proxy().err());
        let whole = Position::whole(&config.file);
        found.problems.extend(unusable.map(|error| whole.problem(chain(&error), Some(error.remedy()))));
        found.problems.sort_by_cached_key(|problem| (problem.file != config.file, problem.file.clone(), problem.line));
        found.problems.dedup();
        found
    }

    fn add(&mut self, problem: Option<LocalProblem>, positions: &mut Positions<'_>) {
        let Some(problem) = problem else { return };
        let (key, position) = positions.of(problem.keys, &problem.thing);
        self.tell(
            position.problem(format!("`{key}`: {}", problem.problem), Some(problem.remedy)),
            problem.is_of_service,
        );
    }

    fn tell(&mut self, told: ConfigProblem, is_of_service: bool) {
        if is_of_service {
            self.notes.push(ConfigNote::new(told));
        } else {
            self.problems.push(told);
        }
    }
}

/// Finds where the files name something. If several places name the same, each is found once, in their order.
struct Positions<'c> {
    mentions: &'c [Mention],
    used: HashMap<OsString, usize>,
    file: &'c Path,
}

impl Positions<'_> {
    fn of(&mut self, keys: &[&'static str], thing: &OsStr) -> (&'static str, Position) {
        let fits = |mention: &&Mention| keys.contains(&mention.key) && mention.thing == thing;
        let fitting: Vec<_> = self.mentions.iter().filter(fits).collect();
        let used = self.used.entry(thing.to_owned()).or_default();
        let found = fitting.get(*used).or(fitting.last());
        *used += 1;
        let nowhere = || (keys.first().copied().unwrap_or_default(), Position::whole(self.file));
        found.map_or_else(nowhere, |mention| (mention.key, mention.position.clone()))
    }
}

fn problems_of(registry: &RegistryConfig) -> Vec<LocalProblem> {
    let mut problems = registry.client.local_problems();
    let own = match &registry.client.auth {
        Auth::Token(Some(login)) | Auth::Basic(login) => Some(&login.password),
        Auth::Bearer(source) | Auth::Identity(source) => Some(source),
        Auth::Token(None) | Auth::Docker(_) | Auth::None => None,
    };
    let of_api = registry.discovery.login().and_then(source_of);
    // An API without a login of its own has that of the registry.
    problems.extend(of_api.filter(|source| Some(*source) != own).and_then(SecretSource::local_problem));
    problems
}

fn source_of(login: &ApiLogin) -> Option<&SecretSource> {
    match login {
        ApiLogin::Bearer(source) | ApiLogin::Token(source) => Some(source),
        ApiLogin::Basic(login) | ApiLogin::Exchanged(login) => Some(&login.password),
        ApiLogin::Anonymous | ApiLogin::Challenged => None,
    }
}

fn state_problem(config: &Config) -> Option<LocalProblem> {
    let names = config.registries.iter().map(|registry| &registry.name);
    let error = state::look(&config.state, names).err()?;
    let problem = match &error {
        StateError::Disk { path, source } => format!("cannot write to {}: {}", path.display(), in_words(source)),
        other => chain(other),
    };
    let remedy = "let the user of stocktake write there (`chown`), or set `state` to another directory".to_owned();
    let (keys, thing) = (&["state"], config.state.clone().into());
    Some(LocalProblem { keys, thing, problem, remedy, is_of_service: false })
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotADirectory => "it is not a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        _ => error.to_string(),
    }
}

fn listener_problem(config: &Config) -> Option<LocalProblem> {
    let (error, tls) = (web::certificates(&config.web).err()?, config.web.tls.as_ref()?);
    let of_certificate = (&["cert_file"], tls.cert_file.as_path());
    let (keys, thing): (&[&'static str; 1], _) = match (&error, &tls.clients) {
        (WebError::Key(_) | WebError::NoKey { .. }, _) => (&["key_file"], tls.key_file.as_path()),
        (
            WebError::Authorities { path, .. } | WebError::File { path, .. } | WebError::NoCertificates { path },
            ClientCertificates::VerifiedIfGiven { ca_file } | ClientCertificates::Required { ca_file },
        ) if path == ca_file => (&["client_ca_file"], ca_file.as_path()),
        _ => of_certificate,
    };
    let (problem, remedy) = (chain(&error), error.remedy());
    Some(LocalProblem { keys, thing: thing.into(), problem, remedy, is_of_service: false })
}
