//! Secrets: where they are read from, and a type that cannot be printed.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::login::command::{CommandRun, SecretCommand};
use crate::login::environment::{Environment, LONGEST};
use crate::login::secret_file::{ReadFile, SecretFileRules, read_bytes, text};
use crate::problem::secret::{SecretError, SecretFileUse};

/// A password or token. It has no `Display` and no `Serialize`, and its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Makes a secret of this text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. ARCHITECTURE.md lists the places that may call this.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a secret is read from. A file, a variable and a credential are read again at each login. The output of a
/// command is kept until it is refused or has reached its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file. It is refused if other users can read or change it.
    File(PathBuf),
    /// A file that other users may read and own, by the setting `allow_readable`. It is refused if they can write it.
    ReadableFile(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`. Its mode is not checked, since systemd
    /// protects that directory.
    Credential(String),
    /// The output of a program.
    Command(SecretCommand),
}

impl SecretSource {
    /// Reads the secret; one trailing newline is removed.
    pub(crate) async fn read(&self, environment: Environment<'_>) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Command(command) => {
                let ended = CommandRun::of(command).run(environment).await?.successful()?;
                String::from_utf8(ended).map_err(|_| SecretError::NotText { from: self.to_string() })?
            }
            source => source.stored(environment)?,
        };
        self.secret(&text)
    }

    /// The secret of this text; one trailing newline is removed.
    fn secret(&self, text: &str) -> Result<Secret, SecretError> {
        let secret = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if secret.is_empty() { Err(SecretError::Empty { from: self.to_string() }) } else { Ok(Secret::new(secret)) }
    }

    /// Whether the secret can be read, as far as that shows without running a program.
    pub(crate) fn look(&self, environment: Environment<'_>) -> Result<(), SecretError> {
        match self {
            Self::Command(command) => Ok(CommandRun::of(command).look(environment)?),
            source => self.secret(&source.stored(environment)?).map(drop),
        }
    }

    /// The text of a source other than a command.
    fn stored(&self, environment: Environment<'_>) -> Result<String, SecretError> {
        Ok(match self {
            Self::File(path) => read_secret_file(path, false)?,
            Self::ReadableFile(path) => read_secret_file(path, true)?,
            Self::Env(name) => {
                let value = environment(name).ok_or_else(|| SecretError::Unset { name: name.clone() })?;
                value.into_string().map_err(|_| SecretError::NotText { from: self.to_string() })?
            }
            Self::Credential(name) => {
                // A name with a `/` would leave the directory that systemd protects.
                if name.is_empty() || name.contains('/') || name == ".." || name == "." {
                    return Err(SecretError::BadCredential { name: name.clone() });
                }
                let variable = "CREDENTIALS_DIRECTORY";
                let directory =
                    environment(variable).ok_or_else(|| SecretError::Unset { name: variable.to_owned() })?;
                let path = Path::new(&directory).join(name);
                text(read_bytes(&path, LONGEST)?, &path)?
            }
            Self::Command(_) => String::new(),
        })
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::ReadableFile(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "${name}"),
            Self::Credential(name) => write!(f, "$CREDENTIALS_DIRECTORY/{name}"),
            Self::Command(command) => write!(f, "the output of `{}`", command.program()),
        }
    }
}

fn read_secret_file(path: &Path, allow_readable: bool) -> Result<String, SecretError> {
    let rules = SecretFileRules { longest: LONGEST, used_as: SecretFileUse::Login, allow_readable };
    ReadFile::unchangeable(path, rules)?.guarded()?.text()
}

#[cfg(test)]
mod tests;
