//! Every metric that there is: its help, kind, name and labels, and where its values come from. The only place that names
//! one. Whatever reads them reads this table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use stocktake_sink::Verdict;

use super::family::Values::{Each, Once};
use super::family::{Family, Kind, Place};
use super::words::{CODES, LEVELS, LIMITED, OF_PAGES, OF_RUNS, OF_SINKS, OF_TOKENS, OUTCOMES, Skip, TRIGGERS};
use crate::registry::{Endpoint, Loss, SafetyRule};
use crate::status::{Activity, TokenStatus};

/// `/// help`, kind, name, labels, who has something to say about it, values.
macro_rules! families {
    ($($(#[doc = $help:literal])+ $kind:ident $name:ident [$($label:ident),*] of $whom:ident => $values:expr;)*) => {
        /// All families, in the order in which they are told.
        pub(super) static FAMILIES: &[Family] = &[$(Family {
            name: stringify!($name),
            kind: families!(@kind $kind),
            help: concat!($($help),+).trim_ascii(),
            labels: &[$(stringify!($label)),*],
            is_of_daemon: families!(@is_of_daemon $whom),
            values: $values,
        }),*];
    };
    (@kind counter) => { Kind::Counter };
    (@kind gauge) => { Kind::Gauge };
    (@kind histogram) => { Kind::Histogram };
    // A run without a daemon has nothing to say about it.
    (@is_of_daemon daemon) => { true };
    (@is_of_daemon all) => { false };
}

families! {
    /// Constant 1, labelled with the version and source revision of the running binary.
    gauge stocktake_build_info[version, revision] of all =>
    Once(|out, _| {
        out.put(&[env!("CARGO_PKG_VERSION"), option_env!("STOCKTAKE_REVISION").unwrap_or("unknown")], true);
    });

    /// Whether the last configuration load succeeded.
    gauge stocktake_config_last_reload_successful[] of daemon =>
    Once(|out, scene| if let Some(status) = scene.status {
        out.put(&[], status.configuration.error.is_none());
    });

    /// Unix time of the last successful configuration load.
    gauge stocktake_config_last_reload_success_timestamp_seconds[] of daemon =>
    Once(|out, scene| if let Some(status) = scene.status {
        out.put(&[], status.configuration.loaded_at);
    });

    /// Unix time at which the scheduler loop last ran.
    gauge stocktake_scheduler_last_tick_timestamp_seconds[] of daemon =>
    Once(|out, scene| if let Some(status) = scene.status {
        out.put(&[], status.ticked_at);
    });

    /// Log messages written.
    counter stocktake_log_messages_total[level] of all =>
    Once(|out, scene| for (level, count) in LEVELS.iter().zip(&scene.process.messages) {
        out.put(&[level], count.get());
    });

    /// Panics caught in background tasks.
    counter stocktake_task_panics_total[] of daemon =>
    Once(|out, scene| out.put(&[], scene.process.panics.get()));

    /// Longest gap between two successive scheduled runs; no series without a schedule.
    gauge stocktake_schedule_interval_seconds[registry] of daemon =>
    Each(|out, it| if let Some(interval) = it.status.schedule.as_ref().and_then(|schedule| schedule.interval) {
        out.put(&[], interval);
    });

    /// Unix time of the next scheduled run, jitter included; no series if there is none.
    gauge stocktake_schedule_next_run_timestamp_seconds[registry] of daemon =>
    Each(|out, it| if let Some(next) = it.status.schedule.as_ref().and_then(|schedule| schedule.next) {
        out.put(&[], next);
    });

    /// Scheduled runs that were not started.
    counter stocktake_schedule_skipped_total[registry, reason] of daemon =>
    Each(|out, it| for (word, count) in Skip::ALL.iter().zip(&it.counts.skipped) {
        out.put(&[word.as_str()], count.get());
    });

    /// Unix time at which this registry definition was first loaded.
    gauge stocktake_registry_first_seen_timestamp_seconds[registry] of daemon =>
    Each(|out, it| out.put(&[], it.status.first_seen_at));

    /// Runs finished, whatever their outcome; skipped and suspended ones did not begin.
    counter stocktake_runs_total[registry, trigger] of all =>
    Each(|out, it| for (word, count) in TRIGGERS.iter().zip(&it.counts.runs) {
        out.put(&[word], count.get());
    });

    /// Runs that published nothing.
    counter stocktake_run_failures_total[registry, reason] of all =>
    Each(|out, it| for (word, count) in OF_RUNS.iter().zip(&it.counts.run_failures) {
        out.put(&[word], count.get());
    });

    /// Failed runs since the last one that published a snapshot.
    gauge stocktake_run_consecutive_failures[registry] of all =>
    Each(|out, it| out.put(&[], u64::from(it.status.history.failures)));

    /// Whether a run is in progress.
    gauge stocktake_run_in_progress[registry] of daemon =>
    Each(|out, it| out.put(&[], matches!(it.status.activity, Activity::Running { .. })));

    /// State set: 1 for the outcome of the last run, 0 for the others.
    gauge stocktake_last_run_status[registry, status] of all =>
    Each(|out, it| {
        let outcome = it.last().map(|run| outcome(run.verdict));
        for word in OUTCOMES {
            out.put(&[word], outcome == Some(word));
        }
    });

    /// Unix time at which the last run that got to a verdict finished; 0 if there was none.
    gauge stocktake_last_run_timestamp_seconds[registry] of all =>
    Each(|out, it| out.put(&[], it.last().map(|run| run.finished_at)));

    /// Unix time of the last run that was complete and committed to every sink; 0 if there was none.
    gauge stocktake_last_success_timestamp_seconds[registry] of all =>
    Each(|out, it| out.put(&[], it.status.history.last_success_at));

    /// Duration of the last run; 0 if there was none.
    gauge stocktake_last_run_duration_seconds[registry] of all =>
    Each(|out, it| out.put(&[], it.took(|run| run.finished_at - run.started_at)));

    /// Duration of one phase of the last run; 0 if there was none.
    gauge stocktake_last_run_phase_duration_seconds[registry, phase] of all =>
    Each(|out, it| {
        out.put(&["walk"], it.took(|run| run.judged_at - run.started_at));
        out.put(&["publish"], it.took(|run| run.finished_at - run.judged_at));
    });

    /// Repositories in the last published snapshot; no series before the first.
    gauge stocktake_inventory_repositories[registry] of all =>
    Each(|out, it| if let Some(inventory) = it.status.history.inventory {
        out.put(&[], inventory.repositories);
    });

    /// Tags in the last published snapshot; no series before the first.
    gauge stocktake_inventory_tags[registry] of all =>
    Each(|out, it| if let Some(inventory) = it.status.history.inventory {
        out.put(&[], inventory.tags);
    });

    /// Manifests in the last published snapshot; no series before the first.
    gauge stocktake_inventory_manifests[registry] of all =>
    Each(|out, it| if let Some(inventory) = it.status.history.inventory {
        out.put(&[], inventory.manifests);
    });

    /// Tokens asked for.
    counter stocktake_token_requests_total[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.tokens.get()));

    /// Tokens asked for in vain.
    counter stocktake_token_request_failures_total[registry, reason] of all =>
    Each(|out, it| for (word, count) in OF_TOKENS.iter().zip(&it.counts.token_failures) {
        out.put(&[word.as_str()], count.get());
    });

    /// Tokens asked for in vain since the last one received, scopes that were denied left out.
    gauge stocktake_token_consecutive_failures[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.tokens_in_vain.get()));

    /// Unix time at which the token in use expires; 0 if none is held.
    gauge stocktake_token_expiry_timestamp_seconds[registry] of all =>
    Each(|out, it| out.put(&[], held(it).map(|(expires_at, _)| expires_at)));

    /// Unix time at which the token in use should be renewed; its expiry if nobody needs it any more; 0 if none is
    /// held.
    gauge stocktake_token_refresh_due_timestamp_seconds[registry] of all =>
    Each(|out, it| out.put(&[], held(it).map(|(_, renew_at)| renew_at)));

    /// Whether the credentials were refused when they were last sent.
    gauge stocktake_credentials_rejected[registry] of all =>
    Each(|out, it| out.put(&[], it.status.are_credentials_rejected()));

    /// Whether the schedule leaves the registry alone because the credentials were refused three times in a row.
    gauge stocktake_credentials_suspended[registry] of all =>
    Each(|out, it| out.put(&[], it.status.is_suspended()));

    /// Whole HTTP responses received.
    counter stocktake_http_requests_total[registry, endpoint, code] of all =>
    Each(|out, it| for (endpoint, requests) in Endpoint::ALL.iter().zip(&it.counts.http) {
        let counts = CODES.iter().zip(&requests.codes);
        counts.for_each(|(code, count)| out.put(&[endpoint.as_str(), code], count.get()));
    });

    /// HTTP requests without a whole response.
    counter stocktake_http_request_failures_total[registry, endpoint, reason] of all =>
    Each(|out, it| for (endpoint, requests) in Endpoint::ALL.iter().zip(&it.counts.http) {
        let counts = Loss::ALL.iter().zip(&requests.losses);
        counts.for_each(|(loss, count)| out.put(&[endpoint.as_str(), loss.as_str()], count.get()));
    });

    /// Time from sending a request to the end of the response's body.
    histogram stocktake_http_request_duration_seconds[registry, endpoint] of all =>
    Each(|out, it| for (endpoint, requests) in Endpoint::ALL.iter().zip(&it.counts.http) {
        out.histogram(&[endpoint.as_str()], &requests.took);
    });

    /// HTTP requests repeated after a failure.
    counter stocktake_http_retries_total[registry, endpoint] of all =>
    Each(|out, it| for (endpoint, requests) in Endpoint::ALL.iter().zip(&it.counts.http) {
        out.put(&[endpoint.as_str()], requests.retries.get());
    });

    /// Responses with status 429.
    counter stocktake_http_rate_limited_total[registry] of all =>
    Each(|out, it| {
        out.put(&[], it.counts.http.iter().map(|requests| requests.codes[LIMITED].get()).sum::<u64>());
    });

    /// Time spent waiting because the registry asked for it, added up over all requests.
    counter stocktake_http_rate_limit_wait_seconds_total[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.waited.get()));

    /// HTTP requests in flight.
    gauge stocktake_http_requests_in_flight[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.in_flight.get()));

    /// Most HTTP requests allowed in flight.
    gauge stocktake_http_concurrency_limit[registry] of all =>
    Each(|out, it| out.put(&[], it.status.concurrency as u64));

    /// Response body bytes received, before decompression.
    counter stocktake_http_response_bytes_total[registry, endpoint] of all =>
    Each(|out, it| for (endpoint, requests) in Endpoint::ALL.iter().zip(&it.counts.http) {
        out.put(&[endpoint.as_str()], requests.bytes.get());
    });

    /// Pages of repositories and tags asked for, each counted once however often it was retried.
    counter stocktake_pages_total[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.pages.get()));

    /// Pages given up on.
    counter stocktake_page_failures_total[registry, reason] of all =>
    Each(|out, it| for (word, count) in OF_PAGES.iter().zip(&it.counts.page_failures) {
        out.put(&[word.as_str()], count.get());
    });

    /// Answers refused by a safety rule.
    counter stocktake_security_rejections_total[registry, reason] of all =>
    Each(|out, it| for (word, count) in SafetyRule::ALL.iter().zip(&it.counts.refused_for_safety) {
        out.put(&[word.as_str()], count.get());
    });

    /// Date header of the registry minus the local clock; 0 before the first answer.
    gauge stocktake_clock_skew_seconds[registry] of all =>
    Each(|out, it| out.put(&[], it.counts.clock_skew.get()));

    /// Attempts to publish a snapshot to a sink.
    counter stocktake_sink_commits_total[registry, sink] of all =>
    Each(|out, it| it.sinks().for_each(|(sink, _)| out.put(&[&sink.name], sink.commits.get())));

    /// Attempts to publish a snapshot to a sink that failed.
    counter stocktake_sink_commit_failures_total[registry, sink, reason] of all =>
    Each(|out, it| for (sink, _) in it.sinks() {
        let counts = OF_SINKS.iter().zip(&sink.failures);
        counts.for_each(|(reason, count)| out.put(&[&sink.name, reason], count.get()));
    });

    /// Whether the last attempt to publish to the sink succeeded; 1 if there was none.
    gauge stocktake_sink_last_commit_successful[registry, sink] of all =>
    Each(|out, it| for (sink, history) in it.sinks() {
        out.put(&[&sink.name], history.is_none_or(|history| history.error.is_none()));
    });

    /// Unix time of the last successful publication to the sink; 0 if there was none.
    gauge stocktake_sink_last_commit_timestamp_seconds[registry, sink] of all =>
    Each(|out, it| for (sink, history) in it.sinks() {
        out.put(&[&sink.name], history.and_then(|history| history.delivered_at));
    });

    /// Time taken to publish a snapshot to a sink, pauses included.
    histogram stocktake_sink_commit_duration_seconds[sink] of all =>
    Once(|out, scene| {
        let sinks = scene.places.iter().flat_map(|it| &it.sinks);
        let by_name: BTreeMap<_, _> = sinks.map(|sink| (sink.name.as_str(), &sink.took)).collect();
        for (name, took) in by_name {
            out.histogram(&[name], took);
        }
    });

    /// Rows published to the sink.
    counter stocktake_sink_rows_written_total[registry, sink] of all =>
    Each(|out, it| it.sinks().for_each(|(sink, _)| out.put(&[&sink.name], sink.rows.get())));

    /// Bytes published to the sink.
    counter stocktake_sink_bytes_written_total[registry, sink] of all =>
    Each(|out, it| it.sinks().for_each(|(sink, _)| out.put(&[&sink.name], sink.bytes.get())));
}

/// The outcome of a run by its verdict, of [`OUTCOMES`]; sinks have metrics of their own.
fn outcome(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "success",
        Verdict::Gaps | Verdict::Partial => "partial",
        Verdict::Denied | Verdict::Unsupported | Verdict::Suspicious | Verdict::Failed => "failed",
    }
}

/// When the token dies that is held, and when it is to be renewed.
fn held(it: &Place<'_>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    match it.status.token {
        TokenStatus::Held { expires_at, renew_at } => Some((expires_at, renew_at)),
        TokenStatus::None | TokenStatus::Expired => None,
    }
}
