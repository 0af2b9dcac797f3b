//! Applies a configuration to the loop, at the start and at a reload: as a whole, or not at all.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::announce;
use super::backend::DaemonBackend;
use super::daemon_loop::DaemonLoop;
use super::error::DaemonError;
use super::loaded::{LoadedConfig, load};
use super::observer::{self, observe};
use super::run_queue::{ConfiguredRegistry, RunQueue};
use super::running_listener::RunningListener;
use super::service_manager::ServiceManager;
use super::signals::Signals;
use super::slot_store::{RestoredSlots, SlotStore};
use super::status_board::StatusBoard;
use super::ticker::Ticker;
use crate::clock;
use crate::metrics::Metrics;
use crate::registry::chain;
use crate::state::History;

impl DaemonLoop {
    /// Reads the configuration, opens the slot store, and starts the listener.
    pub(super) async fn prepare(file: Option<PathBuf>, metrics: Metrics) -> Result<Self, DaemonError> {
        let mut loaded = load(file.clone()).await.map_err(DaemonError::Configuration)?;
        let store = SlotStore::open(&loaded.state)?;
        announce::starts(&loaded);
        loaded.add_to(&metrics);
        let board = Arc::new(StatusBoard::new(loaded.file.display().to_string(), loaded.at));
        let (backend, requests) = DaemonBackend::new(Arc::clone(&board), metrics.clone());
        let backend = Arc::new(backend);
        let listener = RunningListener::start(&loaded.web, &backend).await?;
        let mut daemon = Self {
            file,
            loaded: Arc::new(loaded),
            metrics,
            board,
            queue: RunQueue::default(),
            store,
            listener,
            backend,
            service_manager: ServiceManager::of_environment(),
            requests,
            runs: JoinSet::new(),
            started: HashMap::new(),
            stop: CancellationToken::new(),
            observing: CancellationToken::new(),
            ticked: Instant::now(),
        };
        daemon.follow_configuration().await;
        Ok(daemon)
    }

    /// Reads the configuration again and applies it, or keeps the former one and logs why. While the disk does not answer, the
    /// schedule continues and a stop is possible.
    pub(super) async fn reload(&mut self, signals: &mut Signals, ticker: &mut Ticker) -> ControlFlow<()> {
        self.service_manager.reloading();
        let loading = load(self.file.clone());
        tokio::pin!(loading);
        let loaded = loop {
            tokio::select! {
                biased;
                () = signals.stop() => return ControlFlow::Break(()),
                loaded = &mut loading => break loaded,
                Some(ended) = self.runs.join_next_with_id(), if !self.runs.is_empty() => self.ended(ended),
                () = ticker.tick() => self.tick(clock::now()),
            }
            self.start_runs();
        };
        let applied = tokio::select! {
            biased;
            () = signals.stop() => return ControlFlow::Break(()),
            applied = async { self.apply(loaded?).await } => applied,
        };
        match applied {
            Ok(()) => {
                // The next runs are known after a tick. The status must not be shown before.
                self.tick(clock::now());
                announce::next(&self.loaded, &self.queue, &self.board.status());
            }
            Err(e) => {
                warn!("the configuration is not reloaded; the former one stays in use: {e}");
                self.board.not_reloaded(e);
            }
        }
        self.service_manager.ready();
        ControlFlow::Continue(())
    }

    /// Applies this configuration, or after an error nothing of it.
    async fn apply(&mut self, mut loaded: LoadedConfig) -> Result<(), String> {
        let has_same_state = self.store.is_in(&loaded.state);
        let store = if has_same_state { None } else { Some(SlotStore::open(&loaded.state).map_err(|e| chain(&e))?) };
        self.listener.change(&loaded.web, &self.backend).await.map_err(|e| chain(&e))?;
        // Nothing after this point can fail.
        loaded.add_to(&self.metrics);
        let before = std::mem::replace(&mut self.loaded, Arc::new(loaded));
        announce::reloaded(&before, &self.loaded);
        for gone in before.names.iter().filter(|name| !self.loaded.plans.contains_key(*name)) {
            self.metrics.forget(gone);
        }
        if let Some(store) = store {
            std::mem::replace(&mut self.store, store).close().await;
        }
        self.follow_configuration().await;
        Ok(())
    }

    /// Hands the loaded configuration to the queue, the status board and the observer.
    async fn follow_configuration(&mut self) {
        for note in &self.loaded.notes {
            info!("{note}");
        }
        let now = clock::now();
        let (state, names): (Arc<Path>, _) = (self.loaded.state.as_path().into(), self.loaded.names.clone());
        let root = Arc::clone(&state);
        let read = move || observer::look(&root, &names, &mut observer::WriteTimes::new());
        let histories: HashMap<_, _> =
            tokio::task::spawn_blocking(read).await.unwrap_or_default().into_iter().collect();
        let registries = self.loaded.names.iter().map(|name| self.configured(name, &histories, now)).collect();
        let changed = self.queue.replace(registries, now);
        self.store_slots(&changed);
        self.board.replace(&self.loaded, &self.queue, histories);
        self.observing.cancel();
        self.observing = CancellationToken::new();
        let (board, stop) = (Arc::clone(&self.board), self.observing.clone());
        tokio::spawn(observe(state, self.loaded.names.clone(), board, stop));
    }

    fn configured(
        &self,
        name: &RegistryName,
        histories: &HashMap<RegistryName, History>,
        now: DateTime<Utc>,
    ) -> ConfiguredRegistry {
        let schedule = self.loaded.schedules.get(name).cloned();
        let RestoredSlots { mut past, is_new, is_rescheduled } = self.store.find(name, schedule.as_ref(), now);
        // The process may have been killed after the run ended and before the store was written.
        let served = histories.get(name).and_then(|history| history.served);
        if let Some(last) = past.last.filter(|last| Some(last.slot) == served) {
            past.end(last.slot);
        }
        ConfiguredRegistry { registry: name.clone(), schedule, past, is_new, is_rescheduled }
    }
}
