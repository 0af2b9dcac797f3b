//! What is counted for the process as a whole: log messages, panics, and how long each sink takes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramVec, IntCounter, Registry};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::families::{BUILD_INFO, LOG_MESSAGES, SINK_COMMIT_DURATION, TASK_PANICS};
use super::label_values::LEVELS;
use super::register;

/// Upper bounds in seconds: from a file on a local disk to hours of uploading.
const COMMIT_BOUNDS: [f64; 5] = [0.1, 1.0, 10.0, 60.0, 600.0];

/// The metrics of the process.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    registry: Registry,
    /// By the positions of [`LEVELS`].
    messages: [IntCounter; LEVELS.len()],
    pub(super) panics: IntCounter,
    commit_durations: HistogramVec,
    /// How many registries have each sink. The series of a sink ends with the last of them.
    sink_users: Mutex<HashMap<String, usize>>,
}

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let messages = register::int_counters(&registry, &LOG_MESSAGES);
        let revision = option_env!("STOCKTAKE_REVISION").unwrap_or("unknown");
        register::info(&registry, &BUILD_INFO, &[env!("CARGO_PKG_VERSION"), revision]);
        Self {
            messages: LEVELS.map(|level| messages.with_label_values(&[level])),
            panics: register::int_counter(&registry, &TASK_PANICS),
            commit_durations: register::histograms(&registry, &SINK_COMMIT_DURATION, &COMMIT_BOUNDS),
            sink_users: Mutex::default(),
            registry,
        }
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The histogram of a sink for one more registry that has the sink.
    pub(super) fn add_sink_user(&self, sink: &str) -> Histogram {
        let mut users = self.sink_users.lock();
        *users.entry(sink.to_owned()).or_default() += 1;
        self.commit_durations.with_label_values(&[sink])
    }

    /// One registry less has the sink.
    pub(super) fn remove_sink_user(&self, sink: &str) {
        let mut users = self.sink_users.lock();
        let Some(count) = users.get_mut(sink) else { return };
        *count -= 1;
        if *count == 0 {
            users.remove(sink);
            // The only error is that there is no such series.
            let _ = self.commit_durations.remove_label_values(&[sink]);
        }
    }
}

/// Counts log messages by level.
#[derive(Debug)]
pub(super) struct MessageCounter(pub(super) Arc<ProcessMetrics>);

impl<S: Subscriber> Layer<S> for MessageCounter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let position = match *event.metadata().level() {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        self.0.messages[position].inc();
    }
}
