//! Lets operations on files fail while the program runs, without a line in the program itself: see `fail_point.c`.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::preload::compile;

/// The compiled library, in a directory that goes with it.
#[derive(Debug)]
pub(crate) struct FailPoint(TempDir);

/// Which operations fail, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InjectedFailure {
    /// The first of them, from 1 on; 0 for none.
    pub(crate) from: usize,
    /// How many in a row; none: all that come.
    pub(crate) times: Option<usize>,
    pub(crate) errno: Errno,
}

/// What they fail with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errno {
    Io = 5,
    NoDescriptor = 24,
    NoSpace = 28,
}

impl FailPoint {
    /// Compiles it.
    pub(crate) fn build() -> Self {
        Self(compile("fail_point"))
    }

    /// Where it is, for `LD_PRELOAD`.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("fail_point.so")
    }

    /// What the program is to be started with: time passes this many times faster, sleeps take next to no time.
    pub(crate) fn environment(&self, faster: u32) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.path().display().to_string()),
            ("TIMES_FASTER", faster.to_string()),
            ("SLEEPS_FASTER", "10000".to_owned()),
        ]
    }
}

impl InjectedFailure {
    /// Nothing fails; what would count for this error is written to the log.
    pub(crate) fn none(errno: Errno) -> Self {
        Self { from: 0, times: None, errno }
    }

    pub(crate) fn environment(&self, log: &Path) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("FAIL_LOG", log.display().to_string()),
            ("FAIL_FROM", self.from.to_string()),
            ("FAIL_ERRNO", (self.errno as i32).to_string()),
        ];
        environment.extend(self.times.map(|times| ("FAIL_TIMES", times.to_string())));
        environment
    }
}
