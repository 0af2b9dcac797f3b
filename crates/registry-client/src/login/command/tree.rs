//! A program with all processes that it starts, and how to end them. It does not read their output.
//!
//! A process can leave its group with `setsid`, and its parent may end; but every process inherits the environment. So
//! each program gets a mark in its environment, by which its descendants are found in `/proc`. Without `/proc`, or if a
//! process hides its environment, the process group remains.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// The variable that holds the mark.
const MARK: &str = "STOCKTAKE_PROGRAM";
/// How often `/proc` is read: a process may start another one meanwhile.
const ROUNDS: usize = 5;

/// A running program. If it is dropped before its end, it is killed with all processes that it started.
pub(crate) struct Tree {
    pub(crate) child: Child,
    /// Its process group, of which it is the leader.
    group: Option<Pid>,
    /// The mark as it is in the environment.
    mark: String,
    has_ended: bool,
}

impl Tree {
    /// Starts a program in a group of its own: the processes that it starts are killed with it, and Ctrl-C on the
    /// terminal does not reach them.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        let value = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let child = command.env(MARK, &value).process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group, mark: format!("{MARK}={value}"), has_ended: false })
    }

    /// Waits for the end of the program itself.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the processes that the program has left behind: its process group, and every process that holds one of
    /// these pipes. A process in a session of its own without these pipes is an agent that is meant to stay, such as
    /// `gpg-agent`.
    pub(crate) async fn sweep(mut self, pipes: Vec<PathBuf>) {
        self.has_ended = true;
        let (mark, group) = (std::mem::take(&mut self.mark), self.group);
        let sweep = move || {
            end(&mark, |process| process.group() == group || pipes.iter().any(|pipe| process.holds(pipe)));
        };
        // The task panics only if reading `/proc` does.
        let _ = tokio::task::spawn_blocking(sweep).await;
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // The child has an ID until it was waited for; afterwards the number may belong to another process.
        if let Some(group) = self.group.filter(|_| self.child.id().is_some()) {
            // This fails if all of them have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
        end(&self.mark, |_| true);
    }
}

/// The names that `/proc` has for the pipes of a program's output.
pub(crate) fn pipes(stdout: Option<&ChildStdout>, stderr: Option<&ChildStderr>) -> Vec<PathBuf> {
    let numbers = stdout.map(AsRawFd::as_raw_fd).into_iter().chain(stderr.map(AsRawFd::as_raw_fd));
    numbers.filter_map(|number| fs::read_link(format!("/proc/self/fd/{number}")).ok()).collect()
}

/// Kills the processes with this mark that `is_meant` accepts.
fn end(mark: &str, is_meant: impl Fn(&Process) -> bool) {
    for _ in 0..ROUNDS {
        let mut found = false;
        for process in Process::all().filter(|process| process.has(mark) && is_meant(process)) {
            // This fails if the process has ended meanwhile.
            found |= kill_process(process.id, Signal::KILL).is_ok();
        }
        if !found {
            return;
        }
    }
}

/// A process in `/proc`.
struct Process {
    id: Pid,
    directory: PathBuf,
}

impl Process {
    fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            Some(Self { id, directory: entry.path() })
        })
    }

    /// Whether its environment has the mark. A process that has ended has no environment.
    fn has(&self, mark: &str) -> bool {
        let environment = fs::read(self.directory.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    }

    fn group(&self) -> Option<Pid> {
        rustix::process::getpgid(Some(self.id)).ok()
    }

    fn holds(&self, pipe: &Path) -> bool {
        let descriptors = fs::read_dir(self.directory.join("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|held| held == pipe)
    }
}
