//! A program with all processes that it starts, and how to end them. It does not read their output.
//!
//! A process can leave its group with `setsid`, and its parent may end; but every process inherits the environment. So
//! each program gets a mark in its environment, by which its descendants are found in `/proc`. Without `/proc`, or if a
//! process hides its environment, the process group remains.
#![deny(missing_docs)]

mod processes;
mod program_file;

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::processes::Process;

pub use program_file::{find, is_executable};

/// The variable that holds the mark.
const MARK: &str = "STOCKTAKE_PROGRAM";
/// How often `/proc` is read: a process may start another one meanwhile.
const ROUNDS: usize = 5;
/// Variables that systemd sets for this process only. A program that this process starts must not get them.
pub const OURS: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What all processes of a program have in their environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramMark(String);

impl ProgramMark {
    /// A mark that no other program has.
    pub fn unique() -> Self {
        Self(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)))
    }

    /// A mark that a later process can make again, to end what this one has left behind.
    pub fn known(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// As it is in the environment.
    fn variable(&self) -> String {
        format!("{MARK}={}", self.0)
    }

    /// Asks all processes with this mark to end (SIGTERM), and kills those that are there after `grace`. Blocks.
    pub fn end(&self, grace: Duration) {
        processes::end(&self.variable(), None, grace, || false);
    }
}

/// A running program. If it is dropped before its end, it is killed with all processes that it started.
#[derive(Debug)]
pub struct ProcessTree {
    /// The program itself.
    pub child: Child,
    /// Its process group, of which it is the leader.
    group: Option<Pid>,
    mark: ProgramMark,
    has_ended: bool,
}

impl ProcessTree {
    /// Starts a program in a group of its own: the processes that it starts are killed with it, and Ctrl-C on the
    /// terminal does not reach them.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn start(command: &mut Command, mark: ProgramMark) -> io::Result<Self> {
        let child = command.env(MARK, &mark.0).process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group, mark, has_ended: false })
    }

    /// Waits for the end of the program itself.
    ///
    /// # Errors
    /// Those of the operating system.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// After the end of the program, ends the processes that it has left behind: its process group, and every process
    /// that holds one of these pipes. A process in a session of its own without these pipes is an agent that is meant to
    /// stay, such as `gpg-agent`.
    pub async fn sweep(mut self, pipes: Vec<PathBuf>) {
        self.has_ended = true;
        let (variable, group) = (self.mark.variable(), self.group);
        let is_meant =
            move |process: &Process| process.group() == group || pipes.iter().any(|pipe| process.holds(pipe));
        // The task panics only if reading `/proc` does.
        let _ = tokio::task::spawn_blocking(move || processes::kill(&variable, is_meant)).await;
    }

    /// Asks the program and all its processes to end (SIGTERM), and kills those that are there after `grace`. Blocks.
    pub fn end(mut self, grace: Duration) {
        // The child has an ID until it was waited for; afterwards the number may belong to another process.
        let group = self.group.filter(|_| self.child.id().is_some());
        if let Some(group) = group {
            // This fails if all of them have ended.
            let _ = kill_process_group(group, Signal::TERM);
        }
        processes::end(&self.mark.variable(), group, grace, || matches!(self.child.try_wait(), Ok(None)));
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // As in `end`.
        if let Some(group) = self.group.filter(|_| self.child.id().is_some()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        processes::kill(&self.mark.variable(), |_| true);
    }
}

/// The names that `/proc` has for the pipes of a program's output.
pub fn pipes(stdout: Option<&ChildStdout>, stderr: Option<&ChildStderr>) -> Vec<PathBuf> {
    let numbers = stdout.map(AsRawFd::as_raw_fd).into_iter().chain(stderr.map(AsRawFd::as_raw_fd));
    numbers.filter_map(|number| fs::read_link(format!("/proc/self/fd/{number}")).ok()).collect()
}
