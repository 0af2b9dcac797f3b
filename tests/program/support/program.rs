//! The real binary, run as a user runs it: a directory of its own with a configuration, arguments in, outputs and exit
//! code out. Nothing of the tests' own environment reaches it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use fake_registry::PASSWORD;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

/// Longer than any run takes, also on a loaded machine; a hanging program fails its test and not the whole suite.
const PATIENCE: Duration = Duration::from_mins(1);

/// The login of the fake registries and of docker-registry, as lines below a registry.
pub(crate) const LOGIN: &str = "    auth: {username: acme+inventory, password_file: password}\n";

/// One registry `quay`, with these further lines, delivered as Parquet to `./inventory`.
pub(crate) fn one_registry(url: &Url, lines: &str) -> String {
    format!(
        "sinks:\n  warehouse: {{type: parquet, url: ./inventory}}\nregistries:\n  - name: quay\n    url: {url}\n{lines}"
    )
}

/// A directory that the program runs in, removed with everything in it.
#[derive(Debug)]
pub(crate) struct Workplace {
    directory: TempDir,
}

impl Workplace {
    /// A directory with nothing but the file `password`.
    pub(crate) fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("tmp")).unwrap();
        place.secret("password", PASSWORD);
        place
    }

    /// The same, with this configuration.
    pub(crate) fn with(yaml: &str) -> Self {
        let place = Self::new();
        place.configure(yaml);
        place
    }

    /// Writes or replaces the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        fs::write(self.path("stocktake.yaml"), yaml).unwrap();
    }

    /// Writes a file that no other user may read.
    pub(crate) fn secret(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a shell script that can be run.
    pub(crate) fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A `PATH` with this directory before the usual ones.
    pub(crate) fn path_with(&self, directory: &str) -> String {
        let usual = std::env::var("PATH").unwrap_or_default();
        format!("{}:{usual}", self.path(directory).display())
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Every file below a directory with its bytes, and every directory with none, by relative path.
    pub(crate) fn tree(&self, relative: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(relative);
        let mut found = BTreeMap::new();
        if root.exists() {
            walk(&root, &root, &mut found);
        }
        found
    }

    /// Runs `stocktake` with the configuration and these arguments to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with(&[], arguments).await
    }

    /// The same, with these environment variables.
    pub(crate) async fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Finished {
        self.start_with(environment, arguments).end().await
    }

    /// Starts `stocktake`; it is killed if the test ends first.
    pub(crate) fn start(&self, arguments: &[&str]) -> RunningProgram {
        self.start_with(&[], arguments)
    }

    /// The same, with these environment variables.
    pub(crate) fn start_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> RunningProgram {
        self.start_within(&[], environment, arguments)
    }

    /// The same, started by this command, which gets the program and its arguments as further arguments.
    pub(crate) fn start_within(&self, by: &[&str], environment: &[(&str, &str)], arguments: &[&str]) -> RunningProgram {
        let program = [by, &[env!("CARGO_BIN_EXE_stocktake")]].concat();
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TMPDIR", self.path("tmp")).envs(environment.iter().copied());
        command.args(arguments).current_dir(self.directory.path());
        if self.path("stocktake.yaml").exists() && !arguments.contains(&"--config") {
            command.args(["--config", "stocktake.yaml"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        RunningProgram::watch(command.spawn().unwrap())
    }
}

fn walk(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.insert(name + "/", Vec::new());
            walk(root, &path, found);
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A running program. Its standard error is read all the time, so that it never waits for us.
#[derive(Debug)]
pub(crate) struct RunningProgram {
    pub(crate) pid: u32,
    process: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has said so far.
    said: watch::Receiver<Vec<u8>>,
    stderr: JoinHandle<()>,
}

impl RunningProgram {
    fn watch(mut process: Child) -> Self {
        let mut stderr = process.stderr.take().unwrap();
        let (say, said) = watch::channel(Vec::new());
        let stderr = tokio::spawn(async move {
            let mut bytes = Vec::new();
            while stderr.read_buf(&mut bytes).await.unwrap() > 0 {
                say.send_modify(|said| said.append(&mut bytes));
            }
        });
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { pid: process.id().unwrap(), process, stdout, said, stderr }
    }

    /// Waits until it has said this so often on standard error; gives all that it has said by then.
    pub(crate) async fn says_times(&mut self, words: &str, times: usize) -> String {
        let text = |said: &Vec<u8>| String::from_utf8_lossy(said).into_owned();
        let is_said = |said: &Vec<u8>| text(said).matches(words).count() >= times;
        let in_time = matches!(timeout(PATIENCE, self.said.wait_for(is_said)).await, Ok(Ok(_)));
        let said = text(&self.said.borrow());
        assert!(in_time, "no {words:?}, {times} times, in\n{said}");
        said
    }

    /// Waits for a line of data.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.stdout.read_line(&mut line)).await.expect("a line in time").unwrap();
        line
    }

    /// Sends it a signal, by name.
    pub(crate) async fn signal(&self, name: &str) {
        // The shell's own `kill`: the tests need neither a crate nor a package for it.
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -s \"$0\" \"$1\"", name, &self.pid.to_string()]);
        assert!(kill.status().await.unwrap().success(), "{name} to {}", self.pid);
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Finished {
        let end = async {
            let mut stdout = Vec::new();
            self.stdout.read_to_end(&mut stdout).await.unwrap();
            let status = self.process.wait().await.unwrap();
            (&mut self.stderr).await.unwrap();
            Output { status, stdout, stderr: self.said.borrow().clone() }
        };
        Finished::of(timeout(PATIENCE, end).await.expect("the program ends"))
    }
}

/// What a program left when it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("all output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        // No test runs it on a terminal: no colours, no progress, whatever it did.
        for text in [&stdout, &stderr] {
            let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
            assert!(!text.contains(control) && !text.replace("\r\n", "").contains('\r'), "{text:?}");
        }
        Self { code: output.status.code(), stdout, stderr }
    }

    /// The same, having ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, having said this on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in\n{}", self.stderr);
        self
    }
}
