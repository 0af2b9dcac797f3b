//! Metrics for the textfile collector of `node_exporter`: a file that is replaced atomically.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// Replaces the file at `path` atomically. Every user may read it, because the collector runs as another user. The collector
/// reads only files whose names end in `.prom`. The directory must exist.
///
/// # Errors
/// Those of the operating system. After an error the former file is unchanged.
pub fn write_textfile(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // `stocktake_sink::durable` would keep `.prom` at the end of the temporary name, and the collector also reads hidden and
    // unfinished files of that ending.
    let mut file = Builder::new().prefix(".stocktake-").suffix(".tmp").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    // Independent of the umask.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_is_replaced_and_readable_for_every_user() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stocktake.prom");
        fs::write(&path, "old and longer than the new one").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("changed");
        write_textfile(&path, "new\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new\n");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn after_an_error_no_file_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = directory.path().join("missing/stocktake.prom");
        assert_eq!(write_textfile(&missing, "x").expect_err("no directory").kind(), io::ErrorKind::NotFound);
        let taken = directory.path().join("taken.prom");
        fs::create_dir(&taken).expect("made");
        assert!(write_textfile(&taken, "x").is_err());
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1, "the directory that was there");
    }
}
