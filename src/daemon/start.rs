//! From nothing to ready, and from one configuration to the next: each as a whole, or not at all.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use stocktake_sink::RegistryName;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_cron_scheduler::JobSchedulerError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::loaded::Loaded;
use super::memory::{Found, Memory, MemoryError};
use super::notify::Supervisor;
use super::observer::{self, observe};
use super::roster::{Entrant, Roster};
use super::tower::Tower;
use super::{Daemon, Wish};
use crate::clock;
use crate::metrics::Metrics;
use crate::run::chain;
use crate::state::History;
use crate::status::Status;
use crate::web::{Listener, ListenerHandle, RunAccepted, RunRefused, WebBackend, WebError, WebSettings};

/// Wishes that may wait for the loop.
const WISHES: usize = 64;

/// How the daemon is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration; none: that of the first usual place.
    pub file: Option<PathBuf>,
    /// What counts; log lines are counted by it already.
    pub metrics: Metrics,
}

/// The daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration has problems; they are its text.
    #[error("{0}")]
    Configuration(String),
    /// The state directory cannot be used.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Nobody could look.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The loop would never turn.
    #[error("start the clock of the schedule")]
    Ticker(#[from] JobSchedulerError),
    /// Signals cannot be received.
    #[error("listen to signals")]
    Signals(#[from] io::Error),
}

/// The listener at work.
pub(super) struct Serving {
    settings: WebSettings,
    handle: ListenerHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    async fn begin(settings: &WebSettings, window: &Arc<Window>) -> Result<Self, WebError> {
        let listener = Listener::bind(settings).await?;
        let (address, handle, stop) = (listener.local_addr(), listener.handle(), CancellationToken::new());
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        info!(%address, "listening on {scheme}://{address}");
        let site: Arc<dyn WebBackend> = Arc::clone(window) as _;
        let task = tokio::spawn(listener.serve(site, stop.clone()));
        Ok(Self { settings: settings.clone(), handle, stop, task })
    }

    /// Goes over to other settings. If that fails, the listener there is goes on as it was.
    async fn change(&mut self, settings: &WebSettings, window: &Arc<Window>) -> Result<(), WebError> {
        if settings.listen == self.settings.listen {
            self.handle.replace(settings)?;
            self.settings = settings.clone();
        } else {
            let before = std::mem::replace(self, Self::begin(settings, window).await?);
            // Whoever is being answered there still gets the answer.
            before.stop.cancel();
        }
        Ok(())
    }

    /// Has it end as soon as those who are being answered have their answers.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Stops it and waits for its end.
    pub(super) async fn close(self) {
        self.stop();
        if let Err(e) = self.task.await {
            warn!("the listener came to an end by a fault: {e}");
        }
    }
}

/// What the listener sees of the daemon.
#[derive(Debug)]
pub(super) struct Window {
    tower: Arc<Tower>,
    metrics: Metrics,
    wishes: mpsc::Sender<Wish>,
}

#[async_trait]
impl WebBackend for Window {
    fn status(&self) -> Status {
        self.tower.status()
    }

    fn metrics(&self, text: &mut String) {
        self.metrics.write(&self.tower.status(), text);
    }

    fn is_healthy(&self) -> Result<(), String> {
        self.tower.is_healthy()
    }

    fn is_ready(&self) -> Result<(), String> {
        self.tower.is_ready()
    }

    async fn run(&self, registry: &str) -> Result<RunAccepted, RunRefused> {
        let (answer, answered) = oneshot::channel();
        let wish = Wish { registry: registry.to_owned(), answer };
        // Closed once the loop has ended.
        self.wishes.send(wish).await.map_err(|_| RunRefused::Stopping)?;
        answered.await.unwrap_or(Err(RunRefused::Stopping))
    }
}

impl Daemon {
    /// Reads the configuration, takes the memory, and opens the listener.
    pub(super) async fn prepare(options: Options) -> Result<Self, DaemonError> {
        let mut loaded = load(options.file.clone()).await.map_err(DaemonError::Configuration)?;
        let memory = Memory::open(&loaded.state)?;
        let metrics = options.metrics.clone();
        loaded.count_in(&metrics);
        let tower = Arc::new(Tower::new(loaded.file.display().to_string(), loaded.at));
        let (wish, wishes) = mpsc::channel(WISHES);
        let window = Arc::new(Window { tower: Arc::clone(&tower), metrics: metrics.clone(), wishes: wish });
        let serving = Serving::begin(&loaded.web, &window).await?;
        let mut daemon = Self {
            options,
            loaded: Arc::new(loaded),
            metrics,
            tower,
            roster: Roster::default(),
            memory,
            serving,
            window,
            supervisor: Supervisor::of_environment(),
            wishes,
            runs: JoinSet::new(),
            orders: HashMap::new(),
            stop: CancellationToken::new(),
            observing: CancellationToken::new(),
            ticked: Instant::now(),
        };
        daemon.take_over().await;
        Ok(daemon)
    }

    /// Takes this configuration; if it cannot be had as a whole, nothing of it.
    pub(super) async fn take(&mut self, mut loaded: Loaded) -> Result<(), String> {
        let is_ours = self.memory.is_in(&loaded.state);
        let memory = if is_ours { None } else { Some(Memory::open(&loaded.state).map_err(|e| chain(&e))?) };
        self.serving.change(&loaded.web, &self.window).await.map_err(|e| chain(&e))?;
        // From here on nothing fails.
        loaded.count_in(&self.metrics);
        let before = std::mem::replace(&mut self.loaded, Arc::new(loaded));
        for gone in before.names.iter().filter(|name| !self.loaded.plans.contains_key(*name)) {
            info!(registry = %gone, "{gone} is not configured any more");
            self.metrics.forget(gone);
        }
        if let Some(memory) = memory {
            std::mem::replace(&mut self.memory, memory).close().await;
        }
        self.take_over().await;
        Ok(())
    }

    /// Makes the loaded configuration the one that roster, tower and observer follow.
    async fn take_over(&mut self) {
        for note in &self.loaded.notes {
            info!("{note}");
        }
        let now = clock::now();
        let (state, names): (Arc<Path>, _) = (self.loaded.state.as_path().into(), self.loaded.names.clone());
        let root = Arc::clone(&state);
        let read = move || observer::look(&root, &names, &mut observer::Seen::new());
        let histories: HashMap<_, _> =
            tokio::task::spawn_blocking(read).await.unwrap_or_default().into_iter().collect();
        let entrants = self.loaded.names.iter().map(|name| self.entrant(name, &histories, now)).collect();
        let changed = self.roster.replace(entrants, now);
        self.keep(&changed);
        self.tower.replace(&self.loaded, &self.roster, histories);
        self.observing.cancel();
        self.observing = CancellationToken::new();
        let (tower, stop) = (Arc::clone(&self.tower), self.observing.clone());
        tokio::spawn(observe(state, self.loaded.names.clone(), tower, stop));
    }

    fn entrant(&self, name: &RegistryName, histories: &HashMap<RegistryName, History>, now: DateTime<Utc>) -> Entrant {
        let schedule = self.loaded.schedules.get(name).cloned();
        let Found { mut past, is_new, is_rescheduled } = self.memory.find(name, schedule.as_ref(), now);
        // Killed after the run had ended, and before that was written down here.
        let served = histories.get(name).and_then(|history| history.served);
        if let Some(last) = past.last.filter(|last| Some(last.slot) == served) {
            past.end(last.slot);
        }
        Entrant { registry: name.clone(), schedule, past, is_new, is_rescheduled }
    }
}

/// Reads the configuration aside.
pub(super) async fn load(file: Option<PathBuf>) -> Result<Loaded, String> {
    tokio::task::spawn_blocking(move || Loaded::load(file.as_deref())).await.unwrap_or_else(|e| Err(e.to_string()))
}
