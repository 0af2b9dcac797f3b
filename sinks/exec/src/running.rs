//! A plugin while it runs: its output is read, and it is ended with all its processes if the publish is dropped.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use process_tree::{ProcessTree, ProgramMark};
use tokio::process::Command;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::output::{Answer, Captured, LastWords};

/// Time between SIGTERM and SIGKILL. Less than the program waits for its threads when it ends.
pub(crate) const GRACE: Duration = Duration::from_secs(3);
/// How long output is read after the end of all processes, if one that could not be found keeps the pipe open.
const REST: Duration = Duration::from_secs(1);

/// A plugin that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Answer,
    pub(crate) stderr: LastWords,
}

/// The processes of a plugin, and what must not be removed before they have ended.
struct Running<K: Send + 'static> {
    /// Taken when they are ended.
    parts: Option<(ProcessTree, K)>,
}

/// Runs the plugin to its end, and ends what it left running. `kept` is dropped after all processes have ended, also if
/// this future is dropped: then they get SIGTERM, and SIGKILL after [`GRACE`].
pub(crate) async fn run<K: Send + 'static>(command: &mut Command, mark: ProgramMark, kept: K) -> io::Result<Ended> {
    let (stdout, out) = Captured::<Answer>::begin()?;
    let (stderr, err) = Captured::<LastWords>::begin()?;
    let started = ProcessTree::start(command.stdout(out).stderr(err), mark);
    // Only the plugin holds the pipes now.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running { parts: Some((started?, kept)) };
    let status = match &mut running.parts {
        Some((tree, _)) => tree.wait().await?,
        None => return Err(io::ErrorKind::NotConnected.into()),
    };
    if let Some((tree, kept)) = running.parts.take() {
        // What it left behind would go on reading files that are removed.
        let end = spawn_blocking(move || {
            tree.end(Duration::ZERO);
            drop(kept);
        });
        // The task panics only if reading `/proc` does.
        let _ = end.await;
    }
    Ok(Ended { status, stdout: stdout.finish(REST).await, stderr: stderr.finish(REST).await })
}

impl<K: Send + 'static> Drop for Running<K> {
    fn drop(&mut self) {
        let Some((tree, kept)) = self.parts.take() else { return };
        let end = move || {
            tree.end(GRACE);
            drop(kept);
        };
        // The runtime waits for this thread when it ends. If it ends already, the closure is dropped, and with it the
        // tree, which kills at once.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(end);
        }
    }
}
