//! The processes of this machine, as `/proc` shows them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::ROUNDS;

/// How often it is looked whether processes that were asked to end have ended.
const INTERVAL: Duration = Duration::from_millis(25);

/// A process in `/proc`.
pub(crate) struct Process {
    pub(crate) id: Pid,
    directory: PathBuf,
}

/// The living processes that have this variable, `NAME=value`, in their environment.
pub(crate) fn marked(variable: &str) -> impl Iterator<Item = Process> {
    Process::all().filter(move |process| process.has(variable))
}

/// Kills the processes with this variable that `is_meant` accepts.
pub(crate) fn kill(variable: &str, is_meant: impl Fn(&Process) -> bool) {
    for _ in 0..ROUNDS {
        let mut found = false;
        for process in marked(variable).filter(&is_meant) {
            found |= process.send(Signal::KILL);
        }
        if !found {
            return;
        }
    }
}

/// Asks the processes with this variable to end, except those of a group that was asked already, and kills those that are
/// there after `grace`. Waits also while `is_up`.
pub(crate) fn end(variable: &str, asked_group: Option<Pid>, grace: Duration, mut is_up: impl FnMut() -> bool) {
    let mut asked = Vec::new();
    let mut waited = Duration::ZERO;
    loop {
        let living: Vec<_> = marked(variable).collect();
        if living.is_empty() && !is_up() {
            return;
        }
        // A second SIGTERM could mean more than the first one, so each process gets one.
        let is_new = |process: &&Process| {
            !asked.contains(&process.id) && (asked_group.is_none() || process.group() != asked_group)
        };
        let new: Vec<_> = living.iter().filter(is_new).collect();
        for process in new {
            process.send(Signal::TERM);
            asked.push(process.id);
        }
        if waited >= grace {
            break;
        }
        pause();
        waited += INTERVAL;
    }
    kill(variable, |_| true);
}

#[expect(clippy::disallowed_methods, reason = "callers have a thread of their own, also while the runtime ends")]
fn pause() {
    std::thread::sleep(INTERVAL);
}

impl Process {
    fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            Some(Self { id, directory: entry.path() })
        })
    }

    /// False if the process has ended meanwhile.
    pub(crate) fn send(&self, signal: Signal) -> bool {
        kill_process(self.id, signal).is_ok()
    }

    /// Whether its environment has the variable. A process that has ended has no environment.
    fn has(&self, variable: &str) -> bool {
        let environment = fs::read(self.directory.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|found| found == variable.as_bytes())
    }

    pub(crate) fn group(&self) -> Option<Pid> {
        rustix::process::getpgid(Some(self.id)).ok()
    }

    pub(crate) fn holds(&self, pipe: &Path) -> bool {
        let descriptors = fs::read_dir(self.directory.join("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|held| held == pipe)
    }
}
