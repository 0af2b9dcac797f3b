//! The history after a run: how it ended, what the sinks returned, and whether the credentials were accepted.

use chrono::{DateTime, Utc};
use stocktake_sink::Verdict;

use super::{Cause, DeliveryError, JudgedRun, SinkOutcome, show_all};
use crate::registry::Client;
use crate::registry::LoginStatus;
use crate::registry::RegistryError;
use crate::state::{History, Inventory, LastRun, MOST_REFUSALS_AN_HOUR, Reason, Refusals, RegistryState, SinkHistory};

impl From<&Cause> for Reason {
    fn from(cause: &Cause) -> Self {
        Self { code: cause.code.to_owned(), message: cause.message.clone(), remedy: cause.remedy.clone() }
    }
}

/// What there was, and what a run adds to it, which was that of this slot of the schedule.
pub(super) fn remembered(
    before: &RegistryState,
    slot: Option<DateTime<Utc>>,
    judged: &JudgedRun,
    sinks: &[SinkOutcome],
    keepers: &[String],
    finished_at: DateTime<Utc>,
) -> History {
    let record = &judged.record;
    let is_published = record.verdict.is_publishable();
    let is_success = record.verdict == Verdict::Complete && sinks.iter().all(|outcome| outcome.result.is_ok());
    let mut history = before.history().clone();
    history.last = Some(LastRun {
        run_id: record.id.run_id(),
        slot: record.id.scheduled_at,
        trigger: record.trigger,
        started_at: record.started_at,
        judged_at: record.finished_at,
        finished_at,
        verdict: record.verdict,
        reason: judged.cause.as_ref().map(Reason::from),
        repositories: record.rows_repositories,
        requests: record.requests,
        unread: judged.unread.clone(),
        changes: judged.changes,
        show_all: show_all(sinks).filter(|_| is_published && judged.unread.count() > 0),
    });
    // Told to stop while sinks were served: the slot is taken again, and they get what is sealed without another walk.
    let is_cut_off = sinks.iter().any(|outcome| matches!(outcome.result, Err(DeliveryError::Interrupted)));
    if !is_cut_off {
        // Not the time that the run stands for: a person's run may have taken that one before.
        history.served = slot.or(history.served);
    }
    if is_success {
        history.last_success_at = Some(finished_at);
    }
    history.failures = if is_published { 0 } else { history.failures.saturating_add(1) };
    if is_published {
        history.inventory = Some(Inventory {
            repositories: record.rows_repositories,
            tags: record.rows_tags,
            manifests: record.rows_manifests,
            slot: Some(record.id.scheduled_at),
        });
        note_sinks(&mut history, sinks, finished_at);
    } else {
        let is_owed = |sink: &str| keepers.iter().any(|keeper| keeper == sink) && !before.owed(sink).is_empty();
        note_records(&mut history, sinks, is_owed);
    }
    note_owed(&mut history, before, keepers);
    history
}

/// What sinks said, of this snapshot or of an earlier one.
pub(super) fn note_sinks(history: &mut History, sinks: &[SinkOutcome], at: DateTime<Utc>) {
    for outcome in sinks {
        let sink = history.sinks.entry(outcome.sink.clone()).or_default();
        match &outcome.result {
            Ok(receipt) => {
                let (delivered_at, location) = (Some(at), Some(receipt.location.clone()));
                *sink = SinkHistory { delivered_at, location, error: None, ..std::mem::take(sink) };
            }
            Err(_) => sink.error = Some(outcome.to_string()),
        }
    }
}

/// Which snapshots these sinks, which keep them, do not have.
pub(super) fn note_owed(history: &mut History, state: &RegistryState, keepers: &[String]) {
    history.sinks.values_mut().for_each(|sink| sink.owed.clear());
    for name in keepers {
        let owed = state.owed_runs(name);
        if !owed.is_empty() {
            history.sinks.entry(name.clone()).or_default().owed = owed;
        }
    }
}

/// What sinks said of the record of a run that published nothing. The inventory that they have is an earlier one.
fn note_records(history: &mut History, sinks: &[SinkOutcome], is_owed: impl Fn(&str) -> bool) {
    for outcome in sinks {
        let sink = history.sinks.entry(outcome.sink.clone()).or_default();
        match &outcome.result {
            Ok(_) if is_owed(&outcome.sink) => {}
            Ok(_) => sink.error = None,
            Err(_) => sink.error = Some(outcome.to_string()),
        }
    }
}

/// The refusals of the credentials in a row, this run's included.
pub(super) async fn refusals(before: Option<&Refusals>, client: &Client, now: DateTime<Utc>) -> Option<Refusals> {
    match client.standing() {
        LoginStatus::Accepted => None,
        // A secret that is no longer configured cannot be corrected.
        LoginStatus::Untried => match before {
            Some(before) if has_a_secret(client, before).await => Some(before.clone()),
            _ => None,
        },
        LoginStatus::Refused(error) => refused(before, client, &error, now).await,
    }
}

async fn refused(
    before: Option<&Refusals>,
    client: &Client,
    error: &RegistryError,
    now: DateTime<Utc>,
) -> Option<Refusals> {
    let salt = before.map_or_else(new_salt, |before| before.salt.clone());
    let fingerprint = hex::encode(client.fingerprint_sent(salt.as_bytes()).await?);
    let same = before.filter(|before| before.fingerprint == fingerprint).map_or(0, |before| before.count);
    let reason = Reason::from(&Cause::of_registry(error));
    let mut times = before.map_or_else(Vec::new, |before| before.times.clone());
    times.push(now);
    times.drain(..times.len().saturating_sub(MOST_REFUSALS_AN_HOUR));
    Some(Refusals { count: same.saturating_add(1), at: now, reason, fingerprint, salt, times })
}

/// Whether there is still nothing but the secret that was refused. One that cannot be read is not held back: the run
/// then says why, and sends nothing.
pub(super) async fn is_same_secret(refusals: &Refusals, client: &Client) -> bool {
    let now = client.fingerprint(refusals.salt.as_bytes()).await;
    now.is_ok_and(|now| now.is_some_and(|now| hex::encode(now) == refusals.fingerprint))
}

/// Whether a secret is configured, be it one that cannot be read.
async fn has_a_secret(client: &Client, before: &Refusals) -> bool {
    !matches!(client.fingerprint(before.salt.as_bytes()).await, Ok(None))
}

fn new_salt() -> String {
    let mut salt = [0; 16];
    // Not a secret; it only differs from registry to registry.
    fastrand::fill(&mut salt);
    hex::encode(salt)
}
