//! Reads a file that holds a secret. Every such file is read here: it is opened once, and what is opened is judged.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::login::protection::{FileFacts, OwnIds, WhoChanges};
use crate::problem::secret::{Exposed, SecretError, SecretFileUse};

/// How a secret file is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretFileRules {
    /// Bytes that the file has at most.
    pub(crate) longest: u64,
    /// What it is for, so that messages name the settings that help.
    pub(crate) used_as: SecretFileUse,
    /// The setting `allow_readable`: other users may read the file, and own it.
    pub(crate) allow_readable: bool,
}

/// The content of a file that nobody else can change, and whether others can read it.
pub(crate) struct ReadFile {
    pub(crate) bytes: Vec<u8>,
    path: PathBuf,
    /// Why the content may not be used as a secret.
    readable: Option<Exposed>,
}

impl ReadFile {
    /// Reads a small, regular file. It is refused if another user can change it or put another file in its place.
    pub(crate) fn unchangeable(path: &Path, rules: SecretFileRules) -> Result<Self, SecretError> {
        let file = open(path)?;
        let own = OwnIds::of_process();
        let facts = FileFacts::of(&file, path, &own).map_err(|source| failed(path, source))?;
        let exposed = || Exposed {
            path: path.to_owned(),
            mode: facts.mode,
            owner: facts.owner,
            used_as: rules.used_as,
            can_be_corrected: facts.can_be_corrected(&own),
        };
        match facts.changeable(&own) {
            Some(WhoChanges::Owner) if !rules.allow_readable => {
                return Err(SecretError::Foreign(exposed()));
            }
            Some(WhoChanges::GroupOrOthers) => return Err(SecretError::Changeable(exposed())),
            _ => {}
        }
        if let Some(directory) = open_directory(path) {
            return Err(SecretError::OpenDirectory { path: path.to_owned(), directory });
        }
        let readable = (!rules.allow_readable && facts.is_readable(&own)).then(exposed);
        Ok(Self { bytes: bytes(file, path, rules.longest)?, path: path.to_owned(), readable })
    }

    /// The content, if others cannot read it.
    pub(crate) fn guarded(self) -> Result<Self, SecretError> {
        match self.readable {
            Some(exposed) => Err(SecretError::OpenToOthers(exposed)),
            None => Ok(self),
        }
    }

    /// Why the content may not be used as a secret; nothing if others cannot read it.
    pub(crate) fn readable(&self) -> Option<&Exposed> {
        self.readable.as_ref()
    }

    /// The content as text.
    pub(crate) fn text(self) -> Result<String, SecretError> {
        text(self.bytes, &self.path)
    }
}

/// Reads a small, regular file that is no secret, or whose directory systemd protects.
pub(crate) fn read_bytes(path: &Path, longest: u64) -> Result<Vec<u8>, SecretError> {
    bytes(open(path)?, path, longest)
}

/// The text of bytes without the byte order mark of an editor, which would make every password wrong.
pub(crate) fn text(bytes: Vec<u8>, path: &Path) -> Result<String, SecretError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(text).map_err(|_| SecretError::NotText { from: path.display().to_string() })
}

fn failed(path: &Path, error: std::io::Error) -> SecretError {
    SecretError::File { path: path.to_owned(), error }
}

fn open(path: &Path) -> Result<File, SecretError> {
    let no_file = || SecretError::NotAFile { path: path.to_owned() };
    // The type is checked before the file is opened: opening a device may have an effect.
    if !std::fs::metadata(path).map_err(|source| failed(path, source))?.is_file() {
        return Err(no_file());
    }
    // If it has become a pipe meanwhile, this does not wait for a writer.
    let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|source| failed(path, source))?;
    // The opened file is checked, and not the path, which may name another file by now.
    if file.metadata().map_err(|source| failed(path, source))?.is_file() { Ok(file) } else { Err(no_file()) }
}

fn bytes(file: File, path: &Path, longest: u64) -> Result<Vec<u8>, SecretError> {
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes).map_err(|source| failed(path, source))?;
    if bytes.len() as u64 > longest {
        return Err(SecretError::TooLong { path: path.to_owned(), kib: longest / 1024 });
    }
    Ok(bytes)
}

/// A directory on the path of a file in which every user may replace files: writable for all, without the sticky bit,
/// and not on a read-only mount. If the path has links, the directories of their targets are checked as well.
fn open_directory(path: &Path) -> Option<PathBuf> {
    let is_open = |directory: &&Path| {
        std::fs::metadata(directory).is_ok_and(|found| found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0)
            && !is_read_only(directory)
    };
    let (named, real) = (std::path::absolute(path).ok(), path.canonicalize().ok());
    let directories = named.iter().chain(&real).flat_map(|path| path.ancestors().skip(1));
    directories.filter(is_open).map(Path::to_owned).next()
}

fn is_read_only(directory: &Path) -> bool {
    let system = rustix::fs::statvfs(directory);
    system.is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}
