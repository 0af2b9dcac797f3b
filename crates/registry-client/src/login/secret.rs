//! Secrets: where they are read from, and a type that cannot be printed.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::login::command::{CommandRun, SecretCommand};
use crate::login::environment::{Environment, LONGEST};
use crate::problem::secret::SecretError;

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
    /// A file. It is refused if group or others can read or change it.
    File(PathBuf),
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
        let not_text = || SecretError::NotText { from: self.to_string() };
        let text = match self {
            Self::File(path) => read_secret_file(path, true)?,
            Self::Env(name) => {
                let value = environment(name).ok_or_else(|| SecretError::Unset { name: name.clone() })?;
                value.into_string().map_err(|_| not_text())?
            }
            Self::Credential(name) => {
                // A name with a `/` would leave the directory that systemd protects.
                if name.is_empty() || name.contains('/') || name == ".." || name == "." {
                    return Err(SecretError::BadCredential { name: name.clone() });
                }
                let variable = "CREDENTIALS_DIRECTORY";
                let directory =
                    environment(variable).ok_or_else(|| SecretError::Unset { name: variable.to_owned() })?;
                read_secret_file(&Path::new(&directory).join(name), false)?
            }
            Self::Command(command) => {
                let ended = CommandRun::of(command).run(environment).await?.successful()?;
                String::from_utf8(ended).map_err(|_| not_text())?
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
            Self::Command(command) => write!(f, "the output of `{}`", command.program()),
        }
    }
}

fn read_secret_file(path: &Path, check_mode: bool) -> Result<String, SecretError> {
    let read = read_file(path, LONGEST)?;
    if check_mode { read.guarded(path) } else { Ok(read.text) }
}

/// The content of a file, and what other users may do with it.
pub(crate) struct ReadFile {
    pub(crate) text: String,
    pub(crate) is_open_to_others: bool,
    changeable: Option<u32>,
}

impl ReadFile {
    /// The text, if no other user may read or change it.
    pub(crate) fn guarded(self, path: &Path) -> Result<String, SecretError> {
        let file = self.unchangeable(path)?;
        if file.is_open_to_others { Err(SecretError::OpenToOthers { path: path.to_owned() }) } else { Ok(file.text) }
    }

    /// The text, if no other user may change the file or put another file in its place.
    pub(crate) fn unchangeable(self, path: &Path) -> Result<Self, SecretError> {
        if let Some(mode) = self.changeable {
            return Err(SecretError::Changeable { path: path.to_owned(), mode });
        }
        match open_directory(path) {
            Some(directory) => Err(SecretError::OpenDirectory { path: path.to_owned(), directory }),
            None => Ok(self),
        }
    }
}

/// Reads a small, regular file of text.
pub(crate) fn read_file(path: &Path, longest: u64) -> Result<ReadFile, SecretError> {
    let ReadBytes { bytes, mode } = read_bytes(path, longest)?;
    // A byte order mark of an editor would make every password wrong.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).to_vec();
    let text = String::from_utf8(text).map_err(|_| SecretError::NotText { from: path.display().to_string() })?;
    // A secret that others may run has the wrong mode, as one that others may write.
    let changeable = (mode & 0o033 != 0).then_some(mode & 0o7777);
    Ok(ReadFile { text, is_open_to_others: mode & 0o044 != 0, changeable })
}

/// The bytes of a small, regular file, and its mode.
pub(crate) struct ReadBytes {
    pub(crate) bytes: Vec<u8>,
    mode: u32,
}

/// Reads a small, regular file.
pub(crate) fn read_bytes(path: &Path, longest: u64) -> Result<ReadBytes, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let no_file = || SecretError::NotAFile { path: path.to_owned() };
    // The type is checked before the file is opened: opening a device may have an effect.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(no_file());
    }
    // If it has become a pipe meanwhile, this does not wait for a writer.
    let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    // The opened file is checked, and not the path, which may name another file by now.
    let opened = file.metadata().map_err(failed)?;
    if !opened.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > longest {
        return Err(SecretError::TooLong { path: path.to_owned(), kib: longest / 1024 });
    }
    Ok(ReadBytes { bytes, mode: opened.mode() })
}

/// A directory on the path of a file in which every user may replace files: writable for all, and without the sticky
/// bit. If the path has links, the directories of their targets are checked as well.
fn open_directory(path: &Path) -> Option<PathBuf> {
    let is_open = |directory: &&Path| {
        std::fs::metadata(directory).is_ok_and(|found| found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0)
    };
    let (named, real) = (std::path::absolute(path).ok(), path.canonicalize().ok());
    let directories = named.iter().chain(&real).flat_map(|path| path.ancestors().skip(1));
    directories.filter(is_open).map(Path::to_owned).next()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(content).expect("written");
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).expect("mode");
        file
    }

    /// Reads a source that does not wait.
    fn read(source: &SecretSource, environment: Environment<'_>) -> Result<Secret, SecretError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(source.read(environment))
    }

    fn from_file(content: &[u8], mode: u32) -> Result<String, SecretError> {
        let file = file(content, mode);
        read(&SecretSource::File(file.path().to_owned()), &|_| None).map(|secret| secret.expose().to_owned())
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
    fn a_file_that_others_can_write_or_run_is_refused_with_the_remedy() {
        for mode in [0o620, 0o602, 0o622, 0o611, 0o601, 0o610, 0o666, 0o777] {
            let error = from_file(b"hunter2", mode).expect_err("refused");
            assert!(matches!(error, SecretError::Changeable { .. }), "{mode:o}: {error:?}");
            let error = error.to_string();
            assert!(error.contains("chmod 600") && error.contains(&format!("{mode:04o}")), "{error}");
        }
        for mode in [0o600, 0o400, 0o700] {
            assert_eq!(from_file(b"hunter2", mode).expect("read"), "hunter2", "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_others_can_exchange_is_refused() {
        let place = tempfile::tempdir().expect("a directory");
        let (open, inner) = (place.path().join("open"), place.path().join("open/inner"));
        std::fs::create_dir_all(&inner).expect("made");
        let closed = place.path().join("closed");
        std::fs::create_dir(&closed).expect("made");
        let of = |path: &Path| {
            read(&SecretSource::File(path.to_owned()), &|_| None).map(|secret| secret.expose().to_owned())
        };
        let mode =
            |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
        for path in [inner.join("secret"), closed.join("secret")] {
            std::fs::write(&path, "hunter2").expect("written");
            mode(&path, 0o600);
        }
        std::os::unix::fs::symlink(closed.join("secret"), open.join("link")).expect("linked");
        std::os::unix::fs::symlink(inner.join("secret"), closed.join("link")).expect("linked");
        for (directory, refused) in [(0o755, false), (0o777, true), (0o1777, false), (0o775, false), (0o702, true)] {
            mode(&open, directory);
            for path in [inner.join("secret"), open.join("link"), closed.join("link")] {
                match of(&path) {
                    Ok(_) => assert!(!refused, "{directory:o}: {}", path.display()),
                    Err(error) => {
                        assert!(
                            refused && matches!(error, SecretError::OpenDirectory { .. }),
                            "{directory:o}: {error:?}"
                        );
                        assert!(error.to_string().contains(&format!("chmod o-w {}", open.display())), "{error}");
                    }
                }
            }
            assert!(of(&closed.join("secret")).is_ok());
        }
        mode(&open, 0o755);
    }

    #[test]
    fn empty_long_and_binary_secrets_are_refused() {
        assert!(matches!(from_file(b"\n", 0o600), Err(SecretError::Empty { .. })));
        assert!(matches!(from_file(&vec![b'a'; 70_000], 0o600), Err(SecretError::TooLong { .. })));
        assert!(matches!(from_file(b"\xff", 0o600), Err(SecretError::NotText { .. })));
        let missing = read(&SecretSource::File("/nonexistent/secret".into()), &|_| None);
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
            std::thread::spawn(move || sender.send(read(&source, &|_| None).map(|_| ())));
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
        let error = read(&SecretSource::Env("TOKEN".into()), &env).expect_err("refused");
        assert!(matches!(error, SecretError::NotText { .. }) && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn credentials_come_from_systemds_directory_whatever_their_mode() {
        let file = file(b"hunter2\n", 0o444);
        let directory = file.path().parent().expect("a directory").as_os_str().to_owned();
        let name = file.path().file_name().expect("a name").to_str().expect("text").to_owned();
        let env = |variable: &str| (variable == "CREDENTIALS_DIRECTORY").then(|| directory.clone());
        let secret = read(&SecretSource::Credential(name), &env).expect("read");
        assert_eq!(secret.expose(), "hunter2");
        for name in ["../secret", "", "..", "a/b"] {
            let read = read(&SecretSource::Credential(name.into()), &env);
            assert!(matches!(read, Err(SecretError::BadCredential { .. })), "{name}");
        }
    }

    #[test]
    fn an_environment_variable_is_a_source_too() {
        let env = |variable: &str| (variable == "TOKEN").then(|| OsString::from("hunter2"));
        assert_eq!(read(&SecretSource::Env("TOKEN".into()), &env).expect("read").expose(), "hunter2");
        let unset = read(&SecretSource::Env("OTHER".into()), &env);
        assert!(matches!(unset, Err(SecretError::Unset { .. })));
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
