//! Turns an ended walk into a verdict and the record of the run. Writes nothing.

use chrono::{DateTime, Utc};
use stocktake_sink::{RegistryName, RunError, RunRecord, SnapshotId, Table, Verdict};
use tracing::warn;

use super::Cause;
use super::blocking::on_disk;
use super::context::RunContext;
use super::slowed::slowed;
use crate::registry::api::ApiLogin;
use crate::registry::chain;
use crate::registry::{Auth, Client, Fault, Step};
use crate::snapshot::{
    Caller, ChangeCounts, Extent, Judgement, ListCoverage, Refused, SpoolError, UnreadRepositories, Unsealed,
    WalkCompletion, WalkSummary, judge as judge_evidence, judge_accepting_loss, newly_gone,
};
use crate::state::PreviousSnapshot;
use crate::walk::{Depth, WalkCounts, WalkEnd, WalkError, WalkOutcome};

/// So many more repositories that are gone than last time are not worth looking up.
const FEW_MORE: u64 = 3;

/// The code of the note that a person has accepted a loss.
pub(super) const SHRINK_ACCEPTED: &str = "shrink_accepted";

/// A walk, or why there was none.
#[derive(Debug)]
pub(super) enum WalkAttempt {
    /// It ended, somehow.
    Done {
        /// What it left.
        walked: Box<WalkOutcome>,
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
    /// How much of the list of names was seen.
    pub(super) list: ListCoverage,
    /// What differs from what was known before; `None` on a first night, and before that is known.
    pub(super) changes: Option<ChangeCounts>,
    pub(super) unsealed: Option<Unsealed>,
    /// Monitored repositories among the rows.
    pub(super) monitored: u64,
    /// Whether another run may go on where this walk was cut off.
    pub(super) resumable: bool,
    /// The repositories that could not be read.
    pub(super) unread: UnreadRepositories,
    /// The slot of the last published snapshot.
    pub(super) last_good: Option<DateTime<Utc>>,
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
    run: &RunContext<'_>,
    walk: WalkAttempt,
    id: SnapshotId,
    previous: Option<PreviousSnapshot>,
) -> Result<Judged, Interrupted> {
    let seen = match walk {
        WalkAttempt::Done { walked, .. } if matches!(walked.ended, WalkEnd::Stopped) => {
            return Err(Interrupted { resumable: walked.resumable });
        }
        WalkAttempt::Done { walked, resumed } => EndedWalk::of(*walked, resumed, run.plan.walk.depth).await,
        WalkAttempt::NoClient => EndedWalk::nothing(run.client.as_ref().err().map(Cause::of_registry)),
        WalkAttempt::NoSpool(e) => EndedWalk::nothing(Some(Cause::of_disk(&e))),
    };
    let extent = seen.extent(run.plan.walk.depth);
    let last_good = previous.as_ref().map(|previous| previous.scheduled_at);
    let evidence = seen.evidence(extent, caller(run), previous.as_ref().map(|previous| previous.extent));
    let evidence = WalkSummary { newly_gone: seen.newly_gone(&extent, previous).await, ..evidence };
    let (judgement, accepted) = judgement(run, &evidence);
    let reason = seen.reason(&judgement, &run.plan.name);
    let slowed = run.client.as_ref().ok().and_then(slowed);
    let stats = run.client.as_ref().map(Client::stats).unwrap_or_default();
    let (rows_repositories, rows_tags) = (seen.rows(Table::Repositories), seen.rows(Table::Tags));
    let rows_manifests = seen.rows(Table::Manifests);
    let cause = seen.cause.or(reason);
    let record = RunRecord {
        id,
        started_at: run.started_at,
        finished_at: run.now(),
        trigger: run.trigger(),
        verdict: judgement.verdict,
        pages: seen.counts.pages,
        requests: stats.requests,
        retries: stats.retries,
        token_requests: stats.token_requests,
        rows_repositories,
        rows_tags,
        rows_manifests,
        rows_changes: 0,
        errors: cause.iter().map(Cause::to_run_error).chain(seen.notes).chain(slowed).chain(accepted).collect(),
        exporter_version: env!("CARGO_PKG_VERSION").into(),
        config_sha256: run.plan.config_sha256.clone(),
        previous_run_id: None,
        requests_saved: seen.counts.saved,
    };
    let (monitored, resumable) = (seen.counts.monitored, seen.resumable);
    let unread = seen.counts.unread;
    let (list, changes, unsealed) = (seen.list, None, seen.unsealed);
    Ok(Judged { record, cause, extent, list, changes, unsealed, monitored, resumable, unread, last_good })
}

/// The judgement, and the note that a person has accepted what would have been suspicious.
fn judgement(run: &RunContext<'_>, evidence: &WalkSummary) -> (Judgement, Option<RunError>) {
    let judgement = judge_evidence(evidence, &run.plan.judge);
    if !(judgement.is_loss && run.accepts_loss) {
        return (judgement, None);
    }
    let reason = judgement.reason.unwrap_or_default();
    let message = format!("a person has accepted for this run (`--accept-shrink`): {reason}");
    (judge_accepting_loss(evidence, &run.plan.judge), Some(RunError::of_run(SHRINK_ACCEPTED, message)))
}

/// What a walk saw, in the judge's terms.
#[derive(Debug)]
struct EndedWalk {
    ending: WalkCompletion,
    cause: Option<Cause>,
    list: ListCoverage,
    counts: WalkCounts,
    notes: Vec<RunError>,
    unsealed: Option<Unsealed>,
    resumable: bool,
}

impl EndedWalk {
    fn nothing(cause: Option<Cause>) -> Self {
        let (list, counts, notes) = (ListCoverage::Incomplete, WalkCounts::default(), Vec::new());
        Self { ending: WalkCompletion::Failed, cause, list, counts, notes, unsealed: None, resumable: false }
    }

    async fn of(walked: WalkOutcome, resumed: Option<String>, depth: Depth) -> Self {
        let WalkOutcome { ended, counts, spool, resumable } = walked;
        let mut notes: Vec<_> = counts.invalid_examples.iter().map(|name| invalid_name(name)).collect();
        notes.extend(counts.shortfalls.iter().cloned());
        notes.extend(counts.errors());
        if matches!(ended, WalkEnd::Limited) {
            notes.push(limited());
        }
        notes.extend(resumed.as_deref().map(gone_on_with));
        let (ending, cause) = match &ended {
            WalkEnd::Failed(e) | WalkEnd::Stale(e) => (ending(e, &counts, depth), Some(Cause::of_walk(e))),
            WalkEnd::Whole | WalkEnd::Limited | WalkEnd::Stopped => (WalkCompletion::Whole, None),
        };
        let list = match ended {
            WalkEnd::Limited => ListCoverage::Limited,
            WalkEnd::Whole if counts.shortfall_count == 0 => ListCoverage::Whole,
            _ => ListCoverage::Incomplete,
        };
        let mut seen = Self { ending, cause, list, counts, notes, unsealed: None, resumable };
        // Reads and writes all rows once more, unless they came in order. Where another run may go on, what it needs
        // for that remains.
        match on_disk(move || spool.finish()).await {
            Ok(unsealed) => seen.unsealed = Some(unsealed),
            Err(e) => {
                seen.cause = seen.cause.or_else(|| Some(Cause::of_disk(&e)));
                seen.ending = if seen.ending == WalkCompletion::Whole { WalkCompletion::Failed } else { seen.ending };
            }
        }
        seen
    }

    fn rows(&self, table: Table) -> u64 {
        self.unsealed.as_ref().map_or(0, |unsealed| unsealed.rows(table))
    }

    /// What there is to publish, as far as this depth asked for it of every repository.
    fn extent(&self, depth: Depth) -> Extent {
        let WalkCounts { listed, gone, tagged, digests, missing, .. } = self.counts;
        let (tags, manifests) = (depth > Depth::Repositories, depth == Depth::Manifests);
        Extent {
            repositories: self.rows(Table::Repositories),
            listed: Some(listed),
            gone,
            tagged: tags.then_some(tagged),
            tags: tags.then(|| self.rows(Table::Tags)),
            digests: manifests.then_some(digests),
            manifests: manifests.then(|| self.rows(Table::Manifests)),
            missing: manifests.then_some(missing),
        }
    }

    fn evidence(&self, found: Extent, caller: Caller, previous: Option<Extent>) -> WalkSummary {
        let WalkCounts { listed, invalid, unreadable, read, gone, null, .. } = self.counts;
        let unlisted = self.counts.unlisted_count();
        let denied = self.counts.unlisted.get(Fault::Denied.as_str()).map_or(0, |unlisted| unlisted.count);
        // A name that nothing more was asked about is known as far as was asked.
        let unasked = found.repositories.saturating_sub(read + gone + unreadable);
        WalkSummary {
            ending: self.ending,
            listed,
            found,
            invalid,
            // That a repository is gone is an answer.
            unreadable: invalid + unreadable,
            shortfalls: self.counts.shortfall_count,
            refused: Refused { denied, failed: unlisted - denied },
            readable: unasked + (read + unreadable).saturating_sub(unlisted + null),
            null,
            newly_gone: 0,
            caller,
            previous,
        }
    }

    /// Repositories that were complete last time and are gone; 0 where no more than a few more are gone than were.
    async fn newly_gone(&self, found: &Extent, previous: Option<PreviousSnapshot>) -> u64 {
        let (Some(previous), Some(unsealed)) = (previous, &self.unsealed) else { return 0 };
        let more = found.gone.saturating_sub(previous.extent.gone);
        if more <= FEW_MORE || found.tagged.is_none() {
            return 0;
        }
        let tonight = unsealed.directory().to_owned();
        let counted = on_disk(move || newly_gone(&previous.directory, &tonight)).await;
        counted.unwrap_or_else(|e| {
            // Then they count as if all of them had been there: a lost file is no reason to believe more.
            warn!("cannot look up which repositories are newly gone: {}", chain(&e));
            more
        })
    }

    /// The judge's reason. Where the verdict is that nothing could be read, the commonest failure stands for all.
    fn reason(&self, judgement: &Judgement, registry: &RegistryName) -> Option<Cause> {
        let Judgement { verdict, reason, remedy, is_loss } = judgement.clone();
        let reason = reason?;
        if is_loss {
            let accept =
                format!("if the loss is intended, accept it for one run: `stocktake run {registry} --accept-shrink`");
            let remedy = remedy.map_or_else(|| accept.clone(), |remedy| format!("{remedy}; {accept}"));
            return Some(Cause::of_judgement(verdict, reason, Some(remedy)));
        }
        let commonest = self.counts.unlisted.iter().max_by_key(|(_, unlisted)| unlisted.count);
        if let Some((_, first)) = commonest.filter(|_| matches!(verdict, Verdict::Denied | Verdict::Failed)) {
            let message = format!("{reason}; for example {}", first.message);
            let remedy = if verdict == Verdict::Denied { remedy } else { Some(first.remedy.clone()) };
            return Some(Cause::of_judgement(verdict, message, remedy));
        }
        Some(Cause::of_judgement(verdict, with_shortfalls(reason, verdict, &self.counts), remedy))
    }
}

/// As whom this run asks for names.
fn caller(run: &RunContext<'_>) -> Caller {
    let has_login = !matches!(run.plan.registry.auth, Auth::None | Auth::Token(None));
    match run.plan.discovery.login() {
        // An API that lists by owner knows accounts.
        Some(ApiLogin::Anonymous) => Caller::Anonymous,
        Some(ApiLogin::Challenged) | None if !has_login => {
            let has_accounts = run.client.as_ref().is_ok_and(Client::has_accounts);
            if has_accounts { Caller::Anonymous } else { Caller::Anybody }
        }
        _ => Caller::Account,
    }
}

/// How an error ended a walk, in the judge's terms.
fn ending(error: &WalkError, counts: &WalkCounts, depth: Depth) -> WalkCompletion {
    // Where tags were asked for and no repository gave any, the list of names so far is no inventory.
    let is_at_repository = |error: &WalkError| {
        let WalkError::Registry(error) = error else { return false };
        matches!(error.step(), Step::Tags(_) | Step::Manifest(_) | Step::Config(_) | Step::Token)
    };
    let has_read = counts.read + counts.unreadable > counts.unlisted_count() || depth == Depth::Repositories;
    match error {
        // Our own disk, however far the walk got: nothing is to be said about the registry.
        WalkError::Spool(_) => WalkCompletion::Failed,
        _ if counts.pages > 0 && (has_read || !(is_at_repository(error) || counts.unlisted_count() > 0)) => {
            WalkCompletion::CutShort
        }
        WalkError::Registry(e) => match e.fault() {
            Fault::Denied | Fault::CredentialsRejected => WalkCompletion::Denied,
            Fault::Unsupported => WalkCompletion::Unsupported,
            _ => WalkCompletion::Failed,
        },
        WalkError::NoProgress { .. } | WalkError::Astray => WalkCompletion::Failed,
    }
}

/// A reason for gaps, with why the list may not be whole.
fn with_shortfalls(reason: String, verdict: Verdict, counts: &WalkCounts) -> String {
    match (counts.shortfalls.first().filter(|_| verdict == Verdict::Gaps), counts.shortfall_count) {
        (None, _) => reason,
        (Some(first), 0 | 1) => format!("{reason}; {}", first.message),
        (Some(first), count) => format!("{reason}; {}; and {} more", first.message, count - 1),
    }
}

fn gone_on_with(walk: &str) -> RunError {
    let message = format!("this run resumes {walk}; its times, requests, retries and tokens count this run alone");
    RunError::of_run("resumed", message)
}

fn invalid_name(name: &str) -> RunError {
    let message = format!("left out, because its name breaks the specification: {name}");
    RunError::of_run("name_invalid", message)
}

fn limited() -> RunError {
    let message = "the walk ended at `max_repositories`; the registry may have more repositories";
    RunError::of_run("max_repositories", message)
}
