//! How the plugin is called: arguments, environment, working directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use process_tree::ProgramMark;
use sha2::{Digest as _, Sha256};
use stocktake_sink::{SinkError, SinkErrorKind, SnapshotId};
use stocktake_sink_objects::SnapshotManifest;
use tokio::process::Command;

use crate::handover::{Handover, PROTOCOL};
use crate::running::{Ended, run};
use crate::settings::ExecSettings;

/// Variables that every plugin gets from the environment of this process. None of them holds a secret.
const BASIC: [&str; 12] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
];

/// A command with its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) settings: ExecSettings,
}

impl Plugin {
    pub(crate) fn new(settings: ExecSettings) -> Self {
        Self { settings }
    }

    /// For messages.
    pub(crate) fn name(&self) -> &str {
        self.settings.program.name()
    }

    /// Names this command and the registry in a path. Another sink with another command has another directory.
    pub(crate) fn key(&self, id: &SnapshotId) -> String {
        let mut hash = Sha256::new();
        for word in std::iter::once(&format!("{:?}", self.settings.program)).chain(&self.settings.arguments) {
            hash.update(word);
            hash.update([0]);
        }
        format!("{}-{}", &hex::encode(hash.finalize())[..8], id.registry)
    }

    /// The path of the program, if it can be run.
    pub(crate) fn look(&self) -> Result<PathBuf, SinkError> {
        let fault = match self.settings.program.look() {
            Ok(path) => return Ok(path),
            Err(fault) => fault,
        };
        Err(SinkError::new(SinkErrorKind::Invalid, format!("{fault}: {}", fault.remedy())))
    }

    /// Has a snapshot loaded. The directory is removed when the plugin and all its processes have ended.
    pub(crate) async fn load(
        &self,
        program: &Path,
        handover: Handover,
    ) -> Result<(SnapshotManifest, Ended), SinkError> {
        let id = handover.id();
        let mut command = self.command(program);
        command.arg(&handover.directory).env("STOCKTAKE_SNAPSHOT", &handover.directory);
        command.env("STOCKTAKE_REGISTRY", id.registry.as_str()).env("STOCKTAKE_RUN_ID", id.run_id());
        command.env("STOCKTAKE_GENERATION", id.generation.to_string());
        let (mark, manifest) = (handover.mark(), handover.manifest.clone());
        let ended = run(&mut command, mark, handover).await.map_err(|e| self.broken(program, e))?;
        Ok((manifest, ended))
    }

    /// Asks the plugin whether loading could work now.
    pub(crate) async fn probe(&self, program: &Path) -> Result<Ended, SinkError> {
        let mut command = self.command(program);
        command.arg("--probe");
        run(&mut command, ProgramMark::unique(), ()).await.map_err(|e| self.broken(program, e))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(&self.settings.arguments);
        command.stdin(Stdio::null());
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| self.passes(name)));
        command.env("STOCKTAKE_PROTOCOL", PROTOCOL.to_string());
        if let Some(directory) = &self.settings.working_directory {
            command.current_dir(directory);
        }
        command
    }

    /// Whether the plugin gets this variable. The environment of this process may have the secrets of all registries and
    /// sinks, so only named ones are passed on.
    fn passes(&self, name: &OsStr) -> bool {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.as_encoded_bytes().starts_with(start.as_bytes()),
            None => *name == *OsString::from(pattern),
        };
        BASIC.into_iter().any(matches) || self.settings.environment.iter().map(String::as_str).any(matches)
    }

    fn broken(&self, program: &Path, error: io::Error) -> SinkError {
        let kind = match error.kind() {
            // Out of processes, memory or descriptors.
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => SinkErrorKind::Unavailable,
            _ => SinkErrorKind::Invalid,
        };
        let directory = match &self.settings.working_directory {
            Some(directory) => format!(" in {}", directory.display()),
            None => String::new(),
        };
        let context = format!("cannot run {}{directory}; run it by hand as this user", program.display());
        SinkError::new(kind, context).with_source(error)
    }
}
