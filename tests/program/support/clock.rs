//! A wall clock that is set while the program runs, without a line in the program itself: see `clock.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::Workplace;

/// It stands in a workplace, beside the configuration.
#[derive(Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    /// One that shows the right time.
    pub(crate) fn right(place: &Workplace) -> Self {
        let clock = Self { library: place.path("clock.so"), ahead: place.path("ahead") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/support/clock.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source);
        assert!(cc.status().expect("a C compiler").success());
        clock.set(0);
        clock
    }

    /// What the program is to be started with.
    pub(crate) fn environment(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", self.library.to_str().unwrap()), ("CLOCK_AHEAD", self.ahead.to_str().unwrap())]
    }

    /// Sets it ahead of ours by so many seconds.
    pub(crate) fn set(&self, seconds: i64) {
        let aside = self.ahead.with_extension("new");
        std::fs::write(&aside, seconds.to_string()).unwrap();
        std::fs::rename(aside, &self.ahead).unwrap();
    }
}
