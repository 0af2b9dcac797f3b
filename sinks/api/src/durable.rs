//! The one way in which a file becomes visible: hidden name → fsync → rename → fsync of the directory.
//!
//! No other code of the project renames a file by hand, so that none can forget a step.

use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Staging names begin with this; readers skip hidden files, and sweeping removes them.
pub const STAGING_PREFIX: &str = ".stocktake-";

/// A file being written under a hidden name beside its target. Dropped before [`Staged::commit`], it is removed.
#[derive(Debug)]
pub struct Staged {
    file: Option<File>,
    hidden: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Begins to write `target`; its directory is made if need be.
    ///
    /// # Errors
    /// If the directory or the hidden file cannot be created.
    pub fn create(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let directory = parent(target);
        create_dirs(directory)?;
        // A name of its own for each writer: with a shared one, a second writer's half-written file could be renamed
        // into place by the first.
        let hidden = directory.join(staging_name(name));
        let file = File::create_new(&hidden)?;
        Ok(Self { file: Some(file), hidden, target: target.to_owned() })
    }

    /// Makes the file visible under its name, replacing what stood there, and durable.
    ///
    /// # Errors
    /// If any step fails; then nothing is visible that was not before.
    pub fn commit(mut self) -> io::Result<()> {
        self.sync()?;
        rename(&self.hidden, &self.target)?;
        self.file = None;
        Ok(())
    }

    /// Makes the file visible under its name and durable, unless something stands there already.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if the target exists; else as for [`Staged::commit`].
    pub fn commit_new(mut self) -> io::Result<()> {
        self.sync()?;
        let directory = open_dir(parent(&self.target))?;
        // A hard link, unlike a rename, refuses an existing target, and does so atomically. The hidden name goes on drop.
        match fs::hard_link(&self.hidden, &self.target) {
            // File systems without hard links (FAT, SMB, some FUSE) answer one of these. There the check and the
            // rename are two steps: callers that may race take a lock.
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

/// Renames a file or directory whose content is durable already, and makes its new name durable.
///
/// # Errors
/// As of the operating system. Where there was no descriptor or no room for it, nothing has happened, and it may be
/// tried again.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    // Opened first: without a free descriptor, a renamed file could not be made durable any more.
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

/// What a sweep left where it is, and why. It disturbs nothing, so it is a warning.
#[derive(Debug)]
pub struct Left {
    path: PathBuf,
    why: io::Error,
}

impl Left {
    /// Something that is left where it is.
    pub fn new(path: &Path, why: io::Error) -> Self {
        Self { path: path.to_owned(), why }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left as it is: {}", self.path.display(), self.why)
    }
}

/// Removes staging files that a killed process left directly in `directory`, if it exists. What cannot be removed is
/// left: a directory of another program with such a name, a file that cannot be deleted, a directory that cannot be listed.
#[must_use = "what is left is a warning"]
pub fn sweep(directory: &Path) -> Vec<Left> {
    sweep_where(directory, |name| name.as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes()))
}

/// Removes staging files of `target` alone, in a directory that others write to at the same time; else as [`sweep`].
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
                // Another sweep, or its living writer, was faster.
                Err(e) if e.kind() != io::ErrorKind::NotFound => left.push(Left::new(&entry.path(), e)),
                _ => {}
            },
            Ok(_) => {}
        }
    }
    left
}

/// Creates `directory` and its parents; each new entry is made durable.
///
/// # Errors
/// As of the operating system.
pub fn create_dirs(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    create_dirs(parent(directory))?;
    match fs::create_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            // Made by another in the meantime, or something else stands there.
            if directory.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        }
        Err(e) => Err(e),
        Ok(()) => sync_dir(parent(directory)),
    }
}

/// Makes the entries of `directory` durable.
///
/// # Errors
/// As of the operating system.
pub fn sync_dir(directory: &Path) -> io::Result<()> {
    sync_opened(&open_dir(directory)?)
}

fn open_dir(directory: &Path) -> io::Result<File> {
    File::open(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })
}

/// Some file systems (CIFS, several FUSE and network ones) cannot sync a directory and answer EINVAL or ENOTSUP: they have
/// no more to offer. borg and rocksdb pass over it as well. Any other error is one.
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
    // The standard library's hash seeds are its only random numbers; `create_new` makes a collision an error.
    let tag = RandomState::new().build_hasher().finish();
    let mut name = OsString::from(format!("{STAGING_PREFIX}{tag:016x}-"));
    name.push(file_name);
    name
}

#[cfg(test)]
mod tests;
