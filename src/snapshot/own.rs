//! Which entries of a directory belong to stocktake. A NAS creates `@eaDir` anywhere, and NFS a `.nfs…` for a file that
//! is still open. Such foreign entries are never moved or removed, and do not stop a run.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use stocktake_sink::Table;
use stocktake_sink::durable::{self, STAGING_PREFIX};

use super::files;

/// Whether a walk or a snapshot makes files of this name.
fn is_ours(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    if name.starts_with(STAGING_PREFIX) || is_named_so(name) {
        return true;
    }
    Table::ALL.into_iter().any(|table| files::is_file_of(table, name))
}

fn is_named_so(name: &str) -> bool {
    [files::CHECKPOINT, files::SEAL, files::CARRIED_REPOSITORIES, files::CARRIED_TAGS].contains(&name)
}

/// Removes all files of stocktake in a directory except these; returns the foreign entries.
///
/// # Errors
/// If a file of ours cannot be removed; the others are gone.
pub(super) fn remove_all_but(kept: &BTreeSet<String>, directory: &Path) -> io::Result<Vec<String>> {
    let (mut foreign, mut failed) = (Vec::new(), Ok(()));
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| kept.contains(name)) {
            continue;
        }
        if is_ours(&name) && !entry.file_type()?.is_dir() {
            failed = failed.and(remove_if_there(&entry.path()).map(drop));
        } else {
            foreign.push(name.to_string_lossy().into_owned());
        }
    }
    failed.map(|()| foreign)
}

/// Removes a file; false if there is none.
pub(super) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Whether a walk's or a snapshot's directory does not exist, or holds no file of stocktake.
pub fn is_unused(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(entries) => entries.flatten().all(|entry| !is_ours(&entry.file_name())),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

/// Creates or empties a directory; returns the foreign entries in it.
///
/// # Errors
/// If it cannot be made, or a file of ours in it cannot be removed.
pub(super) fn create_or_empty(directory: &Path) -> io::Result<Vec<String>> {
    match fs::symlink_metadata(directory) {
        // Never ours; what it leads to is left alone.
        Ok(there) if there.is_symlink() => fs::remove_file(directory)?,
        Ok(_) => return remove_all_but(&BTreeSet::new(), directory),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    durable::create_dirs(directory).map(|()| Vec::new())
}

/// Removes a walk's or a snapshot's directory. If it has foreign entries, they and the directory stay; they are
/// returned.
///
/// # Errors
/// If a file of stocktake cannot be removed.
pub fn discard(directory: &Path) -> io::Result<Vec<String>> {
    let removed = || -> io::Result<Vec<String>> {
        if fs::symlink_metadata(directory)?.is_symlink() {
            return fs::remove_file(directory).map(|()| Vec::new());
        }
        let foreign = remove_all_but(&BTreeSet::new(), directory)?;
        if foreign.is_empty() {
            fs::remove_dir(directory)?;
        }
        Ok(foreign)
    };
    match removed() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_not_ours_stays_and_all_else_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("walk");
        fs::create_dir(&directory).unwrap();
        let foreign = [".nfs0001", "@eaDir", "notes", "tags.1.segment.bak", "tags.segment", "tags.x.segment"];
        for name in foreign.iter().filter(|name| **name != "@eaDir") {
            fs::write(directory.join(name), "theirs").unwrap();
        }
        fs::create_dir(directory.join("@eaDir")).unwrap();
        // Named as ours are, and none.
        fs::create_dir(directory.join(".stocktake-0123456789abcdef-checkpoint.json")).unwrap();
        let ours = ["checkpoint.json", "manifests.arrow", "repositories.0.segment", "sealed.json", "tags.12.segment"];
        for name in ours.iter().chain(&[".stocktake-0123456789abcdef-sealed.json"]) {
            fs::write(directory.join(name), "ours").unwrap();
        }
        let kept = BTreeSet::from(["tags.12.segment".to_owned()]);
        let mut left = remove_all_but(&kept, &directory).unwrap();
        left.sort();
        let staged = ".stocktake-0123456789abcdef-checkpoint.json";
        assert_eq!(
            left,
            [".nfs0001", staged, "@eaDir", "notes", "tags.1.segment.bak", "tags.segment", "tags.x.segment"]
        );
        assert!(!is_unused(&directory));
        assert_eq!(discard(&directory).unwrap().len(), 7);
        assert_eq!(entries(&directory).len(), 7);
        assert_eq!(create_or_empty(&directory).unwrap().len(), 7);
    }

    #[test]
    fn a_link_goes_and_what_it_leads_to_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let (theirs, walk) = (scratch.path().join("theirs"), scratch.path().join("walk"));
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("tags.0.segment"), "precious").unwrap();
        let link = || std::os::unix::fs::symlink(&theirs, &walk).unwrap();
        link();
        assert!(discard(&walk).unwrap().is_empty());
        assert_eq!(entries(scratch.path()), ["theirs"]);
        link();
        assert!(create_or_empty(&walk).unwrap().is_empty());
        assert!(!walk.is_symlink() && entries(&walk).is_empty());
        assert_eq!(entries(&theirs), ["tags.0.segment"]);
        assert!(discard(&walk).unwrap().is_empty());
        assert!(discard(&walk).unwrap().is_empty(), "it is gone already");
    }
}
