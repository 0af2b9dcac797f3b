//! What stocktake exposes to Prometheus. Counters and histograms of the `prometheus` crate count events as they happen; the
//! gauges of a [`Status`] are collected when an exposition is made. [`families()`] lists all metrics.

mod exposition;
mod families;
mod family;
mod label_values;
mod process_metrics;
mod register;
mod registry_metrics;
mod status_collector;
mod textfile;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::Collector as _;
use stocktake_sink::RegistryName;
use tracing::Subscriber;
use tracing_subscriber::Layer;

pub use family::{Family, MetricKind};
pub use label_values::SkipReason;
pub use textfile::write_textfile;

use crate::registry::Observer;
use crate::run::RunReport;
use crate::status::{RegistryStatus, Status};
use exposition::Exposition;
use process_metrics::{MessageCounter, ProcessMetrics};
use registry_metrics::RegistryMetrics;
use status_collector::{CollectedRegistry, StatusCollector};

/// All metrics of the process. A clone is a handle to the same metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    process: Arc<ProcessMetrics>,
    registries: Arc<Mutex<HashMap<RegistryName, Arc<RegistryMetrics>>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { process: Arc::new(ProcessMetrics::new()), registries: Arc::default() }
    }
}

/// Every metric.
pub fn families() -> &'static [Family] {
    families::FAMILIES
}

impl Metrics {
    /// Metrics without registries, all at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a registry with its sinks in their order. From then on all its series are exposed, at 0 until something happens.
    /// A registry that is added again, as by a reload, keeps what was counted; sinks that it no longer has lose their series.
    /// Returns the meter that counts the requests of the registry.
    pub fn registry(&self, name: &RegistryName, sinks: &[String]) -> Arc<dyn Observer> {
        let mut registries = self.registries.lock();
        let new = || Arc::new(RegistryMetrics::new(name, Arc::clone(&self.process)));
        let metrics = Arc::clone(registries.entry(name.clone()).or_insert_with(new));
        metrics.set_sinks(sinks);
        metrics
    }

    /// Removes a registry with all its series. What its last run still counts is not exposed.
    pub fn forget(&self, name: &RegistryName) {
        if let Some(metrics) = self.registries.lock().remove(name) {
            metrics.set_sinks(&[]);
        }
    }

    /// Counts a run, published or not, and what its sinks did. A scheduled run is counted as skipped if another process was
    /// running the registry, or if the credentials are suspended. Unknown registries are ignored.
    pub fn run_ended(&self, report: &RunReport) {
        if let Some(metrics) = self.of(&report.registry) {
            metrics.run_ended(report);
        }
    }

    /// Counts scheduled runs that were not started, and for which there will be no [`RunReport`].
    pub fn skipped(&self, name: &RegistryName, reason: SkipReason, count: u64) {
        if let Some(metrics) = self.of(name) {
            metrics.skip(reason, count);
        }
    }

    /// Counts a panic that was caught.
    pub fn panicked(&self) {
        self.process.panics.inc();
    }

    /// Counts log messages by their level. Put this layer behind the filter of the log, so that only written messages count.
    pub fn log_layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        MessageCounter(Arc::clone(&self.process))
    }

    /// All metrics in Prometheus' text format 0.0.4, whose media type is `text/plain; version=0.0.4`. Exposes the registries
    /// that are known here and stand in `status`. Takes 100 ms and more for hundreds of registries: call it on a thread that may
    /// block.
    pub fn expose(&self, status: &Status) -> String {
        let mut text = String::new();
        self.write(status, &mut text);
        text
    }

    /// Appends the same to `text`, so that a buffer of many megabytes can be used again.
    pub fn write(&self, status: &Status, text: &mut String) {
        self.write_all(Some(status), &status.registries, text);
    }

    /// The metrics of runs without a daemon, for [`write_textfile`]: without those of schedules, reloads and tasks.
    pub fn expose_runs(&self, registries: &[RegistryStatus]) -> String {
        let mut text = String::new();
        self.write_all(None, registries, &mut text);
        text
    }

    fn write_all(&self, status: Option<&Status>, registries: &[RegistryStatus], text: &mut String) {
        let mut exposition = Exposition::new(status.is_some());
        exposition.add_gathered(self.process.gather(), &[]);
        let mut collector = StatusCollector { status, registries: Vec::new() };
        for status in registries {
            let Some(metrics) = self.of(&status.name) else { continue };
            let (gathered, sinks) = metrics.gather();
            exposition.add_gathered(gathered, &sinks);
            collector.registries.push(CollectedRegistry { status, sinks });
        }
        exposition.add(&collector.collect());
        exposition.append_to(text);
    }

    fn of(&self, name: &RegistryName) -> Option<Arc<RegistryMetrics>> {
        self.registries.lock().get(name).cloned()
    }
}

#[cfg(test)]
mod tests;
