//! A small library that is preloaded into the program, to stand between it and the operating system.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::site::FinishedProcess;

/// Compiles `NAME.c` of this directory to `NAME.so`, with the C compiler that Rust itself links with; in a directory that
/// goes with it.
pub(crate) fn compile(name: &str) -> TempDir {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/program/support/{name}.c"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(directory.path().join(format!("{name}.so"))).arg(source);
    let compiled = FinishedProcess::of(&mut cc);
    assert!(compiled.status.success(), "{}", compiled.told);
    directory
}
