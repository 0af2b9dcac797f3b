//! The daemon. Every second it starts the runs that are due, and it answers signals and the listener.
//!
//! `announce` logs what the daemon does next. `daemon_loop` makes all decisions in one task; runs are tasks that report to it. `configure` applies a configuration to the
//! loop. `run_queue` decides which runs are due, and `slot_store` keeps what must survive a restart. `status_board` is what the
//! listener shows, and `backend` is how the listener reaches the loop. `ticker`, `service_manager` and `signals` are the
//! connections to the operating system.

mod announce;
mod backend;
mod configure;
mod daemon_loop;
mod error;
mod loaded;
mod observer;
mod run_queue;
mod running_listener;
mod service_manager;
mod signals;
mod slot_store;
mod status_board;
mod ticker;

use std::path::PathBuf;

use tracing::info;

pub use error::DaemonError;
pub use slot_store::SlotStoreError;

use crate::metrics::Metrics;
use daemon_loop::DaemonLoop;
use signals::Signals;
use ticker::Ticker;

/// How the daemon is started.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// The file of the configuration; none for the first of the usual places that has one.
    pub file: Option<PathBuf>,
    /// The metrics, which count log messages already.
    pub metrics: Metrics,
}

/// Runs until a signal stops it.
///
/// # Errors
/// Only before the daemon is ready: the configuration, the state directory or the listener cannot be used.
pub async fn daemon(options: DaemonOptions) -> Result<(), DaemonError> {
    let mut signals = Signals::listen()?;
    let ticker = Ticker::start().await?;
    let prepared = tokio::select! {
        biased;
        () = signals.stop() => {
            info!("stopped before the daemon was ready");
            return Ok(());
        }
        prepared = DaemonLoop::prepare(options.file, options.metrics) => prepared,
    };
    let mut daemon = prepared?;
    daemon.run(ticker, signals).await;
    daemon.end().await;
    Ok(())
}
