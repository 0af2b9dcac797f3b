//! From an ended walk to a verdict and the record of the run. Nothing is written here.

use stocktake_sink::{RunError, RunRecord, SnapshotId, Table, Verdict};

use super::{Cause, Run, on_disk};
use crate::registry::{Auth, Client, Fault};
use crate::snapshot::{Ending, Evidence, Extent, SpoolError, Unsealed, judge as judge_evidence};
use crate::walk::{Books, Depth, Ended, WalkError, Walked};

/// A walk, or why there was none.
#[derive(Debug)]
pub(super) enum Walk {
    /// It ended, somehow.
    Done {
        /// What it left.
        walked: Box<Walked>,
        /// The walk that it went on with, described.
        resumed: Option<String>,
    },
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
    /// What the next run compares with.
    pub(super) extent: Extent,
    pub(super) unsealed: Option<Unsealed>,
    /// Monitored repositories among the rows.
    pub(super) monitored: u64,
    /// Whether another run may go on where this walk was cut off.
    pub(super) resumable: bool,
}

/// The walk was told to stop.
#[derive(Debug)]
pub(super) struct Interrupted {
    /// Whether another run may go on from there.
    pub(super) resumable: bool,
}

impl Judged {
    /// What was good turns out to be impossible to keep.
    pub(super) fn fail(&mut self, cause: Cause) {
        self.record.verdict = Verdict::Failed;
        self.record.errors.insert(0, cause.to_run_error());
        self.cause = Some(cause);
    }
}

/// Judges a walk that was not told to stop.
pub(super) async fn judge(
    run: &Run<'_>,
    walk: Walk,
    id: SnapshotId,
    previous: Option<Extent>,
) -> Result<Judged, Interrupted> {
    let seen = match walk {
        Walk::Done { walked, .. } if matches!(walked.ended, Ended::Stopped) => {
            return Err(Interrupted { resumable: walked.resumable });
        }
        Walk::Done { walked, resumed } => Seen::of(*walked, resumed).await,
        Walk::NoClient => Seen::nothing(run.client.as_ref().err().map(Cause::of_registry)),
        Walk::NoSpool(e) => Seen::nothing(Some(Cause::of_disk(&e))),
    };
    let rows = |table| seen.unsealed.as_ref().map_or(0, |unsealed| unsealed.rows(table));
    let tags = (run.plan.walk.depth > Depth::Repositories).then(|| rows(Table::Tags));
    let extent = Extent { repositories: rows(Table::Repositories), tags };
    let judgement = judge_evidence(
        &Evidence {
            ending: seen.ending,
            listed: seen.books.listed,
            found: extent,
            invalid: seen.books.invalid,
            unreadable: seen.unreadable(),
            shortfalls: seen.books.shortfall_count,
            credentials: !matches!(run.plan.registry.auth, Auth::None | Auth::Token(None)),
            previous,
        },
        &run.plan.judge,
    );
    let reason = judgement.reason.map(|reason| with_shortfalls(reason, judgement.verdict, &seen.books));
    let reason = reason.map(|reason| Cause::of_judgement(judgement.verdict, reason));
    let stats = run.client.as_ref().map(Client::stats).unwrap_or_default();
    let (rows_repositories, rows_tags) = (rows(Table::Repositories), rows(Table::Tags));
    let rows_manifests = rows(Table::Manifests);
    let cause = seen.cause.or(reason);
    let record = RunRecord {
        id,
        started_at: run.started_at,
        finished_at: run.now(),
        trigger: run.trigger(),
        verdict: judgement.verdict,
        pages: seen.books.pages,
        requests: stats.requests,
        retries: stats.retries,
        token_requests: stats.token_requests,
        rows_repositories,
        rows_tags,
        rows_manifests,
        errors: cause.iter().map(Cause::to_run_error).chain(seen.notes).collect(),
        exporter_version: env!("CARGO_PKG_VERSION").into(),
        config_sha256: run.plan.config_sha256.clone(),
        requests_saved: seen.books.saved,
    };
    let (monitored, resumable) = (seen.books.monitored, seen.resumable);
    Ok(Judged { record, cause, extent, unsealed: seen.unsealed, monitored, resumable })
}

/// What a walk saw, in the judge's terms.
#[derive(Debug)]
struct Seen {
    ending: Ending,
    cause: Option<Cause>,
    books: Books,
    notes: Vec<RunError>,
    unsealed: Option<Unsealed>,
    resumable: bool,
}

impl Seen {
    fn nothing(cause: Option<Cause>) -> Self {
        let (books, notes) = (Books::default(), Vec::new());
        Self { ending: Ending::Failed, cause, books, notes, unsealed: None, resumable: false }
    }

    async fn of(walked: Walked, resumed: Option<String>) -> Self {
        let Walked { ended, books, spool, resumable } = walked;
        let mut notes: Vec<_> = books.invalid_examples.iter().map(|name| invalid_name(name)).collect();
        notes.extend(books.shortfalls.iter().cloned());
        notes.extend(books.errors());
        if matches!(ended, Ended::Limited) {
            notes.push(limited());
        }
        notes.extend(resumed.as_deref().map(gone_on_with));
        let (ending, cause) = match &ended {
            Ended::Failed(e) | Ended::Stale(e) => (ending(e, books.pages), Some(Cause::of_walk(e))),
            Ended::Whole | Ended::Limited | Ended::Stopped => (Ending::Whole, None),
        };
        let mut seen = Self { ending, cause, books, notes, unsealed: None, resumable };
        // Reads and writes all rows once more, unless they came in order. Where another run may go on, what it needs for
        // that remains.
        match on_disk(move || spool.finish()).await {
            Ok(unsealed) => seen.unsealed = Some(unsealed),
            Err(e) => {
                seen.cause = seen.cause.or_else(|| Some(Cause::of_disk(&e)));
                seen.ending = if seen.ending == Ending::Whole { Ending::Failed } else { seen.ending };
            }
        }
        seen
    }

    /// Names without a row, and repositories that are not known as far as was asked for. That one is gone is an answer,
    /// unless all of them are.
    fn unreadable(&self) -> u64 {
        let Books { invalid, unreadable, gone, read, .. } = &self.books;
        let all_gone = *read == 0 && *unreadable == 0;
        invalid + unreadable + if all_gone { *gone } else { 0 }
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
        WalkError::NoProgress { .. } | WalkError::Astray => Ending::Failed,
    }
}

/// A reason for gaps, with why the list may not be whole.
fn with_shortfalls(reason: String, verdict: Verdict, books: &Books) -> String {
    match (books.shortfalls.first().filter(|_| verdict == Verdict::Gaps), books.shortfall_count) {
        (None, _) => reason,
        (Some(first), 0 | 1) => format!("{reason}; {}", first.message),
        (Some(first), count) => format!("{reason}; {}; and {} more", first.message, count - 1),
    }
}

fn gone_on_with(walk: &str) -> RunError {
    let message = format!("this run goes on with {walk}; its times, requests, retries and tokens are its own alone");
    RunError::of_run("resumed", message)
}

fn invalid_name(name: &str) -> RunError {
    let message = format!("listed, but not a repository name by the specification, so left out: {name}");
    RunError::of_run("name_invalid", message)
}

fn limited() -> RunError {
    let message = "the walk ended at `max_repositories`; the registry may have more repositories";
    RunError::of_run("max_repositories", message)
}
