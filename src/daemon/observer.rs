//! Looks every other second whether somebody else ran a registry: `stocktake run` beside the daemon, whose outcome is to be
//! seen here too. Looks at the state's times alone, and reads what has changed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stocktake_sink::RegistryName;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::tower::Tower;
use crate::error_chain::chain;
use crate::state::{self, History};

const EVERY: Duration = Duration::from_secs(2);

/// When the state of each registry was last seen to change.
pub(super) type Seen = HashMap<RegistryName, SystemTime>;

/// Observes until stopped.
pub(super) async fn observe(state: Arc<Path>, names: Vec<RegistryName>, tower: Arc<Tower>, stop: CancellationToken) {
    let mut seen = Seen::new();
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
            tower.observed(&registry, history);
        }
    }
}

/// The histories that have changed since the last look.
pub(super) fn look(root: &Path, names: &[RegistryName], seen: &mut Seen) -> Vec<(RegistryName, History)> {
    let mut news = Vec::new();
    for name in names {
        let Some(written) = state::written_at(root, name) else { continue };
        if seen.insert(name.clone(), written) == Some(written) {
            continue;
        }
        match state::history(root, name) {
            Ok(history) => news.push((name.clone(), history)),
            // The next run says so, and says what to do.
            Err(e) => debug!(registry = %name, "{}", chain(&e)),
        }
    }
    news
}
