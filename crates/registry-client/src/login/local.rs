//! What a secret needs on this machine: looked at without sending anything and without running a program.

use std::ffi::OsString;
use std::path::Path;

use crate::login::environment::Environment;
use crate::login::secret::SecretSource;
use crate::login::secret_file::{ReadFile, SecretFileRules};
use crate::problem::chain::chain;
use crate::problem::secret::{SecretError, SecretFileUse};

/// Something that a setting names on this machine and that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct LocalProblem {
    /// The keys of a configuration of which one names it.
    pub keys: &'static [&'static str],
    /// What it names: a path, or the name of a variable, program or credential. For `auth: docker_config`, the URL of
    /// the registry.
    pub thing: OsString,
    /// What is wrong, in one line. Never has a secret.
    pub problem: String,
    /// What to do, in one line.
    pub remedy: String,
    /// Whether only the service has it: a credential of systemd, which no other process sees.
    pub is_of_service: bool,
}

impl LocalProblem {
    pub(crate) fn of(keys: &'static [&'static str], thing: impl Into<OsString>, error: &SecretError) -> Self {
        Self { keys, thing: thing.into(), problem: chain(error), remedy: error.remedy(), is_of_service: false }
    }
}

impl SecretSource {
    /// Why the secret cannot be read, as far as that shows without running a program.
    pub fn local_problem(&self) -> Option<LocalProblem> {
        self.local_problem_within(&|name: &str| std::env::var_os(name))
    }

    /// Reads the key of a listener, which is a secret as a password is. With `allow_readable`, other users may read and
    /// own the file.
    ///
    /// # Errors
    /// If the file cannot be read, is longer than `longest` bytes, or is not protected from other users.
    pub fn listener_key(path: &Path, longest: u64, allow_readable: bool) -> Result<Vec<u8>, LocalProblem> {
        let rules = SecretFileRules { longest, used_as: SecretFileUse::ListenerKey, allow_readable };
        let read = ReadFile::unchangeable(path, rules).and_then(ReadFile::guarded);
        read.map(|file| file.bytes).map_err(|error| LocalProblem::of(&["key_file"], path, &error))
    }

    /// Reads the secret for another purpose than to log in to a registry; one trailing newline is removed. The caller keeps
    /// it from being printed.
    ///
    /// # Errors
    /// If the secret cannot be read, or is not protected from other users.
    pub async fn reveal(&self) -> Result<String, LocalProblem> {
        let environment = |name: &str| std::env::var_os(name);
        let read = self.read(&environment).await;
        read.map(|secret| secret.expose().to_owned()).map_err(|error| self.problem_of(&error))
    }

    pub(crate) fn local_problem_within(&self, environment: Environment<'_>) -> Option<LocalProblem> {
        self.look(environment).err().map(|error| self.problem_of(&error))
    }

    fn problem_of(&self, error: &SecretError) -> LocalProblem {
        let (keys, thing): (&[&str], OsString) = match self {
            Self::File(path) | Self::ReadableFile(path) => (&["password_file", "token_file"], path.into()),
            Self::Env(name) => (&["password_env", "token_env"], name.into()),
            Self::Command(command) => (&["password_command", "token_command"], command.program().into()),
            Self::Credential(name) => (&["credential"], name.into()),
        };
        let is_of_service = matches!((self, error), (Self::Credential(_), SecretError::Unset { .. }));
        LocalProblem { is_of_service, ..LocalProblem::of(keys, thing, error) }
    }
}
