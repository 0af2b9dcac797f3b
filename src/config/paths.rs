//! At which directories relative paths of the configuration start. The working directory is none of them: it differs
//! between a shell, a daemon and a timer.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use yaml_sections::PathBases;

/// The directories at which relative paths of a configuration with this main file start. `state_directory` is the value
/// of systemd's `$STATE_DIRECTORY`.
///
/// For a file below `/etc`, data starts at `/var/lib/stocktake`, as in the systemd units. So `stocktake run` on a terminal
/// uses the state of the daemon.
pub(super) fn bases(main: &Path, state_directory: Option<&OsStr>) -> PathBases {
    let directory = main.parent().unwrap_or(Path::new(""));
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    // Absolute, so that messages show complete paths. This fails if there is no working directory.
    let inputs = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    // systemd separates several directories by colons.
    let given = state_directory.map(|all| Path::new(all.to_str().and_then(|all| all.split(':').next()).unwrap_or("")));
    let data = match given {
        Some(directory) if directory.is_absolute() => directory.to_owned(),
        _ if inputs.starts_with("/etc") => PathBuf::from("/var/lib/stocktake"),
        _ => inputs.clone(),
    };
    PathBases { inputs, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_starts_beside_the_file_unless_systemd_sets_a_directory_or_the_file_is_below_etc() {
        let data = |main: &str, given: Option<&str>| bases(Path::new(main), given.map(OsStr::new)).data;
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
            assert_eq!(bases(Path::new(main), None).inputs, Path::new(main).parent().unwrap());
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(data("stocktake.yaml", None), here);
        assert_eq!(data("config/stocktake.yaml", None), here.join("config"));
    }
}
