//! Relative paths in a configuration start at a directory that the program chooses, not at the working directory.

use std::path::{Component, Path, PathBuf};

/// The directories at which relative paths start. The default is empty: the working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathBases {
    /// For files that are read: certificates, secrets, programs.
    pub inputs: PathBuf,
    /// For files that are written.
    pub data: PathBuf,
}

/// The path as written, starting at `base` if it is relative.
pub fn path_from(base: &Path, path: &Path) -> PathBuf {
    if base.as_os_str().is_empty() || path.is_absolute() {
        return path.to_owned();
    }
    base.components().chain(path.components().filter(|part| *part != Component::CurDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_starts_at_its_base_and_an_absolute_one_does_not() {
        for (base, path, expected) in [
            ("", "./inventory", "./inventory"),
            ("/srv/st", "./inventory", "/srv/st/inventory"),
            ("/srv/st", "../inventory", "/srv/st/../inventory"),
            ("config", "secrets/quay", "config/secrets/quay"),
            ("/srv/st", "/run/secrets/quay", "/run/secrets/quay"),
        ] {
            assert_eq!(path_from(Path::new(base), Path::new(path)).to_str(), Some(expected));
        }
    }
}
