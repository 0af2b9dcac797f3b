//! Whether the directory of the state can be used, before there is a run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{Access, AtFlags};
use stocktake_sink::RegistryName;
use stocktake_sink::durable::STAGING_PREFIX;

use super::{StateError, directory, read_pointer, refuse_of_dynamic_user};

/// Whether this user can use the state of these registries, or make what is missing of it. Writes nothing.
///
/// # Errors
/// The directory that is none, or that this user cannot write.
pub fn look<'n>(root: &Path, registries: impl Iterator<Item = &'n RegistryName>) -> Result<(), StateError> {
    let mut directories = std::iter::once(root.to_owned()).chain(registries.map(|name| directory(root, name)));
    directories.try_for_each(|path| writable(&path))
}

fn writable(path: &Path) -> Result<(), StateError> {
    // What does not exist yet is made in the nearest directory that does.
    let there = nearest(path);
    let disk = |source| StateError::Disk { path: there.to_owned(), source };
    if !fs::metadata(there).map_err(disk)?.is_dir() {
        return Err(disk(io::ErrorKind::NotADirectory.into()));
    }
    let (wanted, flags) = (Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    rustix::fs::accessat(rustix::fs::CWD, there, wanted, flags).map_err(|e| disk(e.into()))
}

/// The directory itself if it exists, else the nearest above it that does.
fn nearest(path: &Path) -> &Path {
    let is_missing = |path: &Path| matches!(fs::symlink_metadata(path), Err(e) if e.kind() == io::ErrorKind::NotFound);
    let existing = path.ancestors().take_while(|path| !path.as_os_str().is_empty()).find(|path| !is_missing(path));
    existing.unwrap_or(Path::new("."))
}

/// Writes, syncs and removes a file where the state of a registry is, or where it would be made. Leaves nothing behind.
///
/// # Errors
/// As `RegistryState::lock`, except that another run does not matter.
pub fn probe(root: &Path, registry: &RegistryName) -> Result<(), StateError> {
    refuse_of_dynamic_user(root, rustix::process::geteuid().is_root())?;
    let path = directory(root, registry);
    let there = nearest(&path);
    let disk = |source| StateError::Disk { path: there.to_owned(), source };
    let written = tempfile::Builder::new().prefix(STAGING_PREFIX).tempfile_in(there).and_then(|mut file| {
        file.write_all(b"check")?;
        file.as_file().sync_all()
    });
    written.map_err(disk)?;
    read_pointer(&path).map(drop)
}
