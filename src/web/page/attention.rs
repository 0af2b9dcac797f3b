//! What needs attention, and what to do about it, as pure functions of the status. The thresholds are those of the alert rules,
//! whose names the items have.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::Verdict;

use super::alert_thresholds::THRESHOLDS;
use super::words::{counted, duration, relative};
use crate::snapshot::UnreadRepositories;
use crate::state::{History, Inventory, LastRun, Reason};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, Status, TokenStatus};
use crate::words::first_of;

/// So many snapshots are named that a sink does not have.
const NAMED: usize = 5;

/// The severity of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AttentionLevel {
    Warning,
    Critical,
}

/// One thing that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttentionItem {
    pub(super) level: AttentionLevel,
    /// A few words.
    pub(super) title: String,
    /// The alert rule that fires, if one does.
    pub(super) alert: Option<&'static str>,
    /// The message, which may have several lines.
    pub(super) said: Option<String>,
    /// The code of the reason.
    pub(super) code: Option<String>,
    /// The repositories that could not be read.
    pub(super) unread: Option<UnreadRepositories>,
    /// Whether the command shows all of them.
    pub(super) shows_all: bool,
    /// What to do.
    pub(super) remedy: Option<String>,
    /// What happens until then.
    pub(super) meanwhile: Option<String>,
    /// The first command.
    pub(super) command: Option<String>,
}

impl AttentionItem {
    fn new(level: AttentionLevel, title: impl Into<String>) -> Self {
        let title = title.into();
        Self {
            level,
            title,
            alert: None,
            said: None,
            code: None,
            unread: None,
            shows_all: false,
            remedy: None,
            meanwhile: None,
            command: None,
        }
    }

    fn because(self, reason: &Reason) -> Self {
        let Reason { code, message, remedy } = reason.clone();
        Self { said: Some(message), code: Some(code), remedy, ..self }
    }
}

/// The page shows a stalled scheduler before the alert fires. The scheduler ticks every second.
const LATE_TICK: Duration = Duration::from_mins(1);

/// What needs attention in the daemon itself.
pub(super) fn of_daemon(status: &Status) -> Vec<AttentionItem> {
    let mut items = Vec::new();
    let since_tick = (status.now - status.ticked_at).to_std().unwrap_or_default();
    if since_tick > LATE_TICK && !status.is_stopping {
        items.push(AttentionItem {
            alert: Some("StocktakeSchedulerStalled"),
            remedy: Some("read the log; if it says nothing, restart the daemon".to_owned()),
            meanwhile: Some("No run begins.".to_owned()),
            command: Some("journalctl --unit stocktake-daemon --since -1h".to_owned()),
            ..AttentionItem::new(
                AttentionLevel::Critical,
                format!("The scheduler last turned {} ago", duration(since_tick)),
            )
        });
    }
    if let Some(error) = &status.configuration.error {
        let loaded = relative(status.now, status.configuration.loaded_at);
        items.push(AttentionItem {
            alert: Some("StocktakeConfigReloadFailed"),
            said: Some(error.clone()),
            remedy: Some("correct the file, then reload".to_owned()),
            meanwhile: Some(format!("The configuration that was loaded {loaded} stays in use.")),
            command: Some(format!("stocktake validate{}", with_file(&status.configuration))),
            ..AttentionItem::new(AttentionLevel::Warning, "The configuration could not be reloaded")
        });
    }
    items
}

/// What needs attention in a registry, the worst first.
pub(super) fn of_registry(registry: &RegistryStatus, status: &Status) -> Vec<AttentionItem> {
    let now = status.now;
    let mut items: Vec<_> = [
        credentials(registry, now),
        last_run(registry),
        registry.trouble.as_ref().map(|reason| AttentionItem {
            alert: failing(registry),
            ..AttentionItem::new(AttentionLevel::Warning, "The last run came to nothing").because(reason)
        }),
        token(registry, now),
        unscheduled(registry, status),
    ]
    .into_iter()
    .flatten()
    .collect();
    items.extend(clock_was_ahead(registry, now));
    items.extend(sinks(registry, now));
    items.extend(lost_nights(registry, now));
    // The other items say why there is no inventory.
    if let Some(mut item) = overdue(registry, now) {
        item.remedy = item.remedy.filter(|_| items.is_empty());
        items.push(item);
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.level));
    let check = format!("stocktake check {}{}", registry.name, with_file(&status.configuration));
    let mut first_with_command = items.iter_mut().filter(|item| item.command.is_none());
    if let Some(item) = first_with_command.next() {
        item.command = Some(check);
    }
    items
}

/// Nothing starts the registry, now or ever again.
fn unscheduled(registry: &RegistryStatus, status: &Status) -> Option<AttentionItem> {
    let run = format!("stocktake run {}{}", registry.name, with_file(&status.configuration));
    if registry.is_left_alone() {
        return Some(AttentionItem {
            said: Some("The daemon never runs it by itself.".to_owned()),
            remedy: Some("add `schedule` to this registry, or ask for a run".to_owned()),
            command: Some(run),
            ..AttentionItem::new(AttentionLevel::Warning, "It has no schedule and has never run")
        });
    }
    // Until the first tick, the next run is not known.
    let is_known = status.ticked_at > status.configuration.loaded_at && registry.activity == Activity::Idle;
    let is_over = is_known && registry.schedule.as_ref().is_some_and(|schedule| schedule.next.is_none());
    is_over.then(|| AttentionItem {
        said: Some("The daemon does not run it again.".to_owned()),
        remedy: Some("correct `schedule`, or remove it if this is intended".to_owned()),
        command: Some(format!("stocktake schedule {}{}", registry.name, with_file(&status.configuration))),
        ..AttentionItem::new(AttentionLevel::Warning, "Its schedule has no further run")
    })
}

fn credentials(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<AttentionItem> {
    let refusals = registry.history.refusals.as_ref()?;
    let last = relative(now, refusals.at);
    let item = AttentionItem {
        alert: Some("StocktakeCredentialsRejected"),
        ..AttentionItem::new(AttentionLevel::Critical, "").because(&refusals.reason)
    };
    let count = counted(refusals.count.into(), "time", "times");
    let title = if refusals.is_suspended() {
        format!("Credentials refused {count}, last {last}; scheduled runs are suspended")
    } else {
        format!("Credentials refused {last}")
    };
    let meanwhile = match registry.schedule {
        Some(_) => sentence(&refusals.next()),
        None => "They are sent again when somebody asks for a run.".to_owned(),
    };
    Some(AttentionItem { title, meanwhile: Some(meanwhile), ..item })
}

fn last_run(registry: &RegistryStatus) -> Option<AttentionItem> {
    let last = registry.history.last.as_ref()?;
    // Another item shows the rejected credentials.
    let is_shown =
        registry.are_credentials_rejected() && last.reason.as_ref().is_some_and(|r| r.code == "credentials_rejected");
    let title = match last.verdict {
        Verdict::Complete => return None,
        _ if is_shown => return None,
        Verdict::Gaps => "The last inventory has gaps: some repositories could not be read",
        Verdict::Partial => "The last run got only a part of the list of repositories",
        Verdict::Denied => "The registry refused the last run",
        Verdict::Unsupported => "The registry has no catalog",
        Verdict::Suspicious => "The last inventory is suspicious and was not published",
        Verdict::Failed => "The last run failed",
    };
    let failures = registry.history.failures;
    let alert = match failures {
        0 => (last.verdict == Verdict::Gaps).then_some("StocktakeSnapshotPartial"),
        _ => failing(registry),
    };
    let item = AttentionItem {
        alert,
        meanwhile: unpublished(&registry.history, last),
        unread: Some(last.unread.clone()).filter(|unread| unread.count() > 0),
        shows_all: last.show_all.is_some(),
        command: last.show_all.clone(),
        ..AttentionItem::new(AttentionLevel::Warning, title)
    };
    Some(match &last.reason {
        Some(reason) => item.because(reason),
        None => item,
    })
}

/// The alert for runs that publish nothing. If the next run is hours away, fewer failures are enough.
fn failing(registry: &RegistryStatus) -> Option<&'static str> {
    let interval = registry.schedule.as_ref().and_then(|schedule| schedule.interval).unwrap_or_default();
    let needed = if interval >= THRESHOLDS.rare { THRESHOLDS.rare_failures } else { THRESHOLDS.failures };
    let fires = registry.history.failures >= needed && !registry.are_credentials_rejected();
    fires.then_some("StocktakeRunFailing")
}

fn unpublished(history: &History, last: &LastRun) -> Option<String> {
    let kept = match history.inventory {
        None => "there is none yet".to_owned(),
        Some(Inventory { slot: None, .. }) => "the last good one is untouched".to_owned(),
        Some(Inventory { slot: Some(slot), .. }) => {
            format!("the last good one, of {}, is untouched", slot.format("%Y-%m-%d"))
        }
    };
    (!last.verdict.is_publishable()).then(|| match history.failures {
        0 | 1 => format!("No inventory was published; {kept}."),
        failures => format!("{failures} runs in a row published no inventory; {kept}."),
    })
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['.']).collect()
}

fn token(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<AttentionItem> {
    let Activity::Running { .. } = registry.activity else { return None };
    let title = match registry.token {
        TokenStatus::Expired => "The token in use has expired, and there is no new one yet".to_owned(),
        // As in the rule of the alert: half way between the time at which renewal is due and the expiry.
        TokenStatus::Held { expires_at, renew_at } if now > renew_at + (expires_at - renew_at) / 2 => {
            format!("The token in use expires {}, and was not renewed", relative(now, expires_at))
        }
        TokenStatus::Held { .. } | TokenStatus::None => return None,
    };
    Some(AttentionItem {
        alert: Some("StocktakeTokenExpiringWithoutRefresh"),
        ..AttentionItem::new(AttentionLevel::Warning, title)
    })
}

fn sinks(registry: &RegistryStatus, now: DateTime<Utc>) -> impl Iterator<Item = AttentionItem> {
    registry.sinks.iter().filter_map(move |name| {
        let sink = registry.history.sinks.get(name)?;
        let took = match sink.delivered_at {
            Some(at) => format!("It took its last snapshot {}.", relative(now, at)),
            None => "It has taken no snapshot yet.".to_owned(),
        };
        let meanwhile = match &sink.owed[..] {
            [] | [_] => format!("{took} The next run delivers again first."),
            owed => {
                let runs = first_of(owed, NAMED);
                format!(
                    "{took} It does not have {runs}. The next run delivers them first, the oldest before the others."
                )
            }
        };
        Some(AttentionItem {
            alert: Some("StocktakeSinkCommitFailing"),
            said: Some(sink.error.clone()?),
            meanwhile: Some(meanwhile),
            ..AttentionItem::new(AttentionLevel::Warning, format!("Sink {name} does not have the last snapshot"))
        })
    })
}

/// As in the rule of the alert.
fn lost_nights(registry: &RegistryStatus, now: DateTime<Utc>) -> impl Iterator<Item = AttentionItem> {
    registry.sinks.iter().filter_map(move |name| {
        let lost = registry.history.sinks.get(name)?.lost.as_ref()?;
        let is_recent = (now - lost.at).to_std().unwrap_or_default() < THRESHOLDS.lost_night;
        is_recent.then(|| AttentionItem {
            alert: Some("StocktakeSnapshotGivenUp"),
            said: Some(format!("{} was given up {}.", lost.run_id, relative(now, lost.at))),
            remedy: Some(
                "let readers of its changes begin anew with the oldest snapshot that follows; correct the sink, or raise \
                 `keep_undelivered`"
                    .to_owned(),
            ),
            ..AttentionItem::new(AttentionLevel::Critical, format!("Sink {name} will never have every snapshot"))
        })
    })
}

/// The last success lies in the future, so that no inventory can be overdue.
fn clock_was_ahead(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<AttentionItem> {
    let at = registry.history.last_success_at?;
    let ahead = (at - now).to_std().ok().filter(|ahead| *ahead > THRESHOLDS.clock_ahead)?;
    Some(AttentionItem {
        alert: Some("StocktakeClockWasAhead"),
        said: Some("The clock was wrong then, or is now.".to_owned()),
        remedy: Some("compare the clock with another; if it is right, take an inventory now".to_owned()),
        meanwhile: Some("Until the next complete inventory, no alert reports that an inventory is overdue.".to_owned()),
        command: Some("timedatectl".to_owned()),
        ..AttentionItem::new(
            AttentionLevel::Critical,
            format!("The last complete inventory lies {} in the future", duration(ahead)),
        )
    })
}

/// As in the rule of the alert. After a success: some intervals, the duration of the last run, and some time. Before the first
/// success: some intervals and some time, or the time for a first inventory if that is longer.
fn overdue(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<AttentionItem> {
    let interval = registry.schedule.as_ref()?.interval?;
    let history = &registry.history;
    let (usual, since) = (interval * THRESHOLDS.overdue_intervals + THRESHOLDS.overdue_slack, |time: DateTime<Utc>| {
        (now - time).to_std().unwrap_or_default()
    });
    let last = history.last.as_ref();
    let has_gaps = last.is_some_and(|last| last.verdict == Verdict::Gaps && since(last.finished_at) <= usual);
    // Both have an item and an alert of their own.
    if registry.are_credentials_rejected() || has_gaps && history.failures == 0 {
        return None;
    }
    let (late, limit, what) = match history.last_success_at {
        Some(at) => {
            let took = last.and_then(|last| (last.finished_at - last.started_at).to_std().ok()).unwrap_or_default();
            (since(at), usual + took, "No complete inventory")
        }
        None => (since(registry.first_seen_at), usual.max(THRESHOLDS.first_inventory), "No complete inventory so far,"),
    };
    (late > limit).then(|| AttentionItem {
        alert: Some("StocktakeRunOverdue"),
        remedy: Some("check when the next run starts, and read in the log how the last runs ended".to_owned()),
        meanwhile: Some(format!("One is due every {}.", duration(interval))),
        ..AttentionItem::new(AttentionLevel::Critical, format!("{what} for {}", duration(late)))
    })
}

/// ` --config FILE`, or nothing if the command finds the file without it.
fn with_file(configuration: &ConfigurationStatus) -> String {
    let file = configuration.file.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '@');
    match file {
        "/etc/stocktake/stocktake.yaml" => String::new(),
        _ if file.chars().all(is_plain) => format!(" --config {file}"),
        _ => format!(" --config '{}'", file.replace('\'', r"'\''")),
    }
}
