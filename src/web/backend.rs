//! What the listener shows and which runs it can start, as the daemon provides it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::status::Status;

/// What the listener shows, and the runs that it can start.
#[async_trait]
pub trait WebBackend: Send + Sync + Debug {
    /// The status of the daemon and its registries. Called on a thread that may block.
    fn status(&self) -> Status;
    /// Appends all metrics in Prometheus' text format 0.0.4. Called on a thread that may block.
    fn metrics(&self, text: &mut String);
    /// Whether the scheduling loop is running; if not, one line that says why.
    fn is_healthy(&self) -> Result<(), String>;
    /// Whether there is a configuration and the daemon is not stopping; if not, one line that says why.
    fn is_ready(&self) -> Result<(), String>;
    /// What a person should know though the daemon is ready, in one line. Called on a thread that may block.
    fn remark(&self) -> Option<String>;
    /// Requests a run of this registry now. `accepts_loss`: a person knows that the registry has lost something.
    async fn run(&self, registry: &str, accepts_loss: bool) -> Result<RunAccepted, RunRefused>;
}

/// The outcome of a request for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAccepted {
    /// The run has begun.
    Started,
    /// The run begins when another run ends.
    Queued,
    /// A run of this registry is queued or in progress, and no other was begun.
    AlreadyRunning,
}

impl RunAccepted {
    /// The word of the JSON response: `already_running`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Queued => "queued",
            Self::AlreadyRunning => "already_running",
        }
    }
}

/// Why a requested run does not take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunRefused {
    /// The configuration has no registry of this name.
    #[error("no registry has this name")]
    NoSuchRegistry,
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}
