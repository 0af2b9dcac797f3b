//! Delivers one sealed snapshot to all sinks, with bounded retries. Sinks themselves do not retry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::registry::chain;
use crate::words::{counted, first_of};

/// Attempts at one sink, the first included; the snapshot stays sealed, so the next run tries again anyway.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// So many nights are named that a sink does not have.
const NAMED: usize = 10;

/// The result of delivering a snapshot to one sink.
#[derive(Debug)]
pub struct SinkOutcome {
    /// The sink's configured name.
    pub sink: String,
    /// The receipt, or the error.
    pub result: Result<Receipt, DeliveryError>,
    /// Number of attempts.
    pub attempts: u32,
    /// The duration, pauses included.
    pub took: Duration,
    /// The run whose snapshot it was.
    pub run_id: String,
    /// The runs whose snapshots the next run delivers to this sink, the oldest first.
    pub owes: Vec<String>,
}

/// Why a sink does not have the snapshot.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The run was told to stop first.
    #[error("interrupted")]
    Interrupted,
}

/// The first of these runs, and how many more there are.
pub(super) fn nights(run_ids: &[String]) -> String {
    first_of(run_ids, NAMED)
}

impl DeliveryError {
    /// Whether trying again cannot help: the rows are not there any more.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Sink(e) if e.kind() == SinkErrorKind::Snapshot)
    }
}

impl SinkOutcome {
    /// A sink that was not asked to take the snapshot of this run.
    pub(super) fn not_tried(sink: &str, run_id: String, error: SinkError, owes: Vec<String>) -> Self {
        let result = Err(error.into());
        Self { sink: sink.to_owned(), result, attempts: 0, took: Duration::ZERO, run_id, owes }
    }

    /// Whether it took longer than the deadline of the sink.
    pub(super) fn is_overdue(&self) -> bool {
        matches!(&self.result, Err(DeliveryError::Sink(e)) if e.kind() == SinkErrorKind::Overdue)
    }
}

impl fmt::Display for SinkOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let later = match &self.owes[..] {
            [] => String::new(),
            [owed] if *owed == self.run_id => "; the next run delivers it".to_owned(),
            owed => {
                let counted = counted(owed.len() as u64, "night", "nights");
                format!("; the next run delivers {counted}, the oldest first: {}", nights(owed))
            }
        };
        match &self.result {
            Ok(receipt) => write!(f, "{}", receipt.location),
            Err(DeliveryError::Sink(e)) => write!(f, "{} ({}{later})", chain(e), e.kind().remedy()),
            Err(e) => write!(f, "{e}{later}"),
        }
    }
}

/// Publishes to all sinks at once; a failing one disturbs no other.
pub(super) async fn to_all(
    sinks: &[(String, Arc<dyn Sink>)],
    snapshot: &Snapshot,
    stop: &CancellationToken,
) -> Vec<SinkOutcome> {
    join_all(sinks.iter().map(|(name, sink)| to_one(name, sink.as_ref(), snapshot, stop))).await
}

/// Publishes to one sink, with bounded retries.
pub(super) async fn to_one(name: &str, sink: &dyn Sink, snapshot: &Snapshot, stop: &CancellationToken) -> SinkOutcome {
    let begun = Instant::now();
    let mut attempts = 0;
    let work = async {
        loop {
            attempts += 1;
            match sink.publish(snapshot).await {
                Err(e) if e.kind().is_transient() && attempts < ATTEMPTS => {
                    // Half fixed, half random: several registries' runs do not come back to a sick sink in step.
                    let pause = FIRST_PAUSE * 4_u32.pow(attempts - 1);
                    sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                }
                result => break result.map_err(DeliveryError::from),
            }
        }
    };
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(DeliveryError::Interrupted),
        result = work => result,
    };
    if let Ok(receipt) = &result {
        let registry = &snapshot.id().registry;
        receipt.warnings.iter().for_each(|warning| warn!(%registry, sink = %name, "{name}: {warning}"));
    }
    let has_failed = result.as_ref().is_err_and(|error| !error.is_lost());
    let is_owed = snapshot.record().verdict.is_publishable() && sink.keeps() && has_failed;
    let run_id = snapshot.id().run_id();
    let owes = if is_owed { vec![run_id.clone()] } else { Vec::new() };
    SinkOutcome { sink: name.to_owned(), result, attempts, took: begun.elapsed(), run_id, owes }
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
