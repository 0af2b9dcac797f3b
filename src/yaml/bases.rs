//! Where relative paths of a configuration begin: not at the working directory, which is another one for a person, for a
//! daemon and for a timer.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The two beginnings. Both are empty by default: relative to the working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bases {
    inputs: PathBuf,
    data: PathBuf,
}

impl Bases {
    /// Those of a configuration with this main file. `state_directory` is systemd's `$STATE_DIRECTORY`.
    ///
    /// A file below `/etc` means `/var/lib/stocktake` by its relative data paths, as the units do: so `stocktake run`, typed
    /// by a person, finds the daemon's state.
    pub(crate) fn of(main: &Path, state_directory: Option<&OsStr>) -> Self {
        let directory = main.parent().unwrap_or(Path::new(""));
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        // Whole, so that what is shown of a path can be found from anywhere. It fails where there is no working directory.
        let inputs = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        // systemd separates several directories by colons.
        let given =
            state_directory.map(|all| Path::new(all.to_str().and_then(|all| all.split(':').next()).unwrap_or("")));
        let data = match given {
            Some(directory) if directory.is_absolute() => directory.to_owned(),
            _ if inputs.starts_with("/etc") => PathBuf::from("/var/lib/stocktake"),
            _ => inputs.clone(),
        };
        Self { inputs, data }
    }

    /// The path of a file that is read: a certificate, a secret, a program.
    pub(crate) fn input(&self, path: &Path) -> PathBuf {
        from(&self.inputs, path)
    }

    /// The path of what is written: the state, and what sinks write.
    pub(crate) fn data(&self, path: &Path) -> PathBuf {
        from(&self.data, path)
    }
}

/// A path as it stands in a configuration, from its base on. An absolute one stays as it is.
fn from(base: &Path, path: &Path) -> PathBuf {
    if base.as_os_str().is_empty() || path.is_absolute() {
        return path.to_owned();
    }
    base.components().chain(path.components().filter(|part| *part != Component::CurDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lies_beside_the_file_unless_systemd_or_etc_says_otherwise() {
        let data = |main: &str, given: Option<&str>| Bases::of(Path::new(main), given.map(OsStr::new)).data;
        for (main, given, expected) in [
            ("/srv/st/stocktake.yaml", None, "/srv/st"),
            ("/etc/stocktake/stocktake.yaml", None, "/var/lib/stocktake"),
            ("/etc/stocktake/stocktake.yaml", Some("/var/lib/stocktake"), "/var/lib/stocktake"),
            ("/etc/stocktake/stocktake.yaml", Some("/var/lib/other:/var/lib/more"), "/var/lib/other"),
            ("/srv/st/stocktake.yaml", Some("/var/lib/stocktake"), "/var/lib/stocktake"),
            ("/srv/st/stocktake.yaml", Some(""), "/srv/st"),
            ("/etcetera/stocktake.yaml", None, "/etcetera"),
        ] {
            assert_eq!(data(main, given), Path::new(expected), "{main} {given:?}");
            assert_eq!(Bases::of(Path::new(main), None).inputs, Path::new(main).parent().unwrap());
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(data("stocktake.yaml", None), here);
        assert_eq!(data("config/stocktake.yaml", None), here.join("config"));
    }

    #[test]
    fn a_relative_path_begins_at_its_base_and_an_absolute_one_does_not() {
        for (base, path, expected) in [
            ("", "./inventory", "./inventory"),
            ("/srv/st", "./inventory", "/srv/st/inventory"),
            ("/srv/st", "../inventory", "/srv/st/../inventory"),
            ("config", "secrets/quay", "config/secrets/quay"),
            ("/srv/st", "/run/secrets/quay", "/run/secrets/quay"),
        ] {
            assert_eq!(from(Path::new(base), Path::new(path)).to_str(), Some(expected));
        }
    }
}
