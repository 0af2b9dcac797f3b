//! The credentials that docker and podman have stored: which files, which entry, which helper program. By docker's
//! `config.json` and containers-auth.json(5). This module runs helpers, and does not decide how a secret is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::grammar::shown;
use crate::login::command::{CommandRun, SecretCommand};
use crate::login::credential::Credential;
use crate::login::environment::Environment;
use crate::login::secret::Secret;
use crate::login::secret_file::{ReadFile, SecretFileRules};
use crate::problem::secret::{Exposed, SecretError, SecretFileUse};

/// Longest file that is read; a user logs in to dozens of registries, not to thousands.
const LONGEST: u64 = 1024 * 1024;
/// The key of Docker Hub in docker's file, and the server name that its helpers are asked for.
const HUB: &str = "https://index.docker.io/v1/";
/// All names of Docker Hub; docker and podman treat them as one.
const HUB_HOSTS: [&str; 4] = ["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
/// What docker-credential-helpers print if they do not have a credential.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name with which a helper says that its secret is an identity token.
const IDENTITY: &str = "<token>";
/// Padding is optional: some tools leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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
    /// Reads the credentials stored for a registry.
    pub(crate) async fn find(
        &self,
        registry: &Url,
        environment: Environment<'_>,
    ) -> Result<StoredCredential, SecretError> {
        let server = ConfiguredServer::of(registry, self.namespace.as_deref());
        let files = match &self.file {
            Some(file) => vec![file.clone()],
            None => usual_files(environment),
        };
        if files.is_empty() {
            return Err(SecretError::NoHome);
        }
        let mut others = Vec::new();
        for path in &files {
            // Most of the usual files do not exist; a configured file must.
            if self.file.is_none() && matches!(path.try_exists(), Ok(false)) {
                continue;
            }
            let file = ConfigFile::read(path, self.allow_readable)?;
            if let Some(stored) = file.find(&server, self.timeout, environment).await? {
                return Ok(stored);
            }
            others.extend(file.contents.auths.keys().filter(|key| server.is_within(key)).map(|key| shown(key)));
        }
        Err(SecretError::NotStored { server: server.to_string(), looked_at: files, others })
    }
}

/// Docker's file, then podman's files, each in its tool's own order. If `$DOCKER_CONFIG` is set, it replaces
/// `~/.docker`.
fn usual_files(environment: Environment<'_>) -> Vec<PathBuf> {
    let path = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |below: &str| path("HOME").map(|home| home.join(below));
    let files = [
        path("DOCKER_CONFIG").or_else(|| home(".docker")).map(|directory| directory.join("config.json")),
        path("REGISTRY_AUTH_FILE"),
        path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
        path("XDG_CONFIG_HOME").or_else(|| home(".config")).map(|directory| directory.join("containers/auth.json")),
    ];
    files.into_iter().flatten().collect()
}

/// The registry whose credentials are searched.
struct ConfiguredServer {
    /// Host, and port unless it is the default of the scheme.
    host: String,
    /// Host and port, also if it is the default of the scheme: some tools write it.
    with_port: String,
    namespace: Option<String>,
}

impl std::fmt::Display for ConfiguredServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.iter().map(|namespace| format!("/{namespace}"));
        write!(f, "{}{}", self.host, namespace.collect::<String>())
    }
}

impl ConfiguredServer {
    fn of(registry: &Url, namespace: Option<&str>) -> Self {
        let name = canonical(registry.host_str().unwrap_or_default());
        let port = registry.port().map(|port| format!(":{port}")).unwrap_or_default();
        let own_port = registry.port_or_known_default().unwrap_or_default();
        let namespace = namespace.map(|namespace| namespace.trim_matches('/').to_owned());
        Self { host: format!("{name}{port}"), with_port: format!("{name}:{own_port}"), namespace }
    }

    /// How well the key of an entry fits; none if it does not. The longest namespace is best, then a bare host, then
    /// the forms of older versions of docker.
    fn fit(&self, key: &str) -> Option<usize> {
        let key = ConfigKey::read(key);
        if key.host != self.host && key.host != self.with_port {
            return None;
        }
        match (key.namespace, &self.namespace) {
            (None, _) => Some(usize::from(key.is_bare)),
            (Some(of), Some(own)) => {
                let rest = own.strip_prefix(of)?;
                (rest.is_empty() || rest.starts_with('/')).then_some(1 + of.len())
            }
            (Some(_), None) => None,
        }
    }

    /// Whether a key is for another part of this registry.
    fn is_within(&self, key: &str) -> bool {
        let read = ConfigKey::read(key);
        read.namespace.is_some() && self.fit(key).is_none() && (read.host == self.host || read.host == self.with_port)
    }

    /// The server name that a `credsStore` is asked for, as `docker login` stored it.
    fn for_store(&self) -> &str {
        if self.host == HUB_HOSTS[0] { HUB } else { &self.host }
    }
}

/// A key of `auths` or `credHelpers`.
struct ConfigKey<'a> {
    host: String,
    namespace: Option<&'a str>,
    /// A host and nothing else.
    is_bare: bool,
}

impl<'a> ConfigKey<'a> {
    fn read(key: &'a str) -> Self {
        let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let (host, path) = bare.unwrap_or(key).split_once('/').unwrap_or((bare.unwrap_or(key), ""));
        let path = path.trim_matches('/');
        // Docker ignores the path after a scheme, and has always written the version of the API there.
        let is_namespace = bare.is_none() && !["", "v1", "v2"].contains(&path);
        Self {
            host: canonical(host),
            namespace: is_namespace.then_some(path),
            is_bare: bare.is_none() && path.is_empty(),
        }
    }
}

fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if HUB_HOSTS.contains(&&*host) { HUB_HOSTS[0].to_owned() } else { host }
}

/// A configuration file of docker or podman.
struct ConfigFile<'a> {
    path: &'a Path,
    /// Why the file may not hold a secret.
    readable: Option<Exposed>,
    contents: ConfigContents,
}

/// The part of the file that is about credentials.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigContents {
    #[serde(default, deserialize_with = "or_default")]
    auths: BTreeMap<String, Option<ConfigEntry>>,
    #[serde(default, deserialize_with = "or_default")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    creds_store: String,
}

/// One entry of `auths`.
#[derive(Deserialize)]
struct ConfigEntry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// `null` counts as missing, as in Go.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

impl<'a> ConfigFile<'a> {
    fn read(path: &'a Path, allow_readable: bool) -> Result<Self, SecretError> {
        let rules = SecretFileRules { longest: LONGEST, used_as: SecretFileUse::DockerConfig, allow_readable };
        // A user who can write this file chooses the login and the helper that is run.
        let read = ReadFile::unchangeable(path, rules)?;
        let readable = read.readable().cloned();
        // The parser's own text may quote the file.
        let contents = serde_json::from_str(&read.text()?).map_err(|error| SecretError::NotDockerConfig {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        Ok(Self { path, readable, contents })
    }

    /// Asks the helper for this very registry, otherwise the store for all. If they have no credential, the file itself
    /// may have one.
    async fn find(
        &self,
        server: &ConfiguredServer,
        deadline: Duration,
        environment: Environment<'_>,
    ) -> Result<Option<StoredCredential>, SecretError> {
        if let Some((helper, asked)) = self.helper(server)
            && let Some(credential) = self.ask(helper, asked, deadline, environment).await?
        {
            return Ok(Some(StoredCredential { credential, by_helper: true }));
        }
        Ok(self.entry(server)?.map(|credential| StoredCredential { credential, by_helper: false }))
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
        // It becomes part of the name of a program.
        if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(SecretError::BadHelper { path: self.path.to_owned(), name: shown(helper) });
        }
        let program = format!("docker-credential-{helper}");
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
    fn entry(&self, server: &ConfiguredServer) -> Result<Option<Credential>, SecretError> {
        for (key, entry) in best(server, &self.contents.auths) {
            let bad = || SecretError::BadEntry { path: self.path.to_owned(), key: shown(key) };
            if let Some(credential) = entry.as_ref().map(|entry| entry.credential(bad)).transpose()?.flatten() {
                return match &self.readable {
                    Some(exposed) => Err(SecretError::OpenToOthers(exposed.clone())),
                    None => Ok(Some(credential)),
                };
            }
        }
        Ok(None)
    }
}

/// The entries that fit the server, the best first.
fn best<'c, T>(server: &ConfiguredServer, entries: &'c BTreeMap<String, T>) -> Vec<(&'c str, &'c T)> {
    let mut fitting: Vec<_> =
        entries.iter().filter_map(|(key, value)| Some((server.fit(key)?, key.as_str(), value))).collect();
    fitting.sort_by_key(|(fit, ..)| std::cmp::Reverse(*fit));
    fitting.into_iter().map(|(_, key, value)| (key, value)).collect()
}

impl ConfigEntry {
    /// The strongest credential of the entry: a token for the registry itself, an identity token, a password. `auth`
    /// comes before `username` and `password`, as in docker.
    fn credential(&self, bad: impl Fn() -> SecretError) -> Result<Option<Credential>, SecretError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::Bearer(Secret::new(token))));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::Identity(Secret::new(token))));
        }
        let (username, password) = match given(&self.auth) {
            Some(auth) => decoded(&auth).ok_or_else(bad)?,
            None => (given(&self.username).unwrap_or_default(), given(&self.password).unwrap_or_default()),
        };
        // `auths: {"quay.io": {}}` only says that a helper has it.
        Ok((!username.is_empty() && !password.is_empty()).then(|| Credential::login(username, Secret::new(password))))
    }
}

/// User name and password of an `auth`. A password may have colons; docker has padded it with NUL.
fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    (!username.is_empty()).then(|| (username.to_owned(), password.trim_matches('\0').to_owned()))
}

/// The output of a helper.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl HelperAnswer {
    fn credential(self) -> Option<Credential> {
        let secret = Secret::new(self.secret);
        match (self.username.as_str(), secret.expose()) {
            (_, "") => None,
            (IDENTITY, _) => Some(Credential::Identity(secret)),
            _ => Some(Credential::login(self.username, secret)),
        }
    }
}

#[cfg(test)]
mod tests;
