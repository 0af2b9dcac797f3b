//! Exit codes, as scripts and systemd units rely on them.

use std::process::ExitCode;

use crate::run::{RunReport, RunSeverity};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: complete, and every sink has it.
    Good,
    /// 1: nothing published, or a sink does not have it.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: gaps, or a list of names that was cut short.
    Partial,
    /// 4: a credential is to blame.
    Authentication,
    /// 78: the configuration (`EX_CONFIG` of sysexits.h).
    Configuration,
    /// 130: interrupted (128 + SIGINT).
    Interrupted,
}

impl Exit {
    /// Of several runs the worst decides; no run at all is good.
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
