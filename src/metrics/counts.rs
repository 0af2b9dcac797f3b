//! What is counted of one registry as it happens. How it stands otherwise, [`Status`](crate::status::Status) says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stocktake_sink::Trigger;

use super::numbers::{Counter, Histogram, Latest, Level, OF_REQUESTS, Stopwatch};
use super::words::{self, CODES, OF_PAGES, OF_RUNS, OF_SINKS, OF_TOKENS, Skip, TRIGGERS};
use crate::registry::{EndedRequest, Endpoint, Fault, Loss, Observer, SafetyRule};
use crate::run::{RunOutcome, RunReport, SinkOutcome};

/// The counters of one registry: as many for ten repositories as for a hundred thousand.
#[derive(Debug)]
pub(super) struct Counts {
    /// Those of [`Endpoint::ALL`], in its order.
    pub(super) http: [Requests; Endpoint::ALL.len()],
    pub(super) in_flight: Level,
    pub(super) waited: Stopwatch,
    pub(super) clock_skew: Latest,
    pub(super) pages: Counter,
    pub(super) page_failures: [Counter; OF_PAGES.len()],
    pub(super) tokens: Counter,
    pub(super) token_failures: [Counter; OF_TOKENS.len()],
    pub(super) tokens_in_vain: Counter,
    pub(super) refused_for_safety: [Counter; SafetyRule::ALL.len()],
    pub(super) runs: [Counter; TRIGGERS.len()],
    pub(super) run_failures: [Counter; OF_RUNS.len()],
    pub(super) skipped: [Counter; Skip::ALL.len()],
    sinks: Mutex<Vec<Arc<SinkCounts>>>,
}

/// The requests to one endpoint.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) codes: [Counter; CODES.len()],
    pub(super) losses: [Counter; Loss::ALL.len()],
    pub(super) took: Histogram,
    pub(super) retries: Counter,
    pub(super) bytes: Counter,
}

impl Default for Requests {
    fn default() -> Self {
        let (codes, losses) = Default::default();
        let (retries, bytes) = Default::default();
        Self { codes, losses, took: Histogram::new(&OF_REQUESTS), retries, bytes }
    }
}

/// What one sink did with the snapshots of one registry.
#[derive(Debug)]
pub(super) struct SinkCounts {
    /// Its configured name.
    pub(super) name: String,
    pub(super) commits: Counter,
    pub(super) failures: [Counter; OF_SINKS.len()],
    pub(super) rows: Counter,
    pub(super) bytes: Counter,
    /// Of all registries together.
    pub(super) took: Arc<Histogram>,
}

impl SinkCounts {
    fn new(name: &str, took: Arc<Histogram>) -> Self {
        let (commits, failures) = Default::default();
        let (rows, bytes) = Default::default();
        Self { name: name.to_owned(), commits, failures, rows, bytes, took }
    }

    fn published(&self, outcome: &SinkOutcome) {
        // All attempts but the last failed in the one way that is tried again.
        let before = u64::from(outcome.attempts.saturating_sub(1));
        self.failures[words::TRIED_AGAIN].add(before);
        self.commits.add(u64::from(outcome.attempts));
        self.took.observe(outcome.took);
        match &outcome.result {
            Ok(receipt) => {
                self.rows.add(receipt.objects.iter().map(|object| object.rows).sum());
                self.bytes.add(receipt.objects.iter().map(|object| object.bytes).sum());
            }
            Err(error) => self.failures[words::of_delivery(error)].add(1),
        }
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            http: Default::default(),
            in_flight: Level::default(),
            waited: Stopwatch::default(),
            clock_skew: Latest::default(),
            pages: Counter::default(),
            page_failures: Default::default(),
            tokens: Counter::default(),
            token_failures: Default::default(),
            tokens_in_vain: Counter::default(),
            refused_for_safety: Default::default(),
            runs: Default::default(),
            run_failures: Default::default(),
            skipped: Default::default(),
            sinks: Mutex::default(),
        }
    }

    /// The sinks, in the order of the configuration.
    pub(super) fn sinks(&self) -> Vec<Arc<SinkCounts>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are the sinks; those that were there before keep what they have counted.
    pub(super) fn deliver_to(&self, names: &[String], mut took: impl FnMut(&str) -> Arc<Histogram>) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = |name: &String| sinks.iter().find(|sink| sink.name == *name).cloned();
        *sinks = names
            .iter()
            .map(|name| kept(name).unwrap_or_else(|| Arc::new(SinkCounts::new(name, took(name)))))
            .collect();
    }

    pub(super) fn skip(&self, why: Skip, count: u64) {
        self.skipped[why as usize].add(count);
    }

    pub(super) fn ended(&self, report: &RunReport) {
        let is_of_schedule = report.trigger == Trigger::Schedule;
        if report.dry_run {
            // Nothing was to be written.
            return;
        }
        self.published(&report.redelivered);
        let reason = match &report.outcome {
            RunOutcome::Skipped(cause) if is_of_schedule && cause.code == "locked" => {
                return self.skip(Skip::Overlap, 1);
            }
            // A person is told why; and of a slot that was served before, there is nothing to tell.
            RunOutcome::Skipped(_) => return,
            RunOutcome::Suspended(_) => return self.skip(Skip::Suspended, 1),
            RunOutcome::NotBegun(cause) => Some(cause.code),
            RunOutcome::Interrupted { .. } => Some("interrupted"),
            RunOutcome::Judged(judged) if judged.record.verdict.is_publishable() => None,
            RunOutcome::Judged(judged) => {
                Some(judged.cause.as_ref().map_or(judged.record.verdict.as_str(), |cause| cause.code))
            }
        };
        self.runs[words::of_trigger(report.trigger)].add(1);
        if let Some(reason) = reason {
            self.run_failures[words::of_run(reason)].add(1);
        }
        self.published(&report.sinks);
    }

    fn published(&self, outcomes: &[SinkOutcome]) {
        let sinks = self.sinks();
        for outcome in outcomes {
            if let Some(sink) = sinks.iter().find(|sink| sink.name == outcome.sink) {
                sink.published(outcome);
            }
        }
    }
}

impl Observer for Counts {
    fn begun(&self, _: Endpoint) {
        self.in_flight.add(1);
    }

    fn ended(&self, exchange: &EndedRequest) {
        self.in_flight.add(-1);
        let EndedRequest { endpoint, outcome, bytes, took, clock_skew } = *exchange;
        let requests = &self.http[endpoint as usize];
        requests.bytes.add(bytes);
        match outcome {
            Ok(status) => {
                requests.codes[words::of_status(status)].add(1);
                requests.took.observe(took);
            }
            Err(loss) => requests.losses[loss as usize].add(1),
        }
        // Token services, content and other APIs may have clocks of their own.
        if let (Endpoint::Ping | Endpoint::Catalog | Endpoint::Tags | Endpoint::Manifest, Some(skew)) =
            (endpoint, clock_skew)
        {
            self.clock_skew.set(skew);
        }
    }

    fn retried(&self, endpoint: Endpoint) {
        self.http[endpoint as usize].retries.add(1);
    }

    fn waited(&self, pause: Duration) {
        self.waited.add(pause);
    }

    fn page(&self, outcome: Result<(), Fault>) {
        self.pages.add(1);
        if let Err(fault) = outcome {
            self.page_failures[words::of_fault(fault, &OF_PAGES)].add(1);
        }
    }

    fn token(&self, outcome: Result<(), Fault>) {
        self.tokens.add(1);
        match outcome {
            Ok(()) => self.tokens_in_vain.reset(),
            Err(fault) => {
                self.token_failures[words::of_fault(fault, &OF_TOKENS)].add(1);
                // The service has answered: it is about one repository or scope. The last ones of a night would stand
                // here until the next.
                if fault != Fault::Denied {
                    self.tokens_in_vain.add(1);
                }
            }
        }
    }

    fn refused_for_safety(&self, rule: SafetyRule) {
        self.refused_for_safety[rule as usize].add(1);
    }
}
