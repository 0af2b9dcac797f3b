//! `stocktake daemon`: runs until a signal stops it.

use std::path::Path;

use super::exit::Exit;
use super::output::complain;
use crate::daemon::{DaemonError, DaemonOptions, daemon as run_daemon};
use crate::metrics::Metrics;
use crate::registry::chain;

pub(super) async fn daemon(file: Option<&Path>, metrics: Metrics) -> Exit {
    match run_daemon(DaemonOptions { file: file.map(Path::to_owned), metrics }).await {
        Ok(()) => Exit::Good,
        Err(DaemonError::Configuration(problems)) => {
            complain(&problems);
            Exit::Configuration
        }
        Err(e) => {
            complain(&chain(&e));
            Exit::Failed
        }
    }
}
