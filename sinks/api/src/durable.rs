//! How a file becomes visible: hidden name → fsync → rename → fsync of the directory.
//!
//! No other code of the project renames files, so no step is forgotten.

use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The beginning of names of staged files. Readers skip hidden files, and sweeping removes them.
pub const STAGING_PREFIX: &str = ".stocktake-";

/// A file that is written under a hidden name beside its target. It is removed if it is dropped before [`Staged::commit`].
#[derive(Debug)]
pub struct Staged {
    file: Option<File>,
    hidden: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Starts to write `target`. Creates its directory if that does not exist.
    ///
    /// # Errors
    /// If the directory or the hidden file cannot be created.
    pub fn create(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let directory = parent(target);
        create_dirs(directory)?;
        // Each writer has its own name. With a shared name, the first writer could rename the half-written file of the
        // second one.
        let hidden = directory.join(staging_name(name));
        let file = File::create_new(&hidden)?;
        Ok(Self { file: Some(file), hidden, target: target.to_owned() })
    }

    /// Makes the file visible under its name and durable. An existing file is replaced.
    ///
    /// # Errors
    /// If a step fails. Then nothing has become visible.
    pub fn commit(mut self) -> io::Result<()> {
        self.sync()?;
        rename(&self.hidden, &self.target)?;
        self.file = None;
        Ok(())
    }

    /// Makes the file visible under its name and durable, unless the name exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the target exists; else as for [`Staged::commit`].
    pub fn commit_new(mut self) -> io::Result<()> {
        self.sync()?;
        let directory = open_dir(parent(&self.target))?;
        // Unlike a rename, a hard link refuses an existing target, atomically. The hidden name is removed on drop.
        match fs::hard_link(&self.hidden, &self.target) {
            // File systems without hard links (FAT, SMB, some FUSE) return one of these errors. There, the check and the
            // rename are two steps, so callers that may race take a lock.
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
                if fs::exists(&self.target)? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.hidden, &self.target)?;
                self.file = None;
            }
            linked => linked?,
        }
        sync_opened(&directory)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |f| f.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.hidden);
        }
    }
}

/// Renames a file or directory whose content is durable, and makes the new name durable.
///
/// # Errors
/// Those of the operating system. If there was no file descriptor or no space, nothing has changed, and the caller may try
/// again.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    // The directory is opened first: without a free descriptor, the renamed file could not be made durable.
    let directory = open_dir(parent(to))?;
    fs::rename(from, to)?;
    sync_opened(&directory)
}

/// Replaces `target` by `bytes`, atomically and durably.
///
/// # Errors
/// As for [`Staged::create`] and [`Staged::commit`].
pub fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = Staged::create(target)?;
    staged.write_all(bytes)?;
    staged.commit()
}

/// Makes `target` another name of the file `from`, atomically and durably. An existing file is replaced. On a file system
/// without hard links, `target` becomes a copy.
///
/// # Errors
/// Those of the operating system. Then `target` is as before.
pub fn link(from: &Path, target: &Path) -> io::Result<()> {
    let directory = parent(target);
    create_dirs(directory)?;
    let hidden = directory.join(staging_name(target.file_name().ok_or(io::ErrorKind::InvalidFilename)?));
    match fs::hard_link(from, &hidden) {
        // FAT, SMB and some FUSE have no hard links; ext4 has at most 65,000 of one file.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::TooManyLinks
            ) =>
        {
            let mut staged = Staged::create(target)?;
            io::copy(&mut File::open(from)?, &mut staged)?;
            return staged.commit();
        }
        linked => linked?,
    }
    let renamed = rename(&hidden, target);
    // If both are names of the same file, a rename succeeds and removes none of them.
    let _ = fs::remove_file(&hidden);
    renamed
}

/// A file that a sweep could not remove, and why. It does no harm, so it is a warning.
#[derive(Debug)]
pub struct Left {
    path: PathBuf,
    why: io::Error,
}

impl Left {
    /// A file that was not removed because of this error.
    pub fn new(path: &Path, why: io::Error) -> Self {
        Self { path: path.to_owned(), why }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left as it is: {}", self.path.display(), self.why)
    }
}

/// Removes staged files of killed processes from `directory`, if it exists; not from its subdirectories. Returns what cannot
/// be removed: a directory with such a name, a file that cannot be deleted, a directory that cannot be listed.
#[must_use = "what is left is a warning"]
pub fn sweep(directory: &Path) -> Vec<Left> {
    sweep_where(directory, |name| name.as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes()))
}

/// As [`sweep`], but removes only staged files of `target`, because others write to the same directory.
#[must_use = "what is left is a warning"]
pub fn sweep_target(target: &Path) -> Vec<Left> {
    let Some(file_name) = target.file_name().map(OsStr::as_encoded_bytes) else { return Vec::new() };
    sweep_where(parent(target), |name| {
        let rest = name.as_encoded_bytes().strip_prefix(STAGING_PREFIX.as_bytes());
        rest.and_then(|rest| rest.get(TAG_LENGTH..)) == Some(file_name)
    })
}

fn sweep_where(directory: &Path, is_leftover: impl Fn(&OsStr) -> bool) -> Vec<Left> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => return vec![Left::new(directory, e)],
        Ok(entries) => entries,
    };
    let mut left = Vec::new();
    for entry in entries {
        match entry {
            Err(e) => left.push(Left::new(directory, e)),
            Ok(entry) if is_leftover(&entry.file_name()) => match fs::remove_file(entry.path()) {
                // Another sweep, or the writer of the file, removed it first.
                Err(e) if e.kind() != io::ErrorKind::NotFound => left.push(Left::new(&entry.path(), e)),
                _ => {}
            },
            Ok(_) => {}
        }
    }
    left
}

/// Creates `directory` and its parents, and makes each new entry durable.
///
/// # Errors
/// Those of the operating system.
pub fn create_dirs(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    create_dirs(parent(directory))?;
    match fs::create_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            // Another process created it in the meantime, or a file has this name.
            if directory.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        }
        Err(e) => Err(e),
        Ok(()) => sync_dir(parent(directory)),
    }
}

/// Makes the entries of `directory` durable.
///
/// # Errors
/// Those of the operating system.
pub fn sync_dir(directory: &Path) -> io::Result<()> {
    sync_opened(&open_dir(directory)?)
}

fn open_dir(directory: &Path) -> io::Result<File> {
    File::open(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })
}

/// Some file systems (CIFS, several FUSE and network file systems) cannot sync a directory and return EINVAL or ENOTSUP. These
/// errors are ignored, as borg and rocksdb do.
fn sync_opened(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Sixteen hexadecimal digits and a dash.
const TAG_LENGTH: usize = 17;

fn staging_name(file_name: &OsStr) -> OsString {
    // Hash seeds are the only random numbers of the standard library. `create_new` makes a collision an error.
    let tag = RandomState::new().build_hasher().finish();
    let mut name = OsString::from(format!("{STAGING_PREFIX}{tag:016x}-"));
    name.push(file_name);
    name
}

#[cfg(test)]
mod tests;
