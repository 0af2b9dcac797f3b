//! The report of a run.

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{RegistryName, RunRecord, Trigger, Verdict};
use tracing::{error, info, warn};

use super::slowed::SLOWED;
use super::verdict::{Judged, SHRINK_ACCEPTED};
use super::{Cause, DeliveryError, SinkOutcome};
use crate::snapshot::{ChangeCounts, UnreadRepositories};
use crate::state::History;
use crate::words::counted;

/// The report of one run.
#[derive(Debug)]
pub struct RunReport {
    /// The registry.
    pub registry: RegistryName,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it ended, sinks included.
    pub finished_at: DateTime<Utc>,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// The result of each sink; empty if nothing was delivered.
    pub sinks: Vec<SinkOutcome>,
    /// The results of delivering the previous snapshot before this run.
    pub redelivered: Vec<SinkOutcome>,
    /// Whether a schedule or a person started it.
    pub trigger: Trigger,
    /// The history including this run; `None` if the run got no verdict.
    pub history: Option<History>,
    /// Whether it was a dry run, which writes nothing.
    pub dry_run: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunOutcome {
    /// With a verdict.
    Judged(Box<JudgedRun>),
    /// It did not start: another run of this registry is in progress, or the slot was run before.
    Skipped(Cause),
    /// It sent nothing: the credentials were rejected too often, and have not changed since.
    Suspended(Cause),
    /// It did not start: the state directory cannot be used.
    NotBegun(Cause),
    /// It was told to stop before it had a verdict.
    Interrupted {
        /// Whether another run can resume the walk.
        resumable: bool,
    },
}

/// A run with a verdict.
#[derive(Debug)]
pub struct JudgedRun {
    /// The row of table `runs`.
    pub record: RunRecord,
    /// Why the verdict is not complete.
    pub cause: Option<Cause>,
    /// Monitored repositories among the rows.
    pub monitored: u64,
    /// Whether another run can resume the walk.
    pub resumable: bool,
    /// The repositories that could not be read.
    pub unread: UnreadRepositories,
    /// The slot of the last published snapshot before this run.
    pub last_good: Option<DateTime<Utc>>,
    /// What differs from what was known before; `None` on a first night, and where nothing is published.
    pub changes: Option<ChangeCounts>,
}

impl JudgedRun {
    /// A run with this record, of which nothing else is known.
    pub fn of(record: RunRecord) -> Self {
        let unread = UnreadRepositories::default();
        Self { record, cause: None, monitored: 0, resumable: false, unread, last_good: None, changes: None }
    }
}

impl From<Judged> for JudgedRun {
    fn from(judged: Judged) -> Self {
        let Judged { record, cause, monitored, resumable, unread, last_good, changes, .. } = judged;
        Self { record, cause, monitored, resumable, unread, last_good, changes }
    }
}

/// How bad a run ended, from good to bad; the exit code is derived from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunSeverity {
    /// Complete, and every sink accepted the snapshot.
    Good,
    /// The inventory has gaps, or the walk ended early.
    Partial,
    /// Nothing was published, or a sink failed.
    Failed,
    /// A credential was rejected, or lacks a permission.
    Authentication,
    /// The run was told to stop.
    Interrupted,
}

impl RunReport {
    /// The worst of its own result and those of its sinks.
    pub fn severity(&self) -> RunSeverity {
        let own = match &self.outcome {
            RunOutcome::Judged(judged) if judged.cause.as_ref().is_some_and(|c| c.is_authentication) => {
                RunSeverity::Authentication
            }
            RunOutcome::Judged(judged) => match judged.record.verdict {
                Verdict::Complete => RunSeverity::Good,
                Verdict::Gaps | Verdict::Partial => RunSeverity::Partial,
                Verdict::Denied => RunSeverity::Authentication,
                Verdict::Unsupported | Verdict::Suspicious | Verdict::Failed => RunSeverity::Failed,
            },
            RunOutcome::Skipped(_) | RunOutcome::NotBegun(_) => RunSeverity::Failed,
            RunOutcome::Suspended(_) => RunSeverity::Authentication,
            RunOutcome::Interrupted { .. } => RunSeverity::Interrupted,
        };
        let sinks = self.sinks.iter().map(|outcome| match outcome.result {
            Ok(_) => RunSeverity::Good,
            Err(DeliveryError::Interrupted) => RunSeverity::Interrupted,
            Err(DeliveryError::Sink(_)) => RunSeverity::Failed,
        });
        sinks.fold(own, RunSeverity::max)
    }

    /// Logs one event for the run, and one for each sink that failed.
    pub fn log(&self) {
        let registry = &self.registry;
        let code = self.cause().map_or("", |cause| cause.code);
        let remedy =
            |cause: &Cause| cause.remedy.as_ref().map_or(String::new(), |remedy| format!("; what to do: {remedy}"));
        let reason = self.cause().map_or(String::new(), |cause| format!(": {}{}", cause.message, remedy(cause)));
        match &self.outcome {
            RunOutcome::Judged(judged) => {
                let record = &judged.record;
                let (run_id, verdict, repositories) = (record.id.run_id(), record.verdict, record.rows_repositories);
                let (pages, requests, token_requests) = (record.pages, record.requests, record.token_requests);
                for note in record.errors.iter().filter(|error| error.code == SLOWED || error.code == SHRINK_ACCEPTED) {
                    info!(%registry, %run_id, code = note.code, "{registry}: {}", note.message);
                }
                let (retries, duration_ms) = (record.retries, self.duration().num_milliseconds());
                let account = self.account(judged);
                match verdict {
                    Verdict::Complete => {
                        let counted = counted(repositories, "repository", "repositories");
                        let changes =
                            judged.changes.map_or_else(String::new, |c| format!(", {c} since the night before"));
                        info!(%registry, %run_id, %verdict, repositories, pages, requests, retries, token_requests,
                            duration_ms, "{run_id} is complete: {counted}{changes}");
                    }
                    // As the alert: the inventory is published.
                    Verdict::Gaps => warn!(%registry, %run_id, %verdict, code, repositories, pages, requests, retries,
                        token_requests, duration_ms, "{account}"),
                    _ => error!(%registry, %run_id, %verdict, code, repositories, pages, requests, retries,
                        token_requests, duration_ms, "{account}"),
                }
            }
            RunOutcome::Suspended(_) => error!(%registry, code, "{registry}: nothing was sent{reason}"),
            RunOutcome::Skipped(_) => warn!(%registry, code, "{registry}: run skipped{reason}"),
            RunOutcome::NotBegun(_) => error!(%registry, code, "{registry}: the run could not start{reason}"),
            RunOutcome::Interrupted { resumable } => {
                let later = if *resumable { "; another run can resume the walk" } else { "" };
                warn!(%registry, "{registry}: the run was interrupted; nothing is published{later}");
            }
        }
        for outcome in self.sinks.iter().filter(|outcome| outcome.result.is_err()) {
            let (sink, attempts) = (&outcome.sink, outcome.attempts);
            error!(%registry, %sink, attempts, "{registry}: not delivered to {sink}: {outcome}");
        }
    }

    /// Why the run is not complete.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.outcome {
            RunOutcome::Judged(judged) => judged.cause.as_ref(),
            RunOutcome::Skipped(cause) | RunOutcome::Suspended(cause) | RunOutcome::NotBegun(cause) => Some(cause),
            RunOutcome::Interrupted { .. } => None,
        }
    }

    /// The duration, sinks included.
    pub fn duration(&self) -> TimeDelta {
        self.finished_at - self.started_at
    }
}
