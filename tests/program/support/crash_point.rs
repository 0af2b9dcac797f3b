//! Ends the program at a chosen step of its work on files, without a line in the program itself: a small library that
//! is preloaded into it stands between it and the file system. What it understands is told in `crash_point.c`.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::preload::compile;
use super::site::{FinishedProcess, Installation};

/// The compiled library, in a directory that goes with it.
#[derive(Debug)]
pub(crate) struct Library(TempDir);

/// The step at which a run is to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CrashAt<'a> {
    /// At none: for the log of steps.
    Never,
    /// The n-th of all steps, from 1 on; a write is cut in the middle, all others are not begun.
    Step(usize),
    /// `when operation nth path`.
    Point(&'a str),
    /// The same, but not before another step, `operation path`, is completed.
    PointAfter(&'a str, &'a str),
}

impl Library {
    /// Compiles it.
    pub(crate) fn build() -> Self {
        Self(compile("crash_point"))
    }

    /// Where it is, for `LD_PRELOAD`.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("crash_point.so")
    }

    /// Runs the program until it ends, there or by itself; returns the steps it began, too.
    pub(crate) fn run(&self, site: &Installation, at: CrashAt<'_>) -> (FinishedProcess, Vec<String>) {
        let log = site.path().join("steps");
        let _ = fs::remove_file(&log);
        let mut command = site.command();
        command.env("LD_PRELOAD", self.path()).env("CRASH_LOG", &log);
        match at {
            CrashAt::Never => {}
            CrashAt::Step(n) => _ = command.env("CRASH_STEP", n.to_string()),
            CrashAt::Point(point) => _ = command.env("CRASH_AT", point),
            CrashAt::PointAfter(point, awaited) => {
                command.env("CRASH_AT", point).env("CRASH_AWAIT", awaited);
            }
        }
        let ended = FinishedProcess::of(&mut command);
        let steps = fs::read_to_string(&log).unwrap_or_default();
        // Paths of the site are shown from its directory on.
        let whole = format!(" {}/", site.path().display());
        (ended, steps.lines().map(|step| step.replace(" ./", " ").replace(&whole, " ")).collect())
    }
}
