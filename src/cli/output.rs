//! What the commands print: data on standard output, everything else on standard error.

use std::io::{self, Write};

use super::exit::Exit;
use crate::config::ConfigProblems;

/// Prints the problems of the configuration. Returns the exit code for them.
pub(super) fn refuse(problems: &ConfigProblems) -> Exit {
    complain(&problems.to_string());
    Exit::Configuration
}

/// `1 registry`, `2 registries`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Writes a line of data. Errors are ignored: the reader of a pipe may have exited.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line for people to standard error.
pub(super) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
