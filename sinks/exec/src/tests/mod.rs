//! The sink with small shell scripts as plugins.

mod answers;
mod contract_suite;
mod processes;
mod surroundings;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stocktake_sink::{Receipt, Sink, SinkError, Snapshot, Table, Verdict, contract};
use tempfile::TempDir;

use super::*;

/// A good answer: the rows of the manifest.
const ANSWER: &str =
    r#"jq -c '{ok: true, rows: (.objects | map({key: .table, value: .rows}) | from_entries)}' "$1/manifest.json""#;

/// A place for plugins, and for the directories of their snapshots.
struct PluginBench(TempDir);

impl PluginBench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a shell script. Another process writes it: a program that is open for writing here, or in a child that was
    /// forked meanwhile, cannot be run.
    fn script(&self, text: &str) -> PathBuf {
        self.file("plugin", &format!("#!/bin/sh\n{text}\n"), "755")
    }

    fn file(&self, name: &str, text: &str, mode: &str) -> PathBuf {
        let path = self.path(name);
        let mut sh = Command::new("sh");
        sh.args(["-c", "cat > \"$0\" && chmod \"$1\" \"$0\""]).arg(&path).arg(mode).stdin(Stdio::piped());
        let mut sh = sh.spawn().unwrap();
        sh.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(sh.wait().unwrap().success());
        path
    }

    fn settings(&self, program: &Path) -> ExecSettings {
        ExecSettings::new(program.to_str().unwrap(), &[], &self.path("exec"))
    }

    /// A sink whose plugin is this shell script.
    fn sink(&self, script: &str) -> ExecSink {
        ExecSink::new(self.settings(&self.script(script)))
    }

    /// Publishes a snapshot to this shell script; the directory must be gone afterwards.
    async fn publish(&self, script: &str) -> Result<Receipt, SinkError> {
        let published = self.sink(script).publish(&snapshot()).await;
        assert!(self.entries().is_empty(), "{:?}", self.entries());
        published
    }

    /// What lies in the directory for snapshots.
    fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("exec")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Twenty repositories with 48 tags.
fn snapshot() -> Snapshot {
    let id = contract::id("quay", 0);
    let walked = [Table::Repositories, Table::Tags, Table::Manifests];
    contract::snapshot_of(&id, Verdict::Complete, contract::tables(&id, 20, &walked))
}

/// An error with its causes.
fn told(error: &SinkError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
