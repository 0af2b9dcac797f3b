//! The status that the listener shows. The loop writes what it does; a [`Status`] is made when the listener asks for it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::{Mutex, MutexGuard};
use stocktake_sink::RegistryName;
use tokio::time::Instant;

use super::loaded::LoadedConfig;
use super::run_queue::RunQueue;
use crate::clock;
use crate::registry::TokenState;
use crate::run::{RunOutcome, RunReport, WalkProgress, Watch};
use crate::schedule::Schedule;
use crate::state::{History, Reason, Refusals};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, ScheduleStatus, Status, TokenStatus};
use crate::words::counted;

/// The loop ticks every second. After this time without a tick it is considered stalled.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// The status, shared by the loop, the runs and the listener.
#[derive(Debug)]
pub(super) struct StatusBoard(Mutex<BoardState>);

#[derive(Debug)]
struct BoardState {
    started_at: DateTime<Utc>,
    ticked_at: DateTime<Utc>,
    ticked: Instant,
    is_stopping: bool,
    configuration: ConfigurationStatus,
    registries: Vec<BoardEntry>,
    running: HashMap<RegistryName, RunInProgress>,
}

/// One registry without its run in progress.
#[derive(Debug)]
struct BoardEntry {
    name: RegistryName,
    url: String,
    first_seen_at: DateTime<Utc>,
    schedule: Option<ScheduleStatus>,
    is_queued: bool,
    history: History,
    /// Failed runs that could not be written to the history.
    unwritten: u32,
    trouble: Option<Reason>,
    concurrency: usize,
    sinks: Vec<String>,
}

#[derive(Debug)]
struct RunInProgress {
    since: DateTime<Utc>,
    watch: Option<Watch>,
}

impl StatusBoard {
    pub(super) fn new(file: String, now: DateTime<Utc>) -> Self {
        let configuration = ConfigurationStatus { file, loaded_at: now, error: None };
        Self(Mutex::new(BoardState {
            started_at: now,
            ticked_at: now,
            ticked: Instant::now(),
            is_stopping: false,
            configuration,
            registries: Vec::new(),
            running: HashMap::new(),
        }))
    }

    /// Replaces the registries by those of another configuration. Registries that stay keep their histories.
    pub(super) fn replace(&self, loaded: &LoadedConfig, queue: &RunQueue, mut found: HashMap<RegistryName, History>) {
        let mut state = self.state();
        state.configuration =
            ConfigurationStatus { file: loaded.file.display().to_string(), loaded_at: loaded.at, error: None };
        let mut before: HashMap<_, _> = state.registries.drain(..).map(|entry| (entry.name.clone(), entry)).collect();
        let entries = loaded.names.iter().map(|name| {
            let plan = &loaded.plans[name];
            let known = before.remove(name);
            let (unwritten, trouble) =
                known.as_ref().map_or((0, None), |entry| (entry.unwritten, entry.trouble.clone()));
            let history = found.remove(name).or_else(|| known.map(|entry| entry.history)).unwrap_or_default();
            BoardEntry {
                name: name.clone(),
                url: plan.registry.url.to_string(),
                first_seen_at: queue.past(name).map_or(loaded.at, |past| past.first_seen),
                schedule: loaded.schedules.get(name).map(|schedule| described(schedule, loaded.at)),
                is_queued: false,
                history,
                unwritten,
                trouble,
                concurrency: plan.registry.concurrency.get(),
                sinks: plan.sink_names(),
            }
        });
        state.registries = entries.collect();
        drop(state);
        self.follow(queue);
    }

    /// Updates the next start of each registry, and which runs are queued.
    pub(super) fn follow(&self, queue: &RunQueue) {
        let queued = queue.queued();
        for entry in &mut self.state().registries {
            entry.is_queued = queued.contains(&entry.name);
            if let Some(schedule) = &mut entry.schedule {
                schedule.next = queue.next_start(&entry.name);
            }
        }
    }

    pub(super) fn ticked(&self, now: DateTime<Utc>) {
        let mut state = self.state();
        (state.ticked_at, state.ticked) = (now, Instant::now());
    }

    pub(super) fn not_reloaded(&self, why: String) {
        self.state().configuration.error = Some(why);
    }

    pub(super) fn stopping(&self) {
        self.state().is_stopping = true;
    }

    pub(super) fn begins(&self, registry: &RegistryName) {
        self.state().running.insert(registry.clone(), RunInProgress { since: clock::now(), watch: None });
    }

    /// From then on the progress of the run is shown.
    pub(super) fn watch(&self, registry: &RegistryName, watch: Watch) {
        if let Some(running) = self.state().running.get_mut(registry) {
            running.watch = Some(watch);
        }
    }

    /// A run ended with this report, or without a report because of a bug.
    pub(super) fn ended(&self, registry: &RegistryName, report: Option<&RunReport>) {
        let mut state = self.state();
        state.running.remove(registry);
        let Some(entry) = state.registries.iter_mut().find(|entry| entry.name == *registry) else { return };
        if let Some(history) = report.and_then(|report| report.history.as_ref()) {
            entry.take(history.clone());
        }
        entry.trouble = match report {
            None => Some(panicked()),
            Some(report) => {
                report.cause().filter(|_| matches!(report.outcome, RunOutcome::NotBegun(_))).map(Reason::from)
            }
        };
        entry.unwritten += u32::from(entry.trouble.is_some());
    }

    /// The history that a run of another process, or an earlier run, has written.
    pub(super) fn observed(&self, registry: &RegistryName, history: History) {
        let mut state = self.state();
        if let Some(entry) = state.registries.iter_mut().find(|entry| entry.name == *registry) {
            entry.take(history);
        }
    }

    /// Whether the loop is running; if not, one line that says why.
    pub(super) fn is_healthy(&self) -> Result<(), String> {
        let idle = self.state().ticked.elapsed();
        if idle < STALLED_AFTER {
            Ok(())
        } else {
            Err(format!("the scheduling loop has not run for {} s", idle.as_secs()))
        }
    }

    /// Whether the daemon starts runs; if not, one line that says why.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        if self.state().is_stopping { Err("stopping".to_owned()) } else { self.is_healthy() }
    }

    /// The status in one line.
    pub(super) fn summary(&self) -> String {
        let state = self.state();
        let attention = state.registries.iter().filter(|entry| entry.needs_attention()).count();
        let runs = state.registries.iter().filter(|entry| !entry.is_suspended());
        let next = runs.filter_map(|entry| Some((entry.schedule.as_ref()?.next?, &entry.name))).min();
        let next = next.map_or_else(String::new, |(at, name)| format!(", next {name} at {}", at.format("%F %TZ")));
        let stopping = if state.is_stopping { "stopping, " } else { "" };
        let registries = counted(state.registries.len(), "registry", "registries");
        let verb = if attention == 1 { "needs" } else { "need" };
        format!("{stopping}{registries}, {} running, {attention} {verb} attention{next}", state.running.len())
    }

    /// The status now.
    pub(super) fn status(&self) -> Status {
        let now = clock::now();
        let state = self.state();
        Status {
            now,
            started_at: state.started_at,
            ticked_at: state.ticked_at,
            is_stopping: state.is_stopping,
            configuration: state.configuration.clone(),
            registries: state
                .registries
                .iter()
                .map(|entry| entry.status(state.running.get(&entry.name), now))
                .collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, BoardState> {
        self.0.lock()
    }
}

impl BoardEntry {
    fn is_suspended(&self) -> bool {
        self.history.refusals.as_ref().is_some_and(Refusals::is_suspended)
    }

    fn needs_attention(&self) -> bool {
        // Nothing starts it.
        let is_left_alone = self.schedule.is_none() && self.history.last.is_none();
        is_left_alone
            || self.trouble.is_some()
            || self.history.refusals.is_some()
            || self.history.last.as_ref().is_some_and(|last| last.reason.is_some())
            || self.sinks.iter().filter_map(|name| self.history.sinks.get(name)).any(|sink| sink.error.is_some())
    }

    /// Replaces the history. It includes all failures before it.
    fn take(&mut self, history: History) {
        (self.history, self.unwritten) = (history, 0);
    }

    /// The history with the failures that could not be written, and without sinks that are not configured any more.
    fn whole_history(&self) -> History {
        let mut history = self.history.clone();
        history.failures = history.failures.saturating_add(self.unwritten);
        history.sinks.retain(|name, _| self.sinks.contains(name));
        history
    }

    fn status(&self, running: Option<&RunInProgress>, now: DateTime<Utc>) -> RegistryStatus {
        RegistryStatus {
            name: self.name.clone(),
            url: self.url.clone(),
            first_seen_at: self.first_seen_at,
            schedule: self.schedule.clone(),
            activity: match running {
                Some(running) => running.activity(),
                None if self.is_queued => Activity::Queued,
                None => Activity::Idle,
            },
            history: self.whole_history(),
            trouble: self.trouble.clone(),
            token: running.map_or(TokenStatus::None, |running| running.token(now)),
            concurrency: self.concurrency,
            sinks: self.sinks.clone(),
        }
    }
}

impl RunInProgress {
    fn activity(&self) -> Activity {
        let seen = |of: fn(&WalkProgress) -> u64| self.watch.as_ref().map_or(0, |watch| of(&watch.progress));
        let (pages, listed, read) = (seen(WalkProgress::pages), seen(WalkProgress::listed), seen(WalkProgress::read));
        let is_list_whole = self.watch.as_ref().is_some_and(|watch| watch.progress.is_list_whole());
        let to_read = seen(WalkProgress::to_read);
        Activity::Running { since: self.since, pages, listed, is_list_whole, to_read, read }
    }

    fn token(&self, now: DateTime<Utc>) -> TokenStatus {
        let state = self.watch.as_ref().and_then(|watch| Some(watch.client.as_ref()?.token()));
        let after = |wait: Duration| now + TimeDelta::from_std(wait).unwrap_or_default();
        match state {
            None | Some(TokenState::None) => TokenStatus::None,
            Some(TokenState::Expired | TokenState::Rejected) => TokenStatus::Expired,
            Some(TokenState::Valid { expires_in, renew_in }) => {
                TokenStatus::Held { expires_at: after(expires_in), renew_at: now + renew_in }
            }
        }
    }
}

fn described(schedule: &Schedule, now: DateTime<Utc>) -> ScheduleStatus {
    ScheduleStatus {
        expression: schedule.expression().to_owned(),
        time_zone: schedule.time_zone().to_owned(),
        next: None,
        interval: schedule.interval(now),
    }
}

fn panicked() -> Reason {
    let message = "the last run failed because of a bug in stocktake".to_owned();
    Reason { code: "panic".to_owned(), message, remedy: Some("please report it, with the log".to_owned()) }
}

#[cfg(test)]
#[path = "status_board_tests.rs"]
mod tests;
