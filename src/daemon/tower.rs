//! What can be seen from outside: how everything stands, put together when somebody looks. The loop writes here what it
//! does; the listener reads.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::RegistryName;
use tokio::time::Instant;

use super::loaded::Loaded;
use super::roster::Roster;
use crate::clock;
use crate::registry::TokenState;
use crate::run::{RunOutcome, RunReport, WalkProgress, Watch};
use crate::schedule::Schedule;
use crate::state::{History, Reason};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, ScheduleStatus, Status, TokenStatus};

/// The loop turns every second; one that has not for so long hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Shared by the loop, the runs and the listener.
#[derive(Debug)]
pub(super) struct Tower(Mutex<View>);

#[derive(Debug)]
struct View {
    started_at: DateTime<Utc>,
    ticked_at: DateTime<Utc>,
    ticked: Instant,
    is_stopping: bool,
    configuration: ConfigurationStatus,
    registries: Vec<Post>,
    running: HashMap<RegistryName, Running>,
}

/// One registry, as far as it does not change while a run goes on.
#[derive(Debug)]
struct Post {
    name: RegistryName,
    url: String,
    first_seen_at: DateTime<Utc>,
    schedule: Option<ScheduleStatus>,
    is_queued: bool,
    history: History,
    /// Runs that failed since that was written, and could not be written to it.
    unwritten: u32,
    trouble: Option<Reason>,
    concurrency: usize,
    sinks: Vec<String>,
}

#[derive(Debug)]
struct Running {
    since: DateTime<Utc>,
    watch: Option<Watch>,
}

impl Tower {
    pub(super) fn new(file: String, now: DateTime<Utc>) -> Self {
        let configuration = ConfigurationStatus { file, loaded_at: now, error: None };
        Self(Mutex::new(View {
            started_at: now,
            ticked_at: now,
            ticked: Instant::now(),
            is_stopping: false,
            configuration,
            registries: Vec::new(),
            running: HashMap::new(),
        }))
    }

    /// Takes the registries of a configuration in place of those before; those that stay keep their histories.
    pub(super) fn replace(&self, loaded: &Loaded, roster: &Roster, mut found: HashMap<RegistryName, History>) {
        let mut view = self.view();
        view.configuration =
            ConfigurationStatus { file: loaded.file.display().to_string(), loaded_at: loaded.at, error: None };
        let mut before: HashMap<_, _> = view.registries.drain(..).map(|post| (post.name.clone(), post)).collect();
        let posts = loaded.names.iter().map(|name| {
            let plan = &loaded.plans[name];
            let known = before.remove(name);
            let (unwritten, trouble) = known.as_ref().map_or((0, None), |post| (post.unwritten, post.trouble.clone()));
            let history = found.remove(name).or_else(|| known.map(|post| post.history)).unwrap_or_default();
            Post {
                name: name.clone(),
                url: plan.registry.url.to_string(),
                first_seen_at: roster.past(name).map_or(loaded.at, |past| past.first_seen),
                schedule: loaded.schedules.get(name).map(|schedule| described(schedule, loaded.at)),
                is_queued: false,
                history,
                unwritten,
                trouble,
                concurrency: plan.registry.concurrency.get(),
                sinks: plan.sink_names(),
            }
        });
        view.registries = posts.collect();
        drop(view);
        self.follow(roster);
    }

    /// Takes over when each is to start, and who waits.
    pub(super) fn follow(&self, roster: &Roster) {
        let queued = roster.queued();
        for post in &mut self.view().registries {
            post.is_queued = queued.contains(&post.name);
            if let Some(schedule) = &mut post.schedule {
                schedule.next = roster.next_start(&post.name);
            }
        }
    }

    pub(super) fn ticked(&self, now: DateTime<Utc>) {
        let mut view = self.view();
        (view.ticked_at, view.ticked) = (now, Instant::now());
    }

    pub(super) fn not_reloaded(&self, why: String) {
        self.view().configuration.error = Some(why);
    }

    pub(super) fn stopping(&self) {
        self.view().is_stopping = true;
    }

    pub(super) fn begins(&self, registry: &RegistryName) {
        self.view().running.insert(registry.clone(), Running { since: clock::now(), watch: None });
    }

    /// From here on its progress can be seen.
    pub(super) fn watch(&self, registry: &RegistryName, watch: Watch) {
        if let Some(running) = self.view().running.get_mut(registry) {
            running.watch = Some(watch);
        }
    }

    /// Its run ended so; without a report, by a fault of ours.
    pub(super) fn ended(&self, registry: &RegistryName, report: Option<&RunReport>) {
        let mut view = self.view();
        view.running.remove(registry);
        let Some(post) = view.registries.iter_mut().find(|post| post.name == *registry) else { return };
        if let Some(history) = report.and_then(|report| report.history.as_ref()) {
            post.take(history.clone());
        }
        post.trouble = match report {
            None => Some(broken()),
            Some(report) => {
                report.cause().filter(|_| matches!(report.outcome, RunOutcome::NotBegun(_))).map(Reason::from)
            }
        };
        post.unwritten += u32::from(post.trouble.is_some());
    }

    /// What a run of another process, or an earlier one, left.
    pub(super) fn observed(&self, registry: &RegistryName, history: History) {
        let mut view = self.view();
        if let Some(post) = view.registries.iter_mut().find(|post| post.name == *registry) {
            post.take(history);
        }
    }

    /// Whether the loop turns.
    pub(super) fn is_healthy(&self) -> Result<(), String> {
        let idle = self.view().ticked.elapsed();
        if idle < HANGS { Ok(()) } else { Err(format!("the scheduling loop has not turned for {} s", idle.as_secs())) }
    }

    /// Whether it takes part in anything.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        if self.view().is_stopping { Err("stopping".to_owned()) } else { self.is_healthy() }
    }

    /// Everything in one line.
    pub(super) fn summary(&self) -> String {
        let view = self.view();
        let needy = view.registries.iter().filter(|post| post.needs_attention()).count();
        let next = view.registries.iter().filter_map(|post| Some((post.schedule.as_ref()?.next?, &post.name))).min();
        let next = next.map_or_else(String::new, |(at, name)| format!(", next {name} at {}", at.format("%F %TZ")));
        let stopping = if view.is_stopping { "stopping, " } else { "" };
        let registries = match view.registries.len() {
            1 => "1 registry".to_owned(),
            count => format!("{count} registries"),
        };
        let verb = if needy == 1 { "needs" } else { "need" };
        format!("{stopping}{registries}, {} running, {needy} {verb} attention{next}", view.running.len())
    }

    /// How everything stands now.
    pub(super) fn status(&self) -> Status {
        let now = clock::now();
        let view = self.view();
        Status {
            now,
            started_at: view.started_at,
            ticked_at: view.ticked_at,
            is_stopping: view.is_stopping,
            configuration: view.configuration.clone(),
            registries: view.registries.iter().map(|post| post.status(view.running.get(&post.name), now)).collect(),
        }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    fn needs_attention(&self) -> bool {
        self.trouble.is_some()
            || self.history.refusals.is_some()
            || self.history.last.as_ref().is_some_and(|last| last.reason.is_some())
            || self.sinks.iter().filter_map(|name| self.history.sinks.get(name)).any(|sink| sink.error.is_some())
    }

    /// Takes what has been written down; whatever failed before that stands in it, or has been made good.
    fn take(&mut self, history: History) {
        (self.history, self.unwritten) = (history, 0);
    }

    /// The history with what could not be written to it, and without the sinks that are not configured any more.
    fn whole_history(&self) -> History {
        let mut history = self.history.clone();
        history.failures = history.failures.saturating_add(self.unwritten);
        history.sinks.retain(|name, _| self.sinks.contains(name));
        history
    }

    fn status(&self, running: Option<&Running>, now: DateTime<Utc>) -> RegistryStatus {
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

impl Running {
    fn activity(&self) -> Activity {
        let seen = |of: fn(&WalkProgress) -> u64| self.watch.as_ref().map_or(0, |watch| of(&watch.progress));
        let (pages, listed, read) = (seen(WalkProgress::pages), seen(WalkProgress::listed), seen(WalkProgress::read));
        Activity::Running { since: self.since, pages, listed, read }
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

fn broken() -> Reason {
    let message = "the last run came to an end by a fault of stocktake's own".to_owned();
    Reason { code: "panic".to_owned(), message, remedy: Some("please report it, with the log".to_owned()) }
}

#[cfg(test)]
#[path = "tower_tests.rs"]
mod tests;
