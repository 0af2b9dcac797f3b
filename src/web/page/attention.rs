//! What needs attention, and what to do about it. Pure. The thresholds are those of the alert rules, whose names stand
//! beside what they are about.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stocktake_sink::Verdict;

use super::words::{counted, duration, relative};
use crate::state::{LastRun, MOST_REFUSALS, Reason};
use crate::status::{Activity, ConfigurationStatus, RegistryStatus, Status, TokenStatus};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Warning,
    Critical,
}

/// One thing that is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// In a few words.
    pub(super) title: String,
    /// The alert rule that fires for it, if one does.
    pub(super) alert: Option<&'static str>,
    /// What was said, perhaps several lines.
    pub(super) said: Option<String>,
    /// The machine's word for it.
    pub(super) code: Option<String>,
    /// What to do now.
    pub(super) remedy: Option<String>,
    /// What happens meanwhile.
    pub(super) meanwhile: Option<String>,
    /// What to type first.
    pub(super) command: Option<String>,
}

impl Finding {
    fn new(level: Level, title: impl Into<String>) -> Self {
        let title = title.into();
        Self { level, title, alert: None, said: None, code: None, remedy: None, meanwhile: None, command: None }
    }

    fn because(self, reason: &Reason) -> Self {
        let Reason { code, message, remedy } = reason.clone();
        Self { said: Some(message), code: Some(code), remedy, ..self }
    }
}

/// The scheduling loop turns every second or so; the alert waits for five minutes.
const LOOP_LATE: Duration = Duration::from_mins(1);
const OVERDUE_SLACK: Duration = Duration::from_hours(1);
/// A first run reads everything.
const FIRST_RUN: Duration = Duration::from_hours(24);
/// Of runs that are further apart, one that fails is worth an alert.
const SELDOM: Duration = Duration::from_hours(6);

/// What is not well with the daemon itself.
pub(super) fn of_daemon(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    let since_tick = (status.now - status.ticked_at).to_std().unwrap_or_default();
    if since_tick > LOOP_LATE && !status.is_stopping {
        findings.push(Finding {
            alert: Some("StocktakeSchedulerStalled"),
            remedy: Some("read the log; if it says nothing, restart the daemon".to_owned()),
            meanwhile: Some("No run begins.".to_owned()),
            command: Some("journalctl --unit stocktake-daemon --since -1h".to_owned()),
            ..Finding::new(Level::Critical, format!("The scheduler last turned {} ago", duration(since_tick)))
        });
    }
    if let Some(error) = &status.configuration.error {
        let loaded = relative(status.now, status.configuration.loaded_at);
        findings.push(Finding {
            alert: Some("StocktakeConfigReloadFailed"),
            said: Some(error.clone()),
            remedy: Some("correct the file, then reload".to_owned()),
            meanwhile: Some(format!("The configuration that was loaded {loaded} stays in use.")),
            command: Some(format!("stocktake validate{}", with_file(&status.configuration))),
            ..Finding::new(Level::Warning, "The configuration could not be reloaded")
        });
    }
    findings
}

/// What is not well with a registry, the worst first.
pub(super) fn of_registry(registry: &RegistryStatus, status: &Status) -> Vec<Finding> {
    let now = status.now;
    let mut findings: Vec<_> = [
        credentials(registry, now),
        last_run(registry),
        registry.trouble.as_ref().map(|reason| Finding {
            alert: failing(registry),
            ..Finding::new(Level::Warning, "The last run came to nothing").because(reason)
        }),
        token(registry, now),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.extend(clock_was_ahead(registry, now));
    findings.extend(sinks(registry, now));
    // Why there is no inventory stands above already, if anything does.
    if let Some(mut finding) = overdue(registry, now) {
        finding.remedy = finding.remedy.filter(|_| findings.is_empty());
        findings.push(finding);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let check = format!("stocktake check {}{}", registry.name, with_file(&status.configuration));
    let mut first_with_command = findings.iter_mut().filter(|finding| finding.command.is_none());
    if let Some(finding) = first_with_command.next() {
        finding.command = Some(check);
    }
    findings
}

fn credentials(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<Finding> {
    let refusals = registry.history.refusals.as_ref()?;
    let last = relative(now, refusals.at);
    let finding = Finding {
        alert: Some("StocktakeCredentialsRejected"),
        ..Finding::new(Level::Critical, "").because(&refusals.reason)
    };
    Some(if refusals.is_suspended() {
        let meanwhile = "They begin again when the secret changes, or when a run by hand is accepted.";
        Finding {
            title: format!("Credentials refused {} times, last {last}; retries are suspended", refusals.count),
            meanwhile: Some(meanwhile.to_owned()),
            ..finding
        }
    } else {
        let left = u64::from(MOST_REFUSALS.saturating_sub(refusals.count));
        let left = counted(left, "more refusal", "more refusals");
        Finding {
            title: format!("Credentials refused {last}"),
            meanwhile: Some(format!("The schedule goes on. After {left} it waits until the secret changes.")),
            ..finding
        }
    })
}

fn last_run(registry: &RegistryStatus) -> Option<Finding> {
    let last = registry.history.last.as_ref()?;
    // Told above, with what else is known of it.
    let is_told =
        registry.are_credentials_rejected() && last.reason.as_ref().is_some_and(|r| r.code == "credentials_rejected");
    let title = match last.verdict {
        Verdict::Complete => return None,
        _ if is_told => return None,
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
    let finding = Finding { alert, meanwhile: unpublished(last, failures), ..Finding::new(Level::Warning, title) };
    Some(match &last.reason {
        Some(reason) => finding.because(reason),
        None => finding,
    })
}

/// The alert for runs that publish nothing, by its rule: where the next try is hours away, one of them is enough.
fn failing(registry: &RegistryStatus) -> Option<&'static str> {
    let interval = registry.schedule.as_ref().and_then(|schedule| schedule.interval).unwrap_or_default();
    let most = u32::from(interval < SELDOM);
    let fires = registry.history.failures > most && !registry.are_credentials_rejected();
    fires.then_some("StocktakeRunFailing")
}

fn unpublished(last: &LastRun, failures: u32) -> Option<String> {
    (!last.verdict.is_publishable()).then(|| match failures {
        0 | 1 => "No inventory was published; the last good one is untouched.".to_owned(),
        _ => format!("{failures} runs in a row published nothing; the last good inventory is untouched."),
    })
}

fn token(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<Finding> {
    let Activity::Running { .. } = registry.activity else { return None };
    let title = match registry.token {
        TokenStatus::Expired => "The token in use has expired, and there is no new one yet".to_owned(),
        // The alert's rule: half way between the moment at which renewal was due and the end.
        TokenStatus::Held { expires_at, renew_at } if now > renew_at + (expires_at - renew_at) / 2 => {
            format!("The token in use expires {}, and was not renewed", relative(now, expires_at))
        }
        TokenStatus::Held { .. } | TokenStatus::None => return None,
    };
    Some(Finding { alert: Some("StocktakeTokenExpiringWithoutRefresh"), ..Finding::new(Level::Warning, title) })
}

fn sinks(registry: &RegistryStatus, now: DateTime<Utc>) -> impl Iterator<Item = Finding> {
    registry.sinks.iter().filter_map(move |name| {
        let sink = registry.history.sinks.get(name)?;
        let meanwhile = match sink.delivered_at {
            Some(at) => format!("It took its last snapshot {}. The next run delivers again first.", relative(now, at)),
            None => "It has taken none yet. The next run delivers again first.".to_owned(),
        };
        Some(Finding {
            alert: Some("StocktakeSinkCommitFailing"),
            said: Some(sink.error.clone()?),
            meanwhile: Some(meanwhile),
            ..Finding::new(Level::Warning, format!("Sink {name} does not have the last snapshot"))
        })
    })
}

/// The last success lies in the future, so that none can be overdue.
fn clock_was_ahead(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<Finding> {
    let at = registry.history.last_success_at?;
    let ahead = (at - now).to_std().ok().filter(|ahead| *ahead > OVERDUE_SLACK)?;
    Some(Finding {
        alert: Some("StocktakeClockWasAhead"),
        said: Some("The clock was wrong then, or is now.".to_owned()),
        remedy: Some("compare the clock with another; if it is right, take an inventory now".to_owned()),
        meanwhile: Some("Until the next complete inventory, no alert tells that one is overdue.".to_owned()),
        command: Some("timedatectl".to_owned()),
        ..Finding::new(Level::Critical, format!("The last complete inventory lies {} in the future", duration(ahead)))
    })
}

/// The alert's rule. After a success: two intervals, as long as the last run took, and an hour; before the first one: two
/// intervals and an hour, or a day if that is more.
fn overdue(registry: &RegistryStatus, now: DateTime<Utc>) -> Option<Finding> {
    let interval = registry.schedule.as_ref()?.interval?;
    let history = &registry.history;
    let (usual, since) =
        (interval * 2 + OVERDUE_SLACK, |time: DateTime<Utc>| (now - time).to_std().unwrap_or_default());
    let last = history.last.as_ref();
    let has_gaps = last.is_some_and(|last| last.verdict == Verdict::Gaps && since(last.finished_at) <= usual);
    // Both have a finding, and an alert, of their own.
    if registry.are_credentials_rejected() || has_gaps && history.failures == 0 {
        return None;
    }
    let (late, limit, what) = match history.last_success_at {
        Some(at) => {
            let took = last.and_then(|last| (last.finished_at - last.started_at).to_std().ok()).unwrap_or_default();
            (since(at), usual + took, "No complete inventory")
        }
        None => (since(registry.first_seen_at), usual.max(FIRST_RUN), "No complete inventory so far,"),
    };
    (late > limit).then(|| Finding {
        alert: Some("StocktakeRunOverdue"),
        remedy: Some("look when it is to run, and in the log what became of it".to_owned()),
        meanwhile: Some(format!("One is due every {}.", duration(interval))),
        ..Finding::new(Level::Critical, format!("{what} for {}", duration(late)))
    })
}

/// ` --config FILE`, unless the file is where it is looked for anyway.
fn with_file(configuration: &ConfigurationStatus) -> String {
    let file = configuration.file.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '@');
    match file {
        "/etc/stocktake/stocktake.yaml" => String::new(),
        _ if file.chars().all(is_plain) => format!(" --config {file}"),
        _ => format!(" --config '{}'", file.replace('\'', r"'\''")),
    }
}
