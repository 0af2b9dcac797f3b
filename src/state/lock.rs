//! Opens lock files. Symbolic links are refused, because they may lead to a file of another program.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::error::StateError;

/// Opens a lock file, and creates it if there is none. Its content is not changed, and it is not locked yet.
///
/// # Errors
/// If it is a symbolic link or no regular file, or cannot be opened.
pub fn lock_file(path: &Path) -> io::Result<File> {
    let no_link = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened = File::options().read(true).write(true).create(true).truncate(false).custom_flags(no_link).open(path);
    let refused = |what| Err(io::Error::other(format!("it is {what}, which is no lock file of stocktake; remove it")));
    match opened {
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => refused("a symbolic link"),
        Ok(file) if !file.metadata()?.is_file() => refused("no regular file"),
        opened => opened,
    }
}

/// Locks a registry for this process.
///
/// # Errors
/// [`StateError::Locked`] at once if another process has it; or if the lock file cannot be used.
pub(super) fn lock_registry(path: &Path) -> Result<File, StateError> {
    let disk = |source| StateError::Disk { path: path.to_owned(), source };
    let mut file = lock_file(path).map_err(disk)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message of a process that finds it locked: on a full disk it cannot be written, and what fills the
            // disk may be a killed run's, which is swept after this. A file that has another name as well, as in a
            // backup of hard links, is left as it is.
            if file.metadata().is_ok_and(|metadata| metadata.nlink() == 1) {
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
            }
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.take(20).read_to_string(&mut pid);
            Err(StateError::Locked { pid: if read.is_ok() && !pid.is_empty() { pid } else { "unknown".into() } })
        }
        Err(TryLockError::Error(e)) => Err(disk(e)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_not_followed_wherever_it_leads() {
        let scratch = tempfile::tempdir().unwrap();
        let (lock, theirs) = (scratch.path().join("lock"), scratch.path().join("theirs"));
        for is_there in [false, true] {
            if is_there {
                fs::write(&theirs, "precious").unwrap();
            }
            symlink(&theirs, &lock).unwrap();
            let refused = lock_file(&lock).unwrap_err().to_string();
            assert_eq!(refused, "it is a symbolic link, which is no lock file of stocktake; remove it");
            assert_eq!(theirs.exists(), is_there);
            fs::remove_file(&lock).unwrap();
        }
        assert_eq!(fs::read_to_string(theirs).unwrap(), "precious");
        lock_file(&lock).unwrap();
        fs::write(&lock, "123").unwrap();
        lock_file(&lock).unwrap();
        assert_eq!(fs::read_to_string(lock).unwrap(), "123");
    }

    #[test]
    fn a_pipe_or_a_directory_is_no_lock_file_and_nobody_waits_for_it() {
        let scratch = tempfile::tempdir().unwrap();
        let pipe = scratch.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(lock_file(&pipe).unwrap_err().to_string().starts_with("it is no regular file"));
        assert_eq!(lock_file(scratch.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
