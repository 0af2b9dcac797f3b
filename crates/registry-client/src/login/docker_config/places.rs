//! The files in which docker and podman keep credentials, in the order in which podman reads them, and what was found
//! in each. The order is that of containers/image (`pkg/docker/config`) and containers/common (`GetDefaultAuthFile`).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::login::environment::Environment;

/// The files of the tools. Some name a place by the environment; without `XDG_RUNTIME_DIR`, as for root, podman has a
/// directory for each user below `/run/containers`.
pub(super) fn usual_files(environment: Environment<'_>) -> Vec<PathBuf> {
    let path = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |below: &str| path("HOME").map(|home| home.join(below));
    let docker = path("DOCKER_CONFIG").map(|directory| directory.join("config.json"));
    let docker_at_home = if docker.is_some() { None } else { home(".docker/config.json") };
    let of_user = || format!("/run/containers/{}", rustix::process::getuid().as_raw()).into();
    let running = path("XDG_RUNTIME_DIR").map_or_else(of_user, |directory| directory.join("containers"));
    let files = [
        path("REGISTRY_AUTH_FILE"),
        docker,
        Some(running.join("auth.json")),
        path("XDG_CONFIG_HOME").or_else(|| home(".config")).map(|directory| directory.join("containers/auth.json")),
        docker_at_home,
        home(".dockercfg"),
    ];
    files.into_iter().flatten().collect()
}

/// Whether the file has the format of docker before 1.7: the entries alone.
pub(super) fn is_legacy(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".dockercfg")
}

/// Why a file has no credentials for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// The file does not exist.
    NoFile,
    /// The file is there, and this user may not read it.
    Unreadable,
    /// The file has no text.
    Empty,
    /// No entry is for this registry.
    NoEntry,
    /// The entry of this key has no user name and no secret.
    NoLogin(String),
    /// The helper has nothing for this registry, nor has the file.
    HelperHasNone(String),
    /// The helper that the file names is not installed.
    NoHelper(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("there is no such file"),
            Self::Unreadable => f.write_str("this user may not read it"),
            Self::Empty => f.write_str("it is empty"),
            Self::NoEntry => f.write_str("it has no entry for this registry"),
            Self::NoLogin(key) => write!(f, "its entry `{key}` has no login"),
            Self::HelperHasNone(program) => write!(f, "`{program}` has no login for it"),
            Self::NoHelper(program) => write!(f, "it names `{program}`, which is not on the PATH"),
        }
    }
}
