//! The settings of the sink.

use std::path::{Path, PathBuf};

use stocktake_sink::{AbsentOption, OptionRefused, SinkOption, SinkOptions};

use crate::program::Program;

pub(crate) static COMMAND: SinkOption = SinkOption {
    key: "command",
    accepts: "a program and its arguments, as a list",
    absent: AbsentOption::Required("[./load.py]"),
    meaning: "Program that loads the snapshot; docs/PROTOCOL.md says what it gets. It is run without a shell. A relative path \
              starts beside the configuration; a name without `/` is searched in `PATH`.",
};

static ENVIRONMENT: SinkOption = SinkOption {
    key: "environment",
    accepts: "a list of names; `AWS_*` stands for all that begin with `AWS_`",
    absent: AbsentOption::Means("none"),
    meaning: "Variables of the environment that the program gets, besides `PATH`, `HOME`, the user name, the language and \
              time zone, `TMPDIR`, and what docs/PROTOCOL.md lists.",
};

static FORMAT: SinkOption = SinkOption {
    key: "format",
    accepts: "",
    absent: AbsentOption::Default("parquet"),
    meaning: "Format of the files that the program gets.",
};

static DIRECTORY: SinkOption = SinkOption {
    key: "directory",
    accepts: "a directory",
    absent: AbsentOption::Default("./exec"),
    meaning: "Directory in which the files lie while the program runs. It needs the room of one night's Parquet files, on \
              a disk rather than in memory.",
};

/// The settings of one exec sink.
#[derive(Clone, Debug)]
pub struct ExecSettings {
    pub(crate) program: Program,
    /// The program as it stands in the configuration.
    pub(crate) written: String,
    pub(crate) arguments: Vec<String>,
    /// Names of variables that the program gets; one with `*` at its end stands for many.
    pub(crate) environment: Vec<String>,
    /// Where the directories of snapshots are made.
    pub(crate) directory: PathBuf,
    /// The working directory of the program; that of this process if there is none.
    pub(crate) working_directory: Option<PathBuf>,
}

impl ExecSettings {
    /// A program (a path, or a name to be searched in `PATH`) with these arguments, and the directory for the files.
    pub fn new(program: &str, arguments: &[&str], directory: &Path) -> Self {
        Self {
            program: Program::new(program),
            written: program.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: Vec::new(),
            directory: directory.to_owned(),
            working_directory: None,
        }
    }

    pub(crate) fn read(options: &mut dyn SinkOptions) -> Result<Self, OptionRefused> {
        let command = options.texts(&COMMAND).and_then(|command| match command.split_first() {
            Some((program, arguments)) if !program.trim().is_empty() => Ok((program.clone(), arguments.to_vec())),
            _ => Err(options.refuse(&COMMAND, "expected a program and its arguments, found none".to_owned())),
        });
        let environment = options.texts(&ENVIRONMENT).and_then(|names| match names.iter().find(|name| is_odd(name)) {
            Some(odd) => {
                let message = format!("{odd:?} is not the name of a variable; write names only, such as `AWS_PROFILE`");
                Err(options.refuse(&ENVIRONMENT, message))
            }
            None => Ok(names),
        });
        let format = options.one_of(&FORMAT, &[("parquet", ())]);
        let directory = options.text(&DIRECTORY);
        let (written, arguments) = command?;
        format?;
        let working_directory = Some(PathBuf::from(options.program("./")));
        Ok(Self {
            program: Program::new(&options.program(&written)),
            written,
            arguments,
            environment: environment?,
            directory: options.data_path(Path::new(&directory?)),
            working_directory,
        })
    }
}

/// Whether a text cannot be the name of a variable, such as `NAME=value`.
fn is_odd(name: &str) -> bool {
    let name = name.strip_suffix('*').unwrap_or(name);
    name.is_empty() || name.contains(['=', '*', '\0', ' '])
}
