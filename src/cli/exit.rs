//! Exit codes. Scripts and systemd units depend on them.

use std::process::ExitCode;

use crate::run::{RunReport, RunSeverity};

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: complete, and every sink has the inventory.
    Good,
    /// 1: nothing was published, a sink does not have the inventory, or what it has is damaged.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the inventory has gaps, or the list of names is incomplete.
    Partial,
    /// 4: a credential was refused.
    Authentication,
    /// 78: the configuration is wrong (`EX_CONFIG` of sysexits.h).
    Configuration,
    /// 130: a signal interrupted the runs (128 + SIGINT).
    Interrupted,
}

impl Exit {
    /// The worst result of all runs decides. Without any run, the result is good.
    pub fn of(reports: &[RunReport]) -> Self {
        match reports.iter().map(RunReport::severity).max().unwrap_or(RunSeverity::Good) {
            RunSeverity::Good => Self::Good,
            RunSeverity::Partial => Self::Partial,
            RunSeverity::Failed => Self::Failed,
            RunSeverity::Authentication => Self::Authentication,
            RunSeverity::Interrupted => Self::Interrupted,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Authentication => 4,
            Self::Configuration => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
