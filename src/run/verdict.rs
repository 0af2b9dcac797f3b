//! From an ended walk to a verdict and the record of the run. Nothing is written here.

use stocktake_sink::{RunError, RunRecord, SnapshotId, Table, Trigger, Verdict};

use super::{Cause, Run, on_disk};
use crate::registry::{Auth, Client, Fault};
use crate::snapshot::{Ending, Evidence, SpoolError, Unsealed, judge as judge_evidence};
use crate::walk::{Ended, WalkError, Walked};

/// A walk, or why there was none.
#[derive(Debug)]
pub(super) enum Walk {
    /// It ended, somehow.
    Done(Box<Walked>),
    /// The registry's settings do not make a client.
    NoClient,
    /// There is nowhere to put rows.
    NoSpool(SpoolError),
}

/// A judged walk, not yet sealed.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) record: RunRecord,
    pub(super) cause: Option<Cause>,
    pub(super) unsealed: Option<Unsealed>,
}

impl Judged {
    /// What was good turns out to be impossible to keep.
    pub(super) fn fail(&mut self, cause: Cause) {
        self.record.verdict = Verdict::Failed;
        self.record.errors.insert(0, cause.to_run_error());
        self.cause = Some(cause);
    }
}

/// Judges a walk; none if it was told to stop.
pub(super) async fn judge(run: &Run<'_>, walk: Walk, id: SnapshotId, previous: Option<u64>) -> Option<Judged> {
    let seen = match walk {
        Walk::Done(walked) if matches!(walked.ended, Ended::Stopped) => return None,
        Walk::Done(walked) => Seen::of(*walked).await,
        Walk::NoClient => Seen::nothing(run.client.as_ref().err().map(Cause::of_registry)),
        Walk::NoSpool(e) => Seen::nothing(Some(Cause::of_disk(&e))),
    };
    let rows_of = |table| seen.unsealed.as_ref().map_or(0, |unsealed| unsealed.rows(table));
    let rows = rows_of(Table::Repositories);
    let judgement = judge_evidence(
        &Evidence {
            ending: seen.ending,
            listed: seen.listed,
            rows,
            unreadable: seen.invalid,
            credentials: !matches!(run.plan.registry.auth, Auth::None | Auth::Token(None)),
            previous,
        },
        &run.plan.judge,
    );
    let reason = judgement.reason.map(|reason| Cause::of_judgement(judgement.verdict, reason));
    let cause = seen.cause.or(reason);
    let stats = run.client.as_ref().map(Client::stats).unwrap_or_default();
    let record = RunRecord {
        id,
        started_at: run.started_at,
        finished_at: run.now(),
        trigger: Trigger::Manual,
        verdict: judgement.verdict,
        pages: seen.pages,
        requests: stats.requests,
        retries: stats.retries,
        token_requests: stats.token_requests,
        rows_repositories: rows,
        rows_tags: rows_of(Table::Tags),
        rows_manifests: rows_of(Table::Manifests),
        requests_saved: 0,
        errors: cause.iter().map(Cause::to_run_error).chain(seen.notes).collect(),
        exporter_version: env!("CARGO_PKG_VERSION").into(),
        config_sha256: run.plan.config_sha256.clone(),
    };
    Some(Judged { record, cause, unsealed: seen.unsealed })
}

/// What a walk saw, in the judge's terms.
#[derive(Debug)]
struct Seen {
    ending: Ending,
    cause: Option<Cause>,
    pages: u64,
    listed: u64,
    invalid: u64,
    notes: Vec<RunError>,
    unsealed: Option<Unsealed>,
}

impl Seen {
    fn nothing(cause: Option<Cause>) -> Self {
        let (pages, listed, invalid) = (0, 0, 0);
        Self { ending: Ending::Failed, cause, pages, listed, invalid, notes: Vec::new(), unsealed: None }
    }

    async fn of(walked: Walked) -> Self {
        let Walked { ended, pages, listed, invalid, invalid_examples, spool } = walked;
        let mut notes: Vec<_> = invalid_examples.iter().map(|name| invalid_name(name)).collect();
        if matches!(ended, Ended::Limited) {
            notes.push(limited());
        }
        let (ending, cause) = match &ended {
            Ended::Failed(e) => (ending(e, pages), Some(Cause::of_walk(e))),
            Ended::Whole | Ended::Limited | Ended::Stopped => (Ending::Whole, None),
        };
        // Reads and writes all rows once more, unless they came in order.
        match on_disk(move || spool.finish()).await {
            Ok(unsealed) => Self { ending, cause, pages, listed, invalid, notes, unsealed: Some(unsealed) },
            Err(e) => {
                let cause = cause.or_else(|| Some(Cause::of_disk(&e)));
                let ending = if ending == Ending::Whole { Ending::Failed } else { ending };
                Self { ending, cause, pages, listed, invalid, notes, unsealed: None }
            }
        }
    }
}

/// How an error ended a walk of so many pages, in the judge's terms.
fn ending(error: &WalkError, pages: u64) -> Ending {
    match error {
        // Our own disk, however far the walk got: nothing is to be said about the registry.
        WalkError::Spool(_) => Ending::Failed,
        _ if pages > 0 => Ending::CutShort,
        WalkError::Registry(e) => match e.fault() {
            Fault::Denied | Fault::CredentialsRejected => Ending::Denied,
            Fault::Unsupported => Ending::Unsupported,
            _ => Ending::Failed,
        },
        WalkError::NoProgress { .. } => Ending::Failed,
    }
}

fn invalid_name(name: &str) -> RunError {
    let message = format!("listed, but not a repository name by the specification, so left out: {name}");
    RunError::of_run("name_invalid", message)
}

fn limited() -> RunError {
    let message = "the walk ended at `max_repositories`; the registry may have more repositories";
    RunError::of_run("max_repositories", message)
}
