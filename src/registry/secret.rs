//! Secrets: where they come from, and a type that cannot be printed.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest secret file that is read, in bytes; robot tokens and JWTs stay far below.
const LONGEST: u64 = 64 * 1024;

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

impl SecretSource {
    /// Reads the secret anew; one trailing newline is cut. Small and local, so it does not bother to be async.
    pub fn read(&self) -> Result<Secret, SecretError> {
        self.read_with(|name| std::env::var_os(name))
    }

    fn read_with(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let text = match self {
            Self::File(path) => read_file(path, true)?,
            Self::Env(name) => {
                let value = env(name).ok_or_else(|| SecretError::Unset { name: name.clone() })?;
                value.into_string().map_err(|_| SecretError::NotText { from: format!("${name}") })?
            }
            Self::Credential(name) => {
                // A name with a path in it would step out of the directory that systemd guards.
                if name.is_empty() || name.contains('/') || name == ".." || name == "." {
                    return Err(SecretError::BadCredential { name: name.clone() });
                }
                let variable = "CREDENTIALS_DIRECTORY";
                let directory = env(variable).ok_or_else(|| SecretError::Unset { name: variable.to_owned() })?;
                read_file(&Path::new(&directory).join(name), false)?
            }
        };
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if secret.is_empty() { Err(SecretError::Empty { from: self.to_string() }) } else { Ok(Secret::new(secret)) }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "${name}"),
            Self::Credential(name) => write!(f, "$CREDENTIALS_DIRECTORY/{name}"),
        }
    }
}

fn read_file(path: &Path, check_mode: bool) -> Result<String, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    // Looked at before it is opened: opening a pipe waits until somebody writes to it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(SecretError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    // The mode of the file that was opened, not of whatever the path names a moment later.
    if check_mode && is_open_to_others(&file).map_err(failed)? {
        return Err(SecretError::OpenToOthers { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(SecretError::TooLong { path: path.to_owned() });
    }
    // An editor's byte order mark would make every password wrong.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).to_vec();
    String::from_utf8(text).map_err(|_| SecretError::NotText { from: path.display().to_string() })
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> std::io::Result<bool> {
    Ok(false)
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
    /// A directory, a pipe or a device.
    #[error("{path} is no regular file: a secret is not read from anything else")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Group or others may read the file.
    #[error("the secret file {path} can be read by its group or by others: run `chmod 600 {path}`")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// The file is no secret: far too long.
    #[error("the secret file {path} is longer than 64 KiB")]
    TooLong {
        /// The file.
        path: PathBuf,
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
    /// There is nothing in it.
    #[error("the secret in {from} is empty")]
    Empty {
        /// Where it was read from.
        from: String,
    },
    /// A credential's name is a plain file name.
    #[error("the credential name {name:?} is not a plain file name")]
    BadCredential {
        /// The name.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(content).expect("written");
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).expect("mode");
        file
    }

    fn from_file(content: &[u8], mode: u32) -> Result<String, SecretError> {
        let file = file(content, mode);
        SecretSource::File(file.path().to_owned()).read().map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn one_trailing_newline_is_cut_and_no_more() {
        assert_eq!(from_file(b"hunter2\n", 0o600).expect("read"), "hunter2");
        assert_eq!(from_file(b"hunter2\r\n", 0o400).expect("read"), "hunter2");
        assert_eq!(from_file(b" hunter2 \n\n", 0o600).expect("read"), " hunter2 \n");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o644] {
            let error = from_file(b"hunter2", mode).expect_err("refused").to_string();
            assert!(error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn empty_long_and_binary_secrets_are_refused() {
        assert!(matches!(from_file(b"\n", 0o600), Err(SecretError::Empty { .. })));
        assert!(matches!(from_file(&vec![b'a'; 70_000], 0o600), Err(SecretError::TooLong { .. })));
        assert!(matches!(from_file(b"\xff", 0o600), Err(SecretError::NotText { .. })));
        let missing = SecretSource::File("/nonexistent/secret".into()).read();
        assert!(matches!(missing, Err(SecretError::File { .. })));
    }

    #[test]
    fn what_is_no_file_is_refused_and_never_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg("-m600").arg(&fifo).status().expect("mkfifo").success());
        for path in [fifo.as_path(), directory.path(), Path::new("/dev/null")] {
            let (sender, receiver) = std::sync::mpsc::channel();
            let source = SecretSource::File(path.to_owned());
            std::thread::spawn(move || sender.send(source.read().map(|_| ())));
            let read = receiver.recv_timeout(std::time::Duration::from_secs(5)).expect("an answer");
            assert!(matches!(read, Err(SecretError::NotAFile { .. })), "{read:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_secret() {
        assert_eq!(from_file(b"\xef\xbb\xbfhunter2\r\n", 0o600).expect("read"), "hunter2");
        assert!(matches!(from_file(b"\xef\xbb\xbf\n", 0o600), Err(SecretError::Empty { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let env = |_: &str| Some(OsString::from_vec(b"hunter2\xff".to_vec()));
        let error = SecretSource::Env("TOKEN".into()).read_with(env).expect_err("refused");
        assert!(matches!(error, SecretError::NotText { .. }) && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn credentials_come_from_systemds_directory_whatever_their_mode() {
        let file = file(b"hunter2\n", 0o444);
        let directory = file.path().parent().expect("a directory").as_os_str().to_owned();
        let name = file.path().file_name().expect("a name").to_str().expect("text").to_owned();
        let env = |variable: &str| (variable == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
        let secret = SecretSource::Credential(name).read_with(env).expect("read");
        assert_eq!(secret.expose(), "hunter2");
        for name in ["../secret", "", "..", "a/b"] {
            let read = SecretSource::Credential(name.into()).read_with(env);
            assert!(matches!(read, Err(SecretError::BadCredential { .. })), "{name}");
        }
    }

    #[test]
    fn an_environment_variable_is_a_source_too() {
        let env = |variable: &str| (variable == "TOKEN").then(|| OsString::from("hunter2"));
        assert_eq!(SecretSource::Env("TOKEN".into()).read_with(env).expect("read").expose(), "hunter2");
        let unset = SecretSource::Env("OTHER".into()).read_with(env);
        assert!(matches!(unset, Err(SecretError::Unset { .. })));
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
