//! The first process of a container: starts the program as its only child, passes signals on to it, and waits for all
//! processes that have lost their parent.
//!
//! A credential program may leave an agent behind (`gpg-agent`). When the agent ends, only process 1 can wait for it,
//! and until then it stays as a zombie. The program itself cannot do this: to wait for any child takes away the exit
//! status of the programs that tokio waits for. So process 1 does nothing else, as tini does.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::output::complain;

/// The signals that mean something to a daemon or a run, and those that end a program.
const FORWARDED: [Signal; 6] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];

/// Runs the program as a child to its end, if this is process 1. None: it is another one, or no child can be started;
/// then this process is the program.
pub(super) fn as_first_process() -> Option<ExitCode> {
    if rustix::process::getpid() != Pid::INIT {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run_child())) {
        Ok(code) => Some(code),
        Err(e) => {
            complain(&format!(
                "cannot start a child of process 1: {e}; processes that lose their parent are not waited for"
            ));
            None
        }
    }
}

async fn run_child() -> io::Result<ExitCode> {
    let mut ended = signal(SignalKind::child())?;
    let mut forwarded = Vec::new();
    for number in FORWARDED {
        // Before the child starts: process 1 gets no signal that it does not receive.
        forwarded.push((number, signal(SignalKind::from_raw(number.as_raw()))?));
    }
    let child = start()?;
    for (number, mut received) in forwarded {
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                // This fails if the child has just ended.
                let _ = kill_process(child, number);
            }
        });
    }
    loop {
        if let Some(status) = reap(child)? {
            return Ok(code(status));
        }
        ended.recv().await;
    }
}

/// Starts this program again. In a process group of its own, so that a terminal sends Ctrl-C to process 1 alone and the
/// child gets it once.
fn start() -> io::Result<Pid> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    // The file itself, even if another one has its name by now.
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).args(arguments).process_group(0);
    // The watchdog of a service manager would be meant for process 1 alone.
    let child = command.env_remove("WATCHDOG_PID").spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| io::Error::other("the child has no process ID"))
}

/// Waits for all children that have ended. Returns the status of `child` if it is among them.
fn reap(child: Pid) -> io::Result<Option<WaitStatus>> {
    while let Some((id, status)) = rustix::process::wait(WaitOptions::NOHANG)? {
        if id == child {
            return Ok(Some(status));
        }
    }
    Ok(None)
}

/// The exit code of the child, or 128 and the number of the signal that ended it, as shells have it.
fn code(status: WaitStatus) -> ExitCode {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
