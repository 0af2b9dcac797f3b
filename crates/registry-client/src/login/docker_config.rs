//! The credentials that docker and podman have stored: which files, which entry, which helper program. By docker's
//! `config.json` and containers-auth.json(5). This module runs helpers, and does not decide how a secret is used.

mod contents;
mod places;
mod server;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::grammar::shown;
use crate::login::command::{CommandRun, SecretCommand};
use crate::login::credential::Credential;
use crate::login::docker_config::contents::{ConfigContents, HelperAnswer};
use crate::login::docker_config::places::{Lack, is_legacy, usual_files};
use crate::login::docker_config::server::ConfiguredServer;
use crate::login::environment::Environment;
use crate::login::secret_file::{ReadFile, SecretFileRules};
use crate::problem::secret::{CommandError, Exposed, SecretError, SecretFileUse};

/// Longest file that is read; a user logs in to dozens of registries, not to thousands.
const LONGEST: u64 = 1024 * 1024;
/// What docker-credential-helpers print if they do not have a credential.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Where docker or podman keep credentials, and which of them to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    /// The file. None: the first of docker's and podman's own files that has credentials for the registry.
    pub file: Option<PathBuf>,
    /// The part of the registry whose credentials to use, as podman stores them (`my-org` for `quay.io/my-org`).
    pub namespace: Option<String>,
    /// How long a credential helper may run.
    pub timeout: Duration,
    /// Whether other users may read and own the file.
    pub allow_readable: bool,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self { file: None, namespace: None, timeout: SecretCommand::TIMEOUT, allow_readable: false }
    }
}

/// The credential that was found.
#[derive(Debug)]
pub(crate) struct StoredCredential {
    pub(crate) credential: Credential,
    /// Whether it came from a helper and not from a file.
    pub(crate) by_helper: bool,
}

impl DockerConfig {
    /// Reads the credentials stored for a registry. A file that has none for it hides no file after it; what was found
    /// in each is in the error.
    pub(crate) async fn find(
        &self,
        registry: &Url,
        environment: Environment<'_>,
    ) -> Result<StoredCredential, SecretError> {
        let mut search = StoredLoginSearch::new(self, registry);
        for path in self.files(environment) {
            let Some(file) = search.open(&path)? else { continue };
            let lack = match file.find(&search.server, self.timeout, environment).await {
                Ok(Ok(stored)) => return Ok(stored),
                Ok(Err(lack)) => lack,
                Err(error) => self.passed_over(error)?,
            };
            search.note(&path, &lack);
        }
        Err(search.not_stored())
    }

    /// Whether credentials are stored for a registry, as far as that shows without running a helper.
    pub(crate) fn look(&self, registry: &Url, environment: Environment<'_>) -> Result<(), SecretError> {
        let mut search = StoredLoginSearch::new(self, registry);
        for path in self.files(environment) {
            let Some(file) = search.open(&path)? else { continue };
            let lack = match file.look(&search.server, environment) {
                Ok(None) => return Ok(()),
                Ok(Some(lack)) => lack,
                Err(error) => self.passed_over(error)?,
            };
            search.note(&path, &lack);
        }
        Err(search.not_stored())
    }

    fn files(&self, environment: Environment<'_>) -> Vec<PathBuf> {
        self.file.clone().map_or_else(|| usual_files(environment), |file| vec![file])
    }

    /// `docker login` on a desktop names a helper that a server does not have. That does not end the search.
    fn passed_over(&self, error: SecretError) -> Result<Lack, SecretError> {
        match error {
            SecretError::Command(CommandError::NotFound { program }) if self.file.is_none() => {
                Ok(Lack::NoHelper(program))
            }
            error => Err(error),
        }
    }

    /// Reads a file, or says why it has nothing. A configured file must exist and be readable; most of the usual ones do
    /// not exist, and the home directory may be that of another user.
    fn open<'p>(&self, path: &'p Path) -> Result<Result<ConfigFile<'p>, Lack>, SecretError> {
        match ConfigFile::read(path, self.allow_readable) {
            Err(SecretError::File { error, .. }) if self.file.is_none() => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(Err(Lack::NoFile)),
                ErrorKind::PermissionDenied => Ok(Err(Lack::Unreadable)),
                _ => Err(SecretError::File { path: path.to_owned(), error }),
            },
            read => Ok(read?.ok_or(Lack::Empty)),
        }
    }
}

/// What was found in the files that do not have the credentials.
struct StoredLoginSearch<'c> {
    config: &'c DockerConfig,
    server: ConfiguredServer,
    looked_at: Vec<(PathBuf, String)>,
    others: Vec<String>,
}

impl<'c> StoredLoginSearch<'c> {
    fn new(config: &'c DockerConfig, registry: &Url) -> Self {
        let server = ConfiguredServer::of(registry, config.namespace.as_deref());
        Self { config, server, looked_at: Vec::new(), others: Vec::new() }
    }

    /// The file. None if it has nothing; why is noted.
    fn open<'p>(&mut self, path: &'p Path) -> Result<Option<ConfigFile<'p>>, SecretError> {
        match self.config.open(path)? {
            Ok(file) => {
                self.others.extend(file.other_parts(&self.server));
                Ok(Some(file))
            }
            Err(lack) => {
                self.note(path, &lack);
                Ok(None)
            }
        }
    }

    fn note(&mut self, path: &Path, lack: &Lack) {
        self.looked_at.push((path.to_owned(), lack.to_string()));
    }

    fn not_stored(self) -> SecretError {
        let Self { server, looked_at, others, .. } = self;
        SecretError::NotStored { server: server.to_string(), looked_at, others }
    }
}

/// A configuration file of docker or podman.
struct ConfigFile<'a> {
    path: &'a Path,
    /// Why the file may not hold a secret.
    readable: Option<Exposed>,
    contents: ConfigContents,
}

impl<'a> ConfigFile<'a> {
    /// None: the file is empty.
    fn read(path: &'a Path, allow_readable: bool) -> Result<Option<Self>, SecretError> {
        let rules = SecretFileRules { longest: LONGEST, used_as: SecretFileUse::DockerConfig, allow_readable };
        // A user who can write this file chooses the login and the helper that is run.
        let read = ReadFile::unchangeable(path, rules)?;
        let readable = read.readable().cloned();
        // The parser's own text may quote the file.
        let contents = ConfigContents::read(&read.bytes, is_legacy(path)).map_err(|error| {
            SecretError::NotDockerConfig { path: path.to_owned(), line: error.line(), column: error.column() }
        })?;
        Ok(contents.map(|contents| Self { path, readable, contents }))
    }

    /// The entries for other parts of this registry.
    fn other_parts(&self, server: &ConfiguredServer) -> Vec<String> {
        self.contents.auths.keys().filter(|key| server.is_within(key)).map(|key| shown(key)).collect()
    }

    /// Why there is nothing for this registry. A helper that is there may have something.
    fn look(&self, server: &ConfiguredServer, environment: Environment<'_>) -> Result<Option<Lack>, SecretError> {
        if let Some((helper, _)) = self.helper(server) {
            let program = self.program(helper)?;
            let run = CommandRun { program: &program, arguments: vec!["get"], input: "", timeout: Duration::ZERO };
            return Ok(run.look(environment).map(|()| None)?);
        }
        Ok(self.entry(server)?.err())
    }

    /// The program of a helper.
    fn program(&self, helper: &str) -> Result<String, SecretError> {
        // It becomes part of the name of a program.
        if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(SecretError::BadHelper { path: self.path.to_owned(), name: shown(helper) });
        }
        Ok(program_of(helper))
    }

    /// Asks the helper for this very registry, otherwise the store for all. If they have no credential, the file itself
    /// may have one.
    async fn find(
        &self,
        server: &ConfiguredServer,
        deadline: Duration,
        environment: Environment<'_>,
    ) -> Result<Result<StoredCredential, Lack>, SecretError> {
        let helper = self.helper(server);
        if let Some((helper, asked)) = helper
            && let Some(credential) = self.ask(helper, asked, deadline, environment).await?
        {
            return Ok(Ok(StoredCredential { credential, by_helper: true }));
        }
        let entry = self.entry(server)?.map(|credential| StoredCredential { credential, by_helper: false });
        Ok(entry.map_err(|lack| helper.map_or(lack, |(helper, _)| Lack::HelperHasNone(program_of(helper)))))
    }

    /// Which helper to ask, and for which server name. An empty name disables the store for one registry, as in docker.
    fn helper<'f>(&'f self, server: &'f ConfiguredServer) -> Option<(&'f str, &'f str)> {
        let own = best(server, &self.contents.cred_helpers).into_iter().next();
        let all = (self.contents.creds_store.as_str(), server.for_store());
        let (helper, asked) = own.map_or(all, |(key, helper)| (helper.as_str(), key));
        (!helper.is_empty()).then_some((helper, asked))
    }

    async fn ask(
        &self,
        helper: &str,
        server: &str,
        deadline: Duration,
        environment: Environment<'_>,
    ) -> Result<Option<Credential>, SecretError> {
        let program = self.program(helper)?;
        let run = CommandRun { program: &program, arguments: vec!["get"], input: server, timeout: deadline };
        let ended = run.run(environment).await?;
        if !ended.is_success() {
            let is_not_there = String::from_utf8_lossy(ended.stdout()).contains(NOT_FOUND);
            return if is_not_there { Ok(None) } else { Err(ended.failed_on_stdout().into()) };
        }
        let answer = serde_json::from_slice::<HelperAnswer>(ended.stdout());
        let answer = answer.map_err(|_| SecretError::HelperAnswer { program })?;
        Ok(answer.credential())
    }

    /// The first entry that has a secret, the best match first. A file that others can read is refused only if it has a
    /// secret: files that only name a helper are often readable for all.
    fn entry(&self, server: &ConfiguredServer) -> Result<Result<Credential, Lack>, SecretError> {
        let mut lack = Lack::NoEntry;
        for (key, entry) in best(server, &self.contents.auths) {
            let bad = |_| SecretError::BadEntry { path: self.path.to_owned(), key: shown(key) };
            match (entry.credential().map_err(bad)?, &self.readable) {
                (None, _) if lack == Lack::NoEntry => lack = Lack::NoLogin(shown(key)),
                (None, _) => {}
                (Some(_), Some(exposed)) => return Err(SecretError::OpenToOthers(exposed.clone())),
                (Some(credential), None) => return Ok(Ok(credential)),
            }
        }
        Ok(Err(lack))
    }
}

/// The program of a helper, by the protocol of docker-credential-helpers.
fn program_of(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// The entries that fit the server, the best first.
fn best<'c, T>(server: &ConfiguredServer, entries: &'c BTreeMap<String, T>) -> Vec<(&'c str, &'c T)> {
    let mut fitting: Vec<_> =
        entries.iter().filter_map(|(key, value)| Some((server.fit(key)?, key.as_str(), value))).collect();
    fitting.sort_by_key(|(fit, ..)| std::cmp::Reverse(*fit));
    fitting.into_iter().map(|(_, key, value)| (key, value)).collect()
}

#[cfg(test)]
mod tests;
