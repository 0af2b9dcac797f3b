//! What the commands print: data on standard output, everything else on standard error.

use std::io::{self, Write};

use super::exit::Exit;
use super::journal::{JournalPriority, for_stderr};
use crate::config::ConfigProblems;

/// Prints the problems of the configuration. Returns the exit code for them.
pub(super) fn refuse(problems: &ConfigProblems) -> Exit {
    complain(&problems.to_string());
    Exit::Configuration
}

/// Writes a line of data. Errors are ignored: the reader of a pipe may have exited.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes to standard error why the command does not do what it was asked for.
pub(super) fn complain(text: &str) {
    to_stderr(JournalPriority::Error, text);
}

/// Writes to standard error what people want to know.
pub(super) fn tell(text: &str) {
    to_stderr(JournalPriority::Info, text);
}

/// In one piece, so that lines of others do not come between.
fn to_stderr(priority: JournalPriority, text: &str) {
    let _ = io::stderr().write_all(for_stderr(priority, &format!("{text}\n")).as_bytes());
}
