//! Why the daemon cannot start.

use std::io;

use tokio_cron_scheduler::JobSchedulerError;

use super::slot_store::SlotStoreError;
use crate::web::WebError;

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration has problems, which are the text.
    #[error("{0}")]
    Configuration(String),
    /// The state directory cannot be used.
    #[error(transparent)]
    SlotStore(#[from] SlotStoreError),
    /// The listener cannot be started.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The ticks of the scheduler cannot be started.
    #[error("cannot start the clock of the schedule")]
    Ticker(#[from] JobSchedulerError),
    /// Signals cannot be received.
    #[error("cannot listen to signals")]
    Signals(#[from] io::Error),
}
