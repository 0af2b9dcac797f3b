//! An installation of the program in a directory of its own: configuration, state, a Parquet and a JSON sink, and a
//! registry whose content is another one every round, so that snapshots can be told from each other.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use chrono::{DateTime, Utc};
use fake_registry::{FakeRegistry, Script};
use serde_json::Value;
use tempfile::TempDir;

use super::small_disk::SmallDisk;
use super::stranger::{ExportFormat, Stranger};

/// The two sinks: name, directory, what a reader finds there.
pub(crate) const SINKS: [(&str, &str, ExportFormat); 2] =
    [("warehouse", "inventory", ExportFormat::Parquet), ("feed", "inventory-json", ExportFormat::Json)];

/// The content of a round, in order. All rounds are equally long: shrinking is a matter of other tests.
pub(crate) fn names(round: usize, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("round-{round:04}/service-{at:05}")).collect()
}

/// Starts a registry for [`Installation::point_at`].
pub(crate) async fn start(script: Script) -> FakeRegistry {
    FakeRegistry::start(script).await.expect("a port")
}

/// A directory with one installation.
#[derive(Debug)]
pub(crate) struct Installation {
    /// Declared first, so that it goes before the directory it is mounted in.
    disk: Option<SmallDisk>,
    directory: TempDir,
    /// Repositories in each round.
    pub(crate) count: usize,
}

impl Installation {
    /// An installation that has never run.
    pub(crate) fn new(count: usize) -> Self {
        Self { disk: None, directory: tempfile::tempdir().expect("a temporary directory"), count }
    }

    /// The same where syncing costs nothing, for tests that run the program hundreds of times.
    pub(crate) fn in_memory(count: usize) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { disk: None, directory: directory.expect("a temporary directory"), count }
    }

    /// The same with one of its directories on a small disk.
    pub(crate) fn on_small_disk(count: usize, directory: &str, kilobytes: usize) -> Self {
        let site = Self::in_memory(count);
        Self { disk: Some(SmallDisk::mount(&site.path().join(directory), kilobytes)), ..site }
    }

    /// The small disk of [`Installation::on_small_disk`].
    pub(crate) fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("a site on a small disk")
    }

    /// The same as it is now, in memory: all its paths are relative.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::in_memory(self.count);
        copy_tree(self.path(), copy.path());
        copy
    }

    /// Where everything is, for the program.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where everything is, for the test.
    fn seen(&self) -> PathBuf {
        self.disk.as_ref().map_or_else(|| self.path().to_owned(), |disk| disk.seen(self.path()))
    }

    /// The state directory of the registry.
    pub(crate) fn state(&self) -> PathBuf {
        self.seen().join("state/quay")
    }

    /// Readers of both sinks that know nothing yet.
    pub(crate) fn strangers(&self) -> [Stranger; 2] {
        SINKS.map(|(_, directory, format)| Stranger::new(self.seen().join(directory), format, self.count))
    }

    /// Starts the registry of a round and points the configuration at it.
    pub(crate) async fn serve(&self, round: usize) -> FakeRegistry {
        let registry = start(Script::open(&*names(round, self.count))).await;
        self.point_at(&registry);
        registry
    }

    /// Points the configuration at a registry.
    pub(crate) fn point_at(&self, registry: &FakeRegistry) {
        let mut yaml = String::from("state: ./state\nsinks:\n");
        for (name, directory, format) in SINKS {
            let kind = format.sink_type();
            writeln!(yaml, "  {name}: {{type: {kind}, url: ./{directory}}}").expect("writing to a string cannot fail");
        }
        let url = registry.url();
        writeln!(yaml, "registries:\n  - {{name: quay, url: \"{url}\", page_size: 250, auth: {{type: none}}}}")
            .expect("writing to a string cannot fail");
        fs::write(self.path().join("stocktake.yaml"), yaml).expect("a configuration");
    }

    /// `stocktake run`, about to be started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stocktake"));
        command.args(["--config", "stocktake.yaml", "run"]).current_dir(self.path());
        command.env("NO_PROXY", "127.0.0.1").env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
        match &self.disk {
            Some(disk) => disk.enter(&command),
            None => command,
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> FinishedProcess {
        FinishedProcess::of(&mut self.command())
    }

    /// Serves a round and runs it, which must succeed.
    pub(crate) async fn must_run(&self, round: usize) {
        let _registry = self.serve(round).await;
        let ended = self.run();
        assert_eq!(ended.status.code(), Some(0), "round {round}: {}", ended.told);
    }

    /// `state.json`; null before there is one.
    pub(crate) fn pointer(&self) -> Value {
        match fs::read(self.state().join("state.json")) {
            Ok(json) => serde_json::from_slice(&json).expect("state.json is whole at any moment"),
            Err(_) => Value::Null,
        }
    }

    /// The run id of the snapshot that `state.json` names.
    pub(crate) fn kept_run(&self) -> String {
        let id = self.pointer()["last"]["id"].take();
        let slot: DateTime<Utc> = id["scheduled_at"].as_str().expect("a slot").parse().expect("a time");
        format!("quay-{}", slot.format("%Y%m%dT%H%M%SZ"))
    }

    /// The entries of the state directory, sorted.
    pub(crate) fn state_entries(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state()) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// Asserts that the last run left nothing that is not meant to stay: one sealed snapshot, no more files at the
    /// sinks than manifests name.
    pub(crate) fn assert_tidy(&self) {
        let sealed = format!("sealed-{}.g1", self.kept_run());
        assert_eq!(self.state_entries(), ["lock", &sealed, "state.json"]);
        for stranger in self.strangers() {
            assert_eq!(stranger.unnamed(), Vec::<PathBuf>::new());
        }
    }
}

/// A run that came to an end.
#[derive(Debug)]
pub(crate) struct FinishedProcess {
    /// How.
    pub(crate) status: ExitStatus,
    /// What it said on standard error.
    pub(crate) told: String,
}

impl FinishedProcess {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.stderr(Stdio::piped()).output().expect("the program starts");
        Self { status: output.status, told: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Whether SIGKILL ended it.
    pub(crate) fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

/// A run in progress; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct RunningChild(Child);

impl RunningChild {
    /// Starts a command whose output is not read.
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.stderr(Stdio::null()).spawn().expect("the program starts"))
    }

    /// Kills it; false if it had ended by itself, which must have been a success.
    pub(crate) fn kill(mut self) -> bool {
        self.0.kill().expect("it is our child");
        let status = self.0.wait().expect("it is our child");
        assert!(status.signal() == Some(9) || status.success(), "{status}");
        status.signal() == Some(9)
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir(&target).expect("a directory");
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
