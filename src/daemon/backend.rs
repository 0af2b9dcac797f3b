//! What the listener sees of the daemon, and how it requests runs.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::status_board::StatusBoard;
use crate::metrics::Metrics;
use crate::status::Status;
use crate::web::{RunAccepted, RunRefused, WebBackend};

/// Requests for runs that may wait for the loop.
const MOST_WAITING: usize = 64;

/// A request for a run of one registry now.
#[derive(Debug)]
pub(super) struct RunRequest {
    pub(super) registry: String,
    pub(super) accepts_loss: bool,
    pub(super) reply: oneshot::Sender<Result<RunAccepted, RunRefused>>,
}

/// The daemon as the listener sees it.
#[derive(Debug)]
pub(super) struct DaemonBackend {
    board: Arc<StatusBoard>,
    metrics: Metrics,
    requests: mpsc::Sender<RunRequest>,
}

impl DaemonBackend {
    /// The backend, and the requests for runs that the loop receives.
    pub(super) fn new(board: Arc<StatusBoard>, metrics: Metrics) -> (Self, mpsc::Receiver<RunRequest>) {
        let (requests, received) = mpsc::channel(MOST_WAITING);
        (Self { board, metrics, requests }, received)
    }
}

#[async_trait]
impl WebBackend for DaemonBackend {
    fn status(&self) -> Status {
        self.board.status()
    }

    fn metrics(&self, text: &mut String) {
        self.metrics.write(&self.board.status(), text);
    }

    fn is_healthy(&self) -> Result<(), String> {
        self.board.is_healthy()
    }

    fn is_ready(&self) -> Result<(), String> {
        self.board.is_ready()
    }

    fn remark(&self) -> Option<String> {
        self.board.status().remark()
    }

    async fn run(&self, registry: &str, accepts_loss: bool) -> Result<RunAccepted, RunRefused> {
        let (reply, replied) = oneshot::channel();
        let request = RunRequest { registry: registry.to_owned(), accepts_loss, reply };
        // The channel is closed once the loop has ended.
        self.requests.send(request).await.map_err(|_| RunRefused::Stopping)?;
        replied.await.unwrap_or(Err(RunRefused::Stopping))
    }
}
