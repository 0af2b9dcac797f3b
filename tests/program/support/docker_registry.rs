//! Debian's docker-registry, run on loopback for one test: the real server, not a likeness.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

use fake_registry::{PASSWORD, USERNAME};

use super::seed;
use super::token_server::TokenServer;

/// [`PASSWORD`] by bcrypt at the lowest cost, with a fixed salt: the tests need no tool that hashes.
const PASSWORD_BCRYPT: &str = "$2b$05$stocktakestocktakesto.SfHHHYVhP5fj16tnbgjSgoTKTPZwPHK";

/// It starts in well under a second; a loaded machine may take longer.
const START_WITHIN: Duration = Duration::from_secs(30);

/// Who may ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// Everyone.
    Open,
    /// Those with Basic credentials, from an htpasswd file.
    Htpasswd,
    /// Those with a token of a [`TokenServer`], which docker-registry takes for 60 s after its `exp`.
    Token { lifetime: Duration },
    /// The same, but `exp` is 60 s early, so that docker-registry refuses a token when the stated lifetime is over, or
    /// within the second after, since `exp` is in whole seconds. Only for clients that go by `expires_in`.
    StrictToken { lifetime: Duration },
}

/// A running docker-registry; dropped, it is ended and its storage removed.
#[derive(Debug)]
pub(crate) struct DockerRegistry {
    process: Child,
    port: u16,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    mode: Mode,
    tokens: Option<TokenServer>,
    directory: TempDir,
}

impl DockerRegistry {
    /// Starts a server with these repositories and waits until it accepts connections.
    pub(crate) async fn start<'a>(mode: Mode, names: impl IntoIterator<Item = &'a str>) -> Self {
        let directory = fast_directory();
        seed::repositories(&directory.path().join("storage"), names);
        let tokens = match mode {
            Mode::Open | Mode::Htpasswd => None,
            Mode::Token { lifetime } => Some(TokenServer::start(lifetime, Duration::ZERO)),
            Mode::StrictToken { lifetime } => Some(TokenServer::start(lifetime, Duration::from_mins(1))),
        };
        let config = directory.path().join("config.yml");
        fs::write(&config, configuration(directory.path(), mode, tokens.as_ref())).expect("write the configuration");

        let mut process = spawn(&config);
        let stderr = process.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, port) = oneshot::channel();
        let reader = thread::spawn({
            let log = log.clone();
            move || read_log(stderr, &log, found)
        });
        // Built before waiting, so that the process ends whatever happens next.
        let mut registry = Self { process, port: 0, log, reader: Some(reader), mode, tokens, directory };
        match timeout(START_WITHIN, port).await {
            Ok(Ok(port)) => registry.port = port,
            _ => panic!("docker-registry did not start; its log:\n{}", registry.log()),
        }
        registry
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}/", self.port)).expect("an address is an URL")
    }

    /// The user of all modes.
    #[expect(clippy::unused_self)] // callers should not care where it comes from
    pub(crate) fn username(&self) -> &'static str {
        USERNAME
    }

    /// The password of [`DockerRegistry::username`].
    #[expect(clippy::unused_self)]
    pub(crate) fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Where tokens are to be had, in modes with tokens.
    pub(crate) fn realm(&self) -> String {
        self.tokens.as_ref().expect("a mode with tokens").realm()
    }

    /// How many tokens were issued; none in modes without tokens.
    pub(crate) fn tokens_issued(&self) -> u64 {
        self.tokens.as_ref().map_or(0, TokenServer::issued)
    }

    /// Changes the password at the token server, of modes with tokens.
    pub(crate) fn change_password(&self, password: &str) {
        self.tokens.as_ref().expect("a mode with tokens").change_password(password);
    }

    /// What a client sends that may do anything with a repository.
    pub(crate) async fn authorization(&self, client: &reqwest::Client, repository: &str) -> Option<String> {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
        let Some(tokens) = &self.tokens else { return matches!(self.mode, Mode::Htpasswd).then_some(basic) };
        let url = format!("{}?scope=repository:{repository}:pull,push,delete", tokens.realm());
        let answer = client.get(url).header(AUTHORIZATION, basic).send().await.expect("an answer");
        let answer: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        Some(format!("Bearer {}", answer["token"].as_str().expect("a token")))
    }

    /// Loses a manifest's revision, as a crash does; tags go on naming it.
    pub(crate) fn lose_manifest(&self, repository: &str, digest: &str) {
        let revision = self.manifests(repository).join("revisions").join(digest.replace(':', "/"));
        fs::remove_dir_all(revision).expect("the revision is there");
    }

    /// Writes tags of a digest straight into the storage: pushing thousands would take minutes.
    pub(crate) fn seed_tags(&self, repository: &str, digest: &str, tags: &[String]) {
        for tag in tags {
            let current = self.manifests(repository).join("tags").join(tag).join("current");
            fs::create_dir_all(&current).expect("a temporary directory takes directories");
            fs::write(current.join("link"), digest).expect("a temporary directory takes files");
        }
    }

    fn manifests(&self, repository: &str) -> PathBuf {
        let repositories = self.directory.path().join("storage/docker/registry/v2/repositories");
        repositories.join(repository).join("_manifests")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no holder panics").clone()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Ten thousand directories take seconds to make and to remove on a disk that others sync, and no time in memory.
fn fast_directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

fn spawn(config: &Path) -> Child {
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    // Its settings can also come from the environment; a developer's must not reach the tests.
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"REGISTRY_") {
            command.env_remove(name);
        }
    }
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(process) => process,
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "these tests run against a real docker-registry, which is not installed: sudo apt-get install docker-registry"
        ),
        Err(error) => panic!("start docker-registry: {error}"),
    }
}

/// JSON, which docker-registry reads as YAML. Port 0 lets the system choose, and the log says what it chose: no other
/// process can take the port in between.
fn configuration(directory: &Path, mode: Mode, tokens: Option<&TokenServer>) -> String {
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info", "formatter": "text"},
        "storage": {
            "filesystem": {"rootdirectory": directory.join("storage")},
            "delete": {"enabled": true},
            "maintenance": {"uploadpurging": {"enabled": false}},
        },
        "http": {"addr": "127.0.0.1:0", "secret": "tests"},
    });
    if let Mode::Htpasswd = mode {
        let file = directory.join("htpasswd");
        fs::write(&file, format!("{USERNAME}:{PASSWORD_BCRYPT}\n")).expect("write the htpasswd file");
        config["auth"] = json!({"htpasswd": {"realm": "tests", "path": file}});
    }
    if let Some(tokens) = tokens {
        let bundle = directory.join("roots.pem");
        fs::write(&bundle, TokenServer::certificate()).expect("write the certificate");
        config["auth"] = json!({"token": {
            "realm": tokens.realm(),
            "service": TokenServer::SERVICE,
            "issuer": TokenServer::ISSUER,
            "rootcertbundle": bundle,
        }});
    }
    config.to_string()
}

/// Keeps the log until the process ends, and tells the port as soon as it is there.
fn read_log(stderr: impl Read, log: &Mutex<String>, found: oneshot::Sender<u16>) {
    let mut found = Some(found);
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let port = line.split_once("listening on 127.0.0.1:").map(|(_, rest)| rest);
        let port = port.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        let mut log = log.lock().expect("no holder panics");
        log.push_str(&line);
        log.push('\n');
        drop(log);
        if let (Some(port), Some(found)) = (port, port.and_then(|_| found.take())) {
            // The test has stopped waiting after the deadline.
            let _ = found.send(port);
        }
    }
}
