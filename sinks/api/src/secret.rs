//! A secret that a sink logs in with: where it is, and a type that cannot be printed. The program reads it, under the
//! rules that hold for all its secrets.

use std::ffi::OsString;
use std::fmt;

use async_trait::async_trait;

use crate::{SinkError, SinkErrorKind};

/// Where a secret is. A sink reads it each time it logs in, so that a new secret is used without a restart.
#[async_trait]
pub trait SecretPlace: fmt::Debug + Send + Sync {
    /// Reads the secret; one trailing newline is removed.
    async fn read(&self) -> Result<SecretText, UnreadableSecret>;

    /// Whether the secret can be read, as far as that shows without running a program.
    fn look(&self) -> Result<(), UnreadableSecret>;
}

/// A password, a key or a token. It has no `Display` and no `Serialize`, and its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Makes a secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. ARCHITECTURE.md lists the places that may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A secret cannot be read. No field has the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct UnreadableSecret {
    /// The key of the configuration that names the place.
    pub key: &'static str,
    /// What the key names: a path, or the name of a variable, program or credential.
    pub thing: OsString,
    /// What is wrong, in one line.
    pub problem: String,
    /// What to do, in one line.
    pub remedy: String,
    /// Whether only the service has it: a credential of systemd, which no other process sees.
    pub is_of_service: bool,
}

impl From<UnreadableSecret> for SinkError {
    fn from(source: UnreadableSecret) -> Self {
        let context = format!("cannot read the secret that `{}` names", source.key);
        Self::new(SinkErrorKind::Invalid, context).with_source(source)
    }
}
