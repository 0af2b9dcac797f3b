//! What is counted for one registry as it happens. The gauges that a [`Status`](crate::status::Status) holds are in
//! `status_collector`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Registry};
use stocktake_sink::{RegistryName, Trigger};

use super::families::{
    CLOCK_SKEW, HTTP_RATE_LIMIT_WAIT, HTTP_RATE_LIMITED, HTTP_REQUEST_DURATION, HTTP_REQUEST_FAILURES, HTTP_REQUESTS,
    HTTP_REQUESTS_IN_FLIGHT, HTTP_RESPONSE_BYTES, HTTP_RETRIES, PAGE_FAILURES, PAGES, RUN_FAILURES, RUNS,
    SCHEDULE_SKIPPED, SECURITY_REJECTIONS, SINK_BYTES_WRITTEN, SINK_COMMIT_FAILURES, SINK_COMMITS, SINK_ROWS_WRITTEN,
    TOKEN_CONSECUTIVE_FAILURES, TOKEN_REQUEST_FAILURES, TOKEN_REQUESTS,
};
use super::family::Family;
use super::label_values::{
    CODES, ENDPOINTS, LIMITED, LOSSES, PAGE_FAULTS, PAGE_REASONS, RETRIED, RULES, RUN_REASONS, SINK_REASONS,
    SKIP_REASONS, SkipReason, TOKEN_FAULTS, TOKEN_REASONS, TRIGGERS, code_position, delivery_position, fault_position,
    run_reason_position, trigger_position,
};
use super::process_metrics::ProcessMetrics;
use super::register;
use crate::registry::EndedRequest;
use crate::registry::Endpoint;
use crate::registry::Fault;
use crate::registry::Loss;
use crate::registry::Observer;
use crate::registry::SafetyRule;
use crate::run::{RunOutcome, RunReport, SinkOutcome};

/// Upper bounds in seconds: from an answer of a cache to a page for which a server takes half a minute.
const REQUEST_BOUNDS: [f64; 5] = [0.05, 0.25, 1.0, 5.0, 30.0];

/// The metrics of one registry. Their number does not depend on the number of repositories.
#[derive(Debug)]
pub(super) struct RegistryMetrics {
    /// Labels each series with the name of the registry.
    registry: Registry,
    /// By the positions of [`Endpoint::ALL`].
    http: [EndpointMetrics; Endpoint::ALL.len()],
    rate_limited: IntCounter,
    in_flight: IntGauge,
    waited: Counter,
    clock_skew: Gauge,
    pages: IntCounter,
    page_failures: [IntCounter; PAGE_REASONS.len()],
    tokens: IntCounter,
    token_failures: [IntCounter; TOKEN_REASONS.len()],
    token_failures_in_a_row: IntGauge,
    security_rejections: [IntCounter; SafetyRule::ALL.len()],
    runs: [IntCounter; TRIGGERS.len()],
    run_failures: [IntCounter; RUN_REASONS.len()],
    skipped: [IntCounter; SkipReason::ALL.len()],
    sink_vectors: SinkVectors,
    /// In the order of the configuration.
    sinks: Mutex<Vec<Arc<SinkMetrics>>>,
    process: Arc<ProcessMetrics>,
}

/// The requests to one endpoint.
#[derive(Debug)]
struct EndpointMetrics {
    responses: [IntCounter; CODES.len()],
    failures: [IntCounter; Loss::ALL.len()],
    duration: Histogram,
    retries: IntCounter,
    bytes: IntCounter,
}

/// What one sink did with the snapshots of one registry.
#[derive(Debug)]
struct SinkMetrics {
    /// The configured name.
    name: String,
    commits: IntCounter,
    failures: [IntCounter; SINK_REASONS.len()],
    rows: IntCounter,
    bytes: IntCounter,
    /// Shared by all registries that have this sink.
    duration: Histogram,
}

/// The families of sinks. Sinks come and go when the configuration is reloaded.
#[derive(Debug)]
struct SinkVectors {
    commits: IntCounterVec,
    failures: IntCounterVec,
    rows: IntCounterVec,
    bytes: IntCounterVec,
}

impl SinkVectors {
    fn new(registry: &Registry) -> Self {
        Self {
            commits: register::int_counters(registry, &SINK_COMMITS),
            failures: register::int_counters(registry, &SINK_COMMIT_FAILURES),
            rows: register::int_counters(registry, &SINK_ROWS_WRITTEN),
            bytes: register::int_counters(registry, &SINK_BYTES_WRITTEN),
        }
    }

    fn add(&self, sink: &str, duration: Histogram) -> SinkMetrics {
        SinkMetrics {
            name: sink.to_owned(),
            commits: self.commits.with_label_values(&[sink]),
            failures: SINK_REASONS.map(|reason| self.failures.with_label_values(&[sink, reason])),
            rows: self.rows.with_label_values(&[sink]),
            bytes: self.bytes.with_label_values(&[sink]),
            duration,
        }
    }

    fn remove(&self, sink: &str) {
        // The only error is that there is no such series.
        for vector in [&self.commits, &self.rows, &self.bytes] {
            let _ = vector.remove_label_values(&[sink]);
        }
        for reason in SINK_REASONS {
            let _ = self.failures.remove_label_values(&[sink, reason]);
        }
    }
}

impl SinkMetrics {
    fn published(&self, outcome: &SinkOutcome) {
        // Only one kind of failure is tried again, so all attempts before the last one ended with it.
        self.failures[RETRIED].inc_by(u64::from(outcome.attempts.saturating_sub(1)));
        self.commits.inc_by(u64::from(outcome.attempts));
        self.duration.observe(outcome.took.as_secs_f64());
        match &outcome.result {
            Ok(receipt) => {
                self.rows.inc_by(receipt.objects.iter().map(|object| object.rows).sum());
                self.bytes.inc_by(receipt.objects.iter().map(|object| object.bytes).sum());
            }
            Err(error) => self.failures[delivery_position(error)].inc(),
        }
    }
}

impl RegistryMetrics {
    /// All series of a registry without sinks, at 0.
    pub(super) fn new(name: &RegistryName, process: Arc<ProcessMetrics>) -> Self {
        let label = HashMap::from([(register::REGISTRY.to_owned(), name.to_string())]);
        let registry = Registry::new_custom(None, Some(label)).expect("without a prefix there is no error");
        Self {
            http: http_metrics(&registry),
            rate_limited: register::int_counter(&registry, &HTTP_RATE_LIMITED),
            in_flight: register::int_gauge(&registry, &HTTP_REQUESTS_IN_FLIGHT),
            waited: register::counter(&registry, &HTTP_RATE_LIMIT_WAIT),
            clock_skew: register::gauge(&registry, &CLOCK_SKEW),
            pages: register::int_counter(&registry, &PAGES),
            page_failures: by_label(&registry, &PAGE_FAILURES, PAGE_REASONS),
            tokens: register::int_counter(&registry, &TOKEN_REQUESTS),
            token_failures: by_label(&registry, &TOKEN_REQUEST_FAILURES, TOKEN_REASONS),
            token_failures_in_a_row: register::int_gauge(&registry, &TOKEN_CONSECUTIVE_FAILURES),
            security_rejections: by_label(&registry, &SECURITY_REJECTIONS, RULES),
            runs: by_label(&registry, &RUNS, TRIGGERS),
            run_failures: by_label(&registry, &RUN_FAILURES, RUN_REASONS),
            skipped: by_label(&registry, &SCHEDULE_SKIPPED, SKIP_REASONS),
            sink_vectors: SinkVectors::new(&registry),
            sinks: Mutex::default(),
            process,
            registry,
        }
    }

    /// The series with the names of the sinks in the order of the configuration.
    pub(super) fn gather(&self) -> (Vec<MetricFamily>, Vec<String>) {
        // The lock keeps a reload from removing a sink between the two.
        let sinks = self.sinks.lock();
        (self.registry.gather(), sinks.iter().map(|sink| sink.name.clone()).collect())
    }

    /// Replaces the sinks. A sink that was there before keeps what it has counted; a sink that is not in `names` loses its
    /// series.
    pub(super) fn set_sinks(&self, names: &[String]) {
        let mut sinks = self.sinks.lock();
        let (kept, gone): (Vec<_>, Vec<_>) = sinks.drain(..).partition(|sink| names.contains(&sink.name));
        for sink in gone {
            self.sink_vectors.remove(&sink.name);
            self.process.remove_sink_user(&sink.name);
        }
        let add = |name: &String| Arc::new(self.sink_vectors.add(name, self.process.add_sink_user(name)));
        let of_name = |name: &String| kept.iter().find(|sink| sink.name == *name).cloned().unwrap_or_else(|| add(name));
        *sinks = names.iter().map(of_name).collect();
    }

    /// Counts scheduled runs that were not started.
    pub(super) fn skip(&self, reason: SkipReason, count: u64) {
        self.skipped[reason as usize].inc_by(count);
    }

    /// Counts a run and what its sinks did.
    pub(super) fn run_ended(&self, report: &RunReport) {
        // A dry run has nothing to publish.
        if report.dry_run {
            return;
        }
        let is_scheduled = report.trigger == Trigger::Schedule;
        self.published(&report.redelivered);
        let reason = match &report.outcome {
            RunOutcome::Skipped(cause) if is_scheduled && cause.code == "locked" => {
                return self.skip(SkipReason::Overlap, 1);
            }
            // A person who started the run reads the reason. A scheduled time that was served before is not an event.
            RunOutcome::Skipped(_) => return,
            RunOutcome::Suspended(_) => return self.skip(SkipReason::Suspended, 1),
            RunOutcome::NotBegun(cause) => Some(cause.code),
            RunOutcome::Interrupted { .. } => Some("interrupted"),
            RunOutcome::Judged(judged) if judged.record.verdict.is_publishable() => None,
            RunOutcome::Judged(judged) => {
                Some(judged.cause.as_ref().map_or(judged.record.verdict.as_str(), |cause| cause.code))
            }
        };
        self.runs[trigger_position(report.trigger)].inc();
        if let Some(reason) = reason {
            self.run_failures[run_reason_position(reason)].inc();
        }
        self.published(&report.sinks);
    }

    fn published(&self, outcomes: &[SinkOutcome]) {
        let sinks = self.sinks.lock();
        for outcome in outcomes {
            if let Some(sink) = sinks.iter().find(|sink| sink.name == outcome.sink) {
                sink.published(outcome);
            }
        }
    }
}

fn http_metrics(registry: &Registry) -> [EndpointMetrics; Endpoint::ALL.len()] {
    let responses = register::int_counters(registry, &HTTP_REQUESTS);
    let failures = register::int_counters(registry, &HTTP_REQUEST_FAILURES);
    let durations = register::histograms(registry, &HTTP_REQUEST_DURATION, &REQUEST_BOUNDS);
    let retries = register::int_counters(registry, &HTTP_RETRIES);
    let bytes = register::int_counters(registry, &HTTP_RESPONSE_BYTES);
    ENDPOINTS.map(|endpoint| EndpointMetrics {
        responses: CODES.map(|code| responses.with_label_values(&[endpoint, code])),
        failures: LOSSES.map(|loss| failures.with_label_values(&[endpoint, loss])),
        duration: durations.with_label_values(&[endpoint]),
        retries: retries.with_label_values(&[endpoint]),
        bytes: bytes.with_label_values(&[endpoint]),
    })
}

/// One counter for each value of the only label besides the registry.
fn by_label<const N: usize>(registry: &Registry, family: &Family, values: [&'static str; N]) -> [IntCounter; N] {
    let counters = register::int_counters(registry, family);
    values.map(|value| counters.with_label_values(&[value]))
}

impl Observer for RegistryMetrics {
    fn begun(&self, _: Endpoint) {
        self.in_flight.inc();
    }

    fn ended(&self, exchange: &EndedRequest) {
        self.in_flight.dec();
        let EndedRequest { endpoint, outcome, bytes, took, clock_skew } = *exchange;
        let requests = &self.http[endpoint as usize];
        requests.bytes.inc_by(bytes);
        match outcome {
            Ok(status) => {
                let position = code_position(status);
                requests.responses[position].inc();
                if position == LIMITED {
                    self.rate_limited.inc();
                }
                requests.duration.observe(took.as_secs_f64());
            }
            Err(loss) => requests.failures[loss as usize].inc(),
        }
        // Token services, content and other APIs may have clocks of their own.
        if let (Endpoint::Ping | Endpoint::Catalog | Endpoint::Tags | Endpoint::Manifest, Some(skew)) =
            (endpoint, clock_skew)
        {
            self.clock_skew.set(skew);
        }
    }

    fn retried(&self, endpoint: Endpoint) {
        self.http[endpoint as usize].retries.inc();
    }

    fn waited(&self, pause: Duration) {
        self.waited.inc_by(pause.as_secs_f64());
    }

    fn page(&self, outcome: Result<(), Fault>) {
        self.pages.inc();
        if let Err(fault) = outcome {
            self.page_failures[fault_position(fault, &PAGE_FAULTS)].inc();
        }
    }

    fn token(&self, outcome: Result<(), Fault>) {
        self.tokens.inc();
        match outcome {
            Ok(()) => self.token_failures_in_a_row.set(0),
            Err(fault) => {
                self.token_failures[fault_position(fault, &TOKEN_FAULTS)].inc();
                // The token service works if it denies one repository or scope. Such denials at the end of a run would stand
                // in the gauge until the next run.
                if fault != Fault::Denied {
                    self.token_failures_in_a_row.inc();
                }
            }
        }
    }

    fn refused_for_safety(&self, rule: SafetyRule) {
        self.security_rejections[rule as usize].inc();
    }
}
