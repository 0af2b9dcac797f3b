//! What a run tells whoever asked for it.

use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{RegistryName, RunRecord, Trigger, Verdict};
use tracing::{error, info, warn};

use super::slowed::SLOWED;
use super::verdict::Judged;
use super::{Cause, DeliveryError, SinkOutcome};
use crate::state::History;

/// What became of one run.
#[derive(Debug)]
pub struct RunReport {
    /// The registry.
    pub registry: RegistryName,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// When it ended, sinks included.
    pub finished_at: DateTime<Utc>,
    /// How far it got.
    pub outcome: RunOutcome,
    /// What each sink did; empty where there was nothing to deliver.
    pub sinks: Vec<SinkOutcome>,
    /// What sinks did, before this run, with the snapshot of the one before.
    pub redelivered: Vec<SinkOutcome>,
    /// Who asked for it.
    pub trigger: Trigger,
    /// What is remembered from now on, this run included; none where it did not get to a verdict.
    pub history: Option<History>,
    /// Whether nothing was meant to be written.
    pub dry_run: bool,
}

/// How far a run got.
#[derive(Debug)]
pub enum RunOutcome {
    /// To a verdict.
    Judged(Box<JudgedRun>),
    /// Another run of this registry was in progress, or that of this slot had ended before.
    Skipped(Cause),
    /// The credentials are known to be refused, and are not sent again before they change or a person asks.
    Suspended(Cause),
    /// The state directory could not be used.
    NotBegun(Cause),
    /// It was told to stop while it walked.
    Interrupted {
        /// Whether another run may go on from there.
        resumable: bool,
    },
}

/// The verdict and what led to it.
#[derive(Debug)]
pub struct JudgedRun {
    /// The row of table `runs`.
    pub record: RunRecord,
    /// Why the verdict is not complete.
    pub cause: Option<Cause>,
    /// Monitored repositories among the rows.
    pub monitored: u64,
    /// Whether another run may go on where this walk was cut off.
    pub resumable: bool,
}

impl From<Judged> for JudgedRun {
    fn from(judged: Judged) -> Self {
        let Judged { record, cause, monitored, resumable, .. } = judged;
        Self { record, cause, monitored, resumable }
    }
}

/// The worst thing to be said of a run, from good to bad; what the exit code is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunSeverity {
    /// Complete, and every sink has it.
    Good,
    /// Gaps, or a list of names that was cut short.
    Partial,
    /// Nothing was published, or a sink does not have it.
    Failed,
    /// A credential is to blame.
    Authentication,
    /// Told to stop.
    Interrupted,
}

impl RunReport {
    /// The worst thing to be said of it.
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

    /// Writes the log's word on it: one event for the run, one for each sink that does not have its snapshot.
    pub fn log(&self) {
        let registry = &self.registry;
        let code = self.cause().map_or("", |cause| cause.code);
        let reason = self.cause().map_or(String::new(), |cause| format!(": {}", cause.message));
        match &self.outcome {
            RunOutcome::Judged(judged) => {
                let record = &judged.record;
                let (run_id, verdict, repositories) = (record.id.run_id(), record.verdict, record.rows_repositories);
                let (pages, requests, token_requests) = (record.pages, record.requests, record.token_requests);
                for slowed in record.errors.iter().filter(|error| error.code == SLOWED) {
                    info!(%registry, %run_id, code = SLOWED, "{registry}: {}", slowed.message);
                }
                let (retries, duration_ms) = (record.retries, self.duration().num_milliseconds());
                if verdict == Verdict::Complete {
                    info!(%registry, %run_id, %verdict, repositories, pages, requests, retries, token_requests, duration_ms,
                        "{run_id} is complete: {repositories} repositories");
                } else {
                    error!(%registry, %run_id, %verdict, code, repositories, pages, requests, retries, token_requests,
                        duration_ms, "{run_id} is {verdict}{reason}");
                }
            }
            RunOutcome::Suspended(_) => error!(%registry, code, "{registry} is not asked{reason}"),
            RunOutcome::Skipped(_) => warn!(%registry, code, "{registry} is skipped{reason}"),
            RunOutcome::NotBegun(_) => error!(%registry, code, "{registry} could not begin{reason}"),
            RunOutcome::Interrupted { resumable } => {
                let later = if *resumable { "; another run may go on from here" } else { "" };
                warn!(%registry, "{registry} was interrupted; nothing is published{later}");
            }
        }
        for outcome in self.sinks.iter().filter(|outcome| outcome.result.is_err()) {
            let (sink, attempts) = (&outcome.sink, outcome.attempts);
            error!(%registry, %sink, attempts, "{registry} is not delivered to {sink}: {outcome}");
        }
    }

    /// Why it did not end well.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.outcome {
            RunOutcome::Judged(judged) => judged.cause.as_ref(),
            RunOutcome::Skipped(cause) | RunOutcome::Suspended(cause) | RunOutcome::NotBegun(cause) => Some(cause),
            RunOutcome::Interrupted { .. } => None,
        }
    }

    /// How long it took, sinks included.
    pub fn duration(&self) -> TimeDelta {
        self.finished_at - self.started_at
    }
}
