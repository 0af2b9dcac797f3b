//! Reads every two seconds the histories that other processes have written, so that the daemon also shows the outcome of
//! `stocktake run`. Compares the modification times of the state, and reads what changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stocktake_sink::RegistryName;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::status_board::StatusBoard;
use crate::registry::chain;
use crate::state::{self, History};

const EVERY: Duration = Duration::from_secs(2);

/// The last known modification time of the state of each registry.
pub(super) type WriteTimes = HashMap<RegistryName, SystemTime>;

/// Observes until stopped.
pub(super) async fn observe(
    state: Arc<Path>,
    names: Vec<RegistryName>,
    board: Arc<StatusBoard>,
    stop: CancellationToken,
) {
    let mut seen = WriteTimes::new();
    let mut round = tokio::time::interval(EVERY);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(round.tick()).await.is_some() {
        let (root, all) = (Arc::clone(&state), names.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let news = look(&root, &all, &mut seen);
            (seen, news)
        });
        let Ok((known, news)) = looked.await else { return };
        seen = known;
        for (registry, history) in news {
            board.observed(&registry, history);
        }
    }
}

/// The histories that have changed since the last look.
pub(super) fn look(root: &Path, names: &[RegistryName], seen: &mut WriteTimes) -> Vec<(RegistryName, History)> {
    let mut news = Vec::new();
    for name in names {
        let Some(written) = state::written_at(root, name) else { continue };
        if seen.insert(name.clone(), written) == Some(written) {
            continue;
        }
        match state::history(root, name) {
            Ok(history) => news.push((name.clone(), history)),
            // The next run reports the error with a remedy.
            Err(e) => debug!(registry = %name, "{}", chain(&e)),
        }
    }
    news
}
