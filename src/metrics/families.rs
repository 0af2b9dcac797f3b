//! Every metric: its name, kind, HELP text, labels, and the values that a label can have. No other file names a metric.

use super::family::{Family, MetricKind};
use super::label_values::{
    CHANGE_OPS, CODES, ENDPOINTS, LEVELS, LOSSES, OUTCOMES, PAGE_REASONS, PHASES, RULES, RUN_REASONS, SINK_REASONS,
    SKIP_REASONS, TOKEN_REASONS, TRIGGERS,
};

/// `/// HELP text`, constant, kind, name, labels with the list of their values, and whether a run without a daemon has the
/// metric. `node_exporter` puts the files of all such runs together and drops a series that it has already, so there a metric
/// needs the label `registry`.
macro_rules! families {
    ($($(#[doc = $help:literal])+
       $id:ident: $kind:ident $name:ident [$($label:ident $(in $values:ident)?),*] of $scope:ident;)*) => {
        $(pub(super) const $id: Family = Family {
            name: stringify!($name),
            kind: families!(@kind $kind),
            help: concat!($($help),+).trim_ascii(),
            labels: &[$(stringify!($label)),*],
            values: &[$(families!(@values $($values)?)),*],
            is_of_daemon: families!(@is_of_daemon $scope),
        };)*
        /// All families, in the order in which they are exposed.
        pub(super) static FAMILIES: &[Family] = &[$($id),*];
    };
    (@kind counter) => { MetricKind::Counter };
    (@kind gauge) => { MetricKind::Gauge };
    (@kind histogram) => { MetricKind::Histogram };
    (@values) => { &[] };
    (@values $values:ident) => { &$values };
    (@is_of_daemon daemon) => { true };
    (@is_of_daemon all) => { false };
}

families! {
    /// Constant 1, labelled with the version and source revision of the running binary.
    BUILD_INFO: gauge stocktake_build_info[version, revision] of daemon;

    /// Whether the last configuration load succeeded.
    CONFIG_LAST_RELOAD_SUCCESSFUL: gauge stocktake_config_last_reload_successful[] of daemon;

    /// Unix time of the last successful configuration load.
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP: gauge stocktake_config_last_reload_success_timestamp_seconds[] of daemon;

    /// Unix time at which the scheduler loop last ran.
    SCHEDULER_LAST_TICK_TIMESTAMP: gauge stocktake_scheduler_last_tick_timestamp_seconds[] of daemon;

    /// Log messages written.
    LOG_MESSAGES: counter stocktake_log_messages_total[level in LEVELS] of daemon;

    /// Panics caught in background tasks.
    TASK_PANICS: counter stocktake_task_panics_total[] of daemon;

    /// Longest gap between two successive scheduled runs; no series without a schedule.
    SCHEDULE_INTERVAL: gauge stocktake_schedule_interval_seconds[registry] of daemon;

    /// Unix time of the next scheduled run, jitter included; no series if there is none.
    SCHEDULE_NEXT_RUN_TIMESTAMP: gauge stocktake_schedule_next_run_timestamp_seconds[registry] of daemon;

    /// Scheduled runs that were not started.
    SCHEDULE_SKIPPED: counter stocktake_schedule_skipped_total[registry, reason in SKIP_REASONS] of daemon;

    /// Unix time at which this registry definition was first loaded.
    REGISTRY_FIRST_SEEN_TIMESTAMP: gauge stocktake_registry_first_seen_timestamp_seconds[registry] of daemon;

    /// Runs finished, whatever their outcome; skipped and suspended ones did not begin.
    RUNS: counter stocktake_runs_total[registry, trigger in TRIGGERS] of all;

    /// Runs that published nothing.
    RUN_FAILURES: counter stocktake_run_failures_total[registry, reason in RUN_REASONS] of all;

    /// Failed runs since the last one that published a snapshot.
    RUN_CONSECUTIVE_FAILURES: gauge stocktake_run_consecutive_failures[registry] of all;

    /// Whether a run is in progress.
    RUN_IN_PROGRESS: gauge stocktake_run_in_progress[registry] of daemon;

    /// State set: 1 for the outcome of the last run, 0 for the others.
    LAST_RUN_STATUS: gauge stocktake_last_run_status[registry, status in OUTCOMES] of all;

    /// Unix time at which the last run that got to a verdict finished; 0 if there was none.
    LAST_RUN_TIMESTAMP: gauge stocktake_last_run_timestamp_seconds[registry] of all;

    /// Unix time of the last run that was complete and committed to every sink; 0 if there was none.
    LAST_SUCCESS_TIMESTAMP: gauge stocktake_last_success_timestamp_seconds[registry] of all;

    /// Duration of the last run; 0 if there was none.
    LAST_RUN_DURATION: gauge stocktake_last_run_duration_seconds[registry] of all;

    /// Duration of one phase of the last run; 0 if there was none.
    LAST_RUN_PHASE_DURATION: gauge stocktake_last_run_phase_duration_seconds[registry, phase in PHASES] of all;

    /// Repositories in the last published snapshot; no series before the first.
    INVENTORY_REPOSITORIES: gauge stocktake_inventory_repositories[registry] of all;

    /// Tags in the last published snapshot; no series before the first.
    INVENTORY_TAGS: gauge stocktake_inventory_tags[registry] of all;

    /// Manifests in the last published snapshot; no series before the first.
    INVENTORY_MANIFESTS: gauge stocktake_inventory_manifests[registry] of all;

    /// Rows of table changes that the last run published; no series before there is a night to compare with.
    CHANGES: gauge stocktake_changes[registry, op in CHANGE_OPS] of all;

    /// Tokens asked for.
    TOKEN_REQUESTS: counter stocktake_token_requests_total[registry] of all;

    /// Tokens asked for in vain.
    TOKEN_REQUEST_FAILURES: counter stocktake_token_request_failures_total[registry, reason in TOKEN_REASONS] of all;

    /// Tokens asked for in vain since the last one received, scopes that were denied left out.
    TOKEN_CONSECUTIVE_FAILURES: gauge stocktake_token_consecutive_failures[registry] of all;

    /// Unix time at which the token in use expires; 0 if none is held.
    TOKEN_EXPIRY_TIMESTAMP: gauge stocktake_token_expiry_timestamp_seconds[registry] of all;

    /// Unix time at which the token in use should be renewed; its expiry if nobody needs it any more; 0 if none is
    /// held.
    TOKEN_REFRESH_DUE_TIMESTAMP: gauge stocktake_token_refresh_due_timestamp_seconds[registry] of all;

    /// Whether the credentials were refused when they were last sent.
    CREDENTIALS_REJECTED: gauge stocktake_credentials_rejected[registry] of all;

    /// Whether the schedule leaves the registry alone because the credentials were refused three times in a row.
    CREDENTIALS_SUSPENDED: gauge stocktake_credentials_suspended[registry] of all;

    /// Whole HTTP responses received.
    HTTP_REQUESTS: counter stocktake_http_requests_total[registry, endpoint in ENDPOINTS, code in CODES] of all;

    /// HTTP requests without a whole response.
    HTTP_REQUEST_FAILURES: counter stocktake_http_request_failures_total[registry, endpoint in ENDPOINTS, reason in LOSSES] of all;

    /// Time from sending a request to the end of the response's body.
    HTTP_REQUEST_DURATION: histogram stocktake_http_request_duration_seconds[registry, endpoint in ENDPOINTS] of all;

    /// HTTP requests repeated after a failure.
    HTTP_RETRIES: counter stocktake_http_retries_total[registry, endpoint in ENDPOINTS] of all;

    /// Responses with status 429.
    HTTP_RATE_LIMITED: counter stocktake_http_rate_limited_total[registry] of all;

    /// Time spent waiting because the registry asked for it, added up over all requests.
    HTTP_RATE_LIMIT_WAIT: counter stocktake_http_rate_limit_wait_seconds_total[registry] of all;

    /// HTTP requests in flight.
    HTTP_REQUESTS_IN_FLIGHT: gauge stocktake_http_requests_in_flight[registry] of all;

    /// Most HTTP requests allowed in flight.
    HTTP_CONCURRENCY_LIMIT: gauge stocktake_http_concurrency_limit[registry] of all;

    /// Response body bytes received, before decompression.
    HTTP_RESPONSE_BYTES: counter stocktake_http_response_bytes_total[registry, endpoint in ENDPOINTS] of all;

    /// Pages of repositories and tags asked for, each counted once however often it was retried.
    PAGES: counter stocktake_pages_total[registry] of all;

    /// Pages given up on.
    PAGE_FAILURES: counter stocktake_page_failures_total[registry, reason in PAGE_REASONS] of all;

    /// Answers refused by a safety rule.
    SECURITY_REJECTIONS: counter stocktake_security_rejections_total[registry, reason in RULES] of all;

    /// Date header of the registry minus the local clock; 0 before the first answer.
    CLOCK_SKEW: gauge stocktake_clock_skew_seconds[registry] of all;

    /// Attempts to publish a snapshot to a sink.
    SINK_COMMITS: counter stocktake_sink_commits_total[registry, sink] of all;

    /// Attempts to publish a snapshot to a sink that failed.
    SINK_COMMIT_FAILURES: counter stocktake_sink_commit_failures_total[registry, sink, reason in SINK_REASONS] of all;

    /// Whether the last attempt to publish to the sink succeeded; 1 if there was none.
    SINK_LAST_COMMIT_SUCCESSFUL: gauge stocktake_sink_last_commit_successful[registry, sink] of all;

    /// Unix time of the last successful publication to the sink; 0 if there was none.
    SINK_LAST_COMMIT_TIMESTAMP: gauge stocktake_sink_last_commit_timestamp_seconds[registry, sink] of all;

    /// Snapshots that the sink does not have and will get.
    SINK_UNDELIVERED_SNAPSHOTS: gauge stocktake_sink_undelivered_snapshots[registry, sink] of all;

    /// Unix time at which a snapshot was given up that the sink will never get; 0 if there was none.
    SINK_GIVEN_UP_TIMESTAMP: gauge stocktake_sink_last_given_up_timestamp_seconds[registry, sink] of all;

    /// Time taken to publish a snapshot to a sink, pauses included.
    SINK_COMMIT_DURATION: histogram stocktake_sink_commit_duration_seconds[sink] of daemon;

    /// Rows published to the sink.
    SINK_ROWS_WRITTEN: counter stocktake_sink_rows_written_total[registry, sink] of all;

    /// Bytes published to the sink.
    SINK_BYTES_WRITTEN: counter stocktake_sink_bytes_written_total[registry, sink] of all;
}
