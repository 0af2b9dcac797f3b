//! Whether the program is there and can be run. It is not run.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use process_tree::{find, is_executable};

/// Longest first line of a script that the system reads.
const SHEBANG: u64 = 256;

/// The first word of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program(String);

/// Why a program cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramFault {
    #[error("there is no program `{0}` in the directories of `PATH`")]
    NotOnPath(String),
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    #[error("{} is a directory or another thing that is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("{} may not be run by this user", .0.display())]
    NotExecutable(PathBuf),
    #[error("{} begins with `#!{interpreter}`, and there is no such program", .path.display())]
    NoInterpreter { path: PathBuf, interpreter: String },
    #[error("cannot look at {}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

impl ProgramFault {
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NotOnPath(_) => "install the program, or write its path; the service may have another `PATH`".into(),
            Self::Missing(_) | Self::NotAFile(_) => {
                "correct the path; a relative path starts beside the configuration".into()
            }
            Self::NotExecutable(path) => format!("`chmod +x {}`, or run it by its interpreter", path.display()),
            Self::NoInterpreter { .. } => "correct the first line of the script, or install its interpreter".into(),
            Self::Unreadable { .. } => "let the user of stocktake read it".into(),
        }
    }
}

impl Program {
    pub(crate) fn new(path_or_name: &str) -> Self {
        Self(path_or_name.to_owned())
    }

    /// The last part of its path, for messages.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Its path.
    pub(crate) fn look(&self) -> Result<PathBuf, ProgramFault> {
        let path = find(&self.0, std::env::var_os("PATH").as_deref())
            .ok_or_else(|| ProgramFault::NotOnPath(self.0.clone()))?;
        let unreadable = |source| ProgramFault::Unreadable { path: path.clone(), source };
        match path.metadata() {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(ProgramFault::Missing(path));
            }
            Err(e) => return Err(unreadable(e)),
            Ok(data) if !data.is_file() => return Err(ProgramFault::NotAFile(path)),
            Ok(_) if !is_executable(&path) => return Err(ProgramFault::NotExecutable(path)),
            Ok(_) => {}
        }
        match interpreter(&path) {
            Some(interpreter) if !Path::new(&interpreter).exists() => {
                Err(ProgramFault::NoInterpreter { path, interpreter })
            }
            _ => Ok(path),
        }
    }
}

/// The interpreter that a script names in its first line. A program that may be run but not read is none.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(SHEBANG).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    String::from_utf8_lossy(line).split([' ', '\t']).find(|word| !word.is_empty()).map(str::to_owned)
}
