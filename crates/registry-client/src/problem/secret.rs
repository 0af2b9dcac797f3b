//! Why a secret could not be read, and the remedy. No text here has a secret.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

pub(crate) use crate::problem::exposed::{Exposed, SecretFileUse};

/// A secret could not be read. Never carries the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {path}: {}", in_words(.error))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A directory, a pipe or a device.
    #[error("{path} is not a regular file: a secret is read from a regular file only")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Group or others may read the file.
    #[error("the secret file {} can be read by its group or by others (mode {:04o})", .0.path.display(), .0.mode)]
    OpenToOthers(Exposed),
    /// Group or others may write or run the file.
    #[error("the secret file {} can be changed or run by its group or by others (mode {:04o})", .0.path.display(), .0.mode)]
    Changeable(Exposed),
    /// A user other than root and this one owns the file.
    #[error("the secret file {} belongs to another user ({}), who can change it", .0.path.display(), .0.owner)]
    Foreign(Exposed),
    /// All users may put another file in the place of this one.
    #[error("all users can exchange the secret file {path}, since they can write to {directory}")]
    OpenDirectory {
        /// The file.
        path: PathBuf,
        /// The directory, in the file's own path or that of a link to it.
        directory: PathBuf,
    },
    /// The file is too long for a secret.
    #[error("the secret file {path} is longer than {kib} KiB")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound.
        kib: u64,
    },
    /// The environment variable is not set.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// The secret is not UTF-8.
    #[error("the secret in {from} is not UTF-8 text")]
    NotText {
        /// Where it was read from.
        from: String,
    },
    /// The secret is empty.
    #[error("the secret in {from} is empty")]
    Empty {
        /// Where it was read from.
        from: String,
    },
    /// The name of a credential is not a plain file name.
    #[error("the credential name {name:?} is not a plain file name")]
    BadCredential {
        /// The name.
        name: String,
    },
    /// The program that prints the secret failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Neither docker nor podman has stored anything for this registry.
    #[error("docker and podman have stored no credentials for {server}{}; looked at {}", beside(.others), list(.looked_at))]
    NotStored {
        /// The registry's host and port, or more.
        server: String,
        /// The files, and why each has nothing.
        looked_at: Vec<(PathBuf, String)>,
        /// Entries for parts of this registry only.
        others: Vec<String>,
    },
    /// The file is not a configuration of docker or podman. Only the position is shown: the text has secrets.
    #[error("{path} is not a docker configuration: see line {line}, column {column}")]
    NotDockerConfig {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1; 0 at the beginning of a line.
        column: usize,
    },
    /// `auth` of an entry is not `user:password` in base64.
    #[error("the entry `{key}` in {path} has an `auth` that is not `user:password` in base64")]
    BadEntry {
        /// The file.
        path: PathBuf,
        /// The entry's key.
        key: String,
    },
    /// The name of a credential helper has characters that could lead to another program.
    #[error("the credential helper {name:?} in {path} is not a plain name")]
    BadHelper {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The answer of a credential helper does not follow its protocol.
    #[error("`{program}` did not print a user name and a secret in JSON")]
    HelperAnswer {
        /// The helper.
        program: String,
    },
    /// The registry takes no tokens, and an identity token can only be exchanged for tokens.
    #[error("an identity token is stored, and this registry takes no tokens")]
    IdentityAlone,
}

impl SecretError {
    /// What the operator can do about it, in one line.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NotStored { others, .. } if !others.is_empty() => {
                "set `namespace` below `auth` to the part of the registry whose credentials to use".into()
            }
            Self::NotStored { server, .. } => {
                format!(
                    "as the user that stocktake runs as: `docker login {server}` or `podman login {server}`; or name the file: `auth: {{type: docker_config, file: PATH}}`"
                )
            }
            Self::NotDockerConfig { .. } | Self::BadEntry { .. } | Self::BadHelper { .. } => {
                "correct the file, or log out and log in again".into()
            }
            Self::Command(CommandError::TimedOut { .. }) => {
                "run the program by hand as this user; if it only takes a long time, raise `command_timeout`".into()
            }
            Self::Command(_) | Self::HelperAnswer { .. } => {
                "run the program by hand, as the user and with the environment that stocktake has".into()
            }
            Self::IdentityAlone => "store a user name and a password instead".into(),
            Self::OpenToOthers(exposed) => exposed.remedy_if_readable(),
            Self::Changeable(exposed) => exposed.remedy_if_writable(),
            Self::Foreign(exposed) => exposed.remedy_if_foreign(),
            Self::OpenDirectory { directory, .. } => format!("`chmod o-w {}`", directory.display()),
            Self::File { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "put the secret there, or name the file where it is".into()
            }
            Self::File { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                "let the user of stocktake read the file: `chown`, or `fsGroup` in the `securityContext` of a pod"
                    .into()
            }
            Self::Unset { name } if name == "CREDENTIALS_DIRECTORY" => {
                "systemd sets it for a unit with `LoadCredential=`; elsewhere set it to the directory of the file"
                    .into()
            }
            Self::Unset { name } => format!("set {name} in the environment of stocktake (`Environment=`, `env:`)"),
            Self::Empty { .. } => "put the secret there".into(),
            _ => "check where the password is kept, and that this user may read it".into(),
        }
    }
}

/// Why a program gave no secret. Never has its output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// No such program.
    #[error("there is no program `{program}` on the PATH")]
    NotFound {
        /// The program.
        program: String,
    },
    /// The program could not be started.
    #[error("run `{program}`")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program ran too long and was killed.
    #[error("`{program}` was still running after {after:?} and was killed")]
    TimedOut {
        /// The program.
        program: String,
        /// The deadline.
        after: Duration,
    },
    /// The program printed more than a secret can have, and was killed.
    #[error("`{program}` printed more than 64 KiB, and was killed")]
    TooLong {
        /// The program.
        program: String,
    },
    /// The program ended with an exit status other than success.
    #[error("`{program}` ended with {status}{}", quoted(.complaint))]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its error output, as far as it may be shown.
        complaint: String,
    },
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn quoted(complaint: &str) -> String {
    if complaint.is_empty() { String::new() } else { format!(": `{complaint}`") }
}

fn beside(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(" as a whole, only for {}", others.join(", ")) }
}

fn list(looked_at: &[(PathBuf, String)]) -> String {
    let files = looked_at.iter().map(|(path, found)| format!("{} ({found})", path.display()));
    files.collect::<Vec<_>>().join(", ")
}
