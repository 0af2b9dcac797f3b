//! Where a program is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The path of the program: a path as it is, otherwise the first executable on the `PATH`. Relative directories are
/// skipped: files in the working directory are not tools of the system.
pub fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    let directories = std::env::split_paths(path?).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(program)).find(|file| is_executable(file))
}

/// Whether this is a regular file that may be run.
#[cfg(unix)]
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Whether this is a regular file that may be run.
#[cfg(not(unix))]
pub fn is_executable(file: &Path) -> bool {
    file.is_file()
}
