//! Secrets: where they come from, and a type that cannot be printed.

use std::fmt;
use std::path::PathBuf;

/// A password or token. It has no `Display` and no `Serialize`, and its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; called where a header or form is built and nowhere else.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a secret is read from, anew at every login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; refused when group or others can read it.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`, exempt from the mode check, since
    /// systemd itself guards that directory.
    Credential(String),
}

/// A secret could not be read. Never carries the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("read the secret file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
