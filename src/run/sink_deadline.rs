//! A deadline on each delivery. A target that hangs (a network file system, a database) would otherwise hold its registry,
//! which is locked while its run lasts, until a person ends the process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stocktake_sink::{Receipt, Sink, SinkError, SinkErrorKind, Snapshot};
use tokio::time::timeout;

/// A sink whose deliveries end after a deadline, with [`SinkErrorKind::Overdue`].
#[derive(Debug)]
pub struct SinkWithDeadline {
    sink: Arc<dyn Sink>,
    deadline: Duration,
}

impl SinkWithDeadline {
    /// The sink, with this deadline for each delivery.
    pub fn new(sink: Arc<dyn Sink>, deadline: Duration) -> Self {
        Self { sink, deadline }
    }

    fn overdue(&self, what: &str) -> SinkError {
        let message = format!("{what} did not end within {} s", self.deadline.as_secs_f64());
        SinkError::new(SinkErrorKind::Overdue, message)
    }
}

#[async_trait]
impl Sink for SinkWithDeadline {
    /// Dropping the delivery abandons it. Sinks are idempotent, so it does no harm if the target got it nevertheless.
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        timeout(self.deadline, self.sink.publish(snapshot)).await.unwrap_or_else(|_| Err(self.overdue("the delivery")))
    }

    async fn probe(&self) -> Result<(), SinkError> {
        timeout(self.deadline, self.sink.probe()).await.unwrap_or_else(|_| Err(self.overdue("the dry write")))
    }

    fn keeps(&self) -> bool {
        self.sink.keeps()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use stocktake_sink::Verdict;
    use stocktake_sink::contract::{id, record};
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::run::deliver::to_all;

    /// Takes this long for a delivery, or hangs. Counts the deliveries that were dropped before their end.
    #[derive(Debug)]
    struct Slow(Option<Duration>, Arc<AtomicUsize>);

    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Sink for Slow {
        async fn publish(&self, _: &Snapshot) -> Result<Receipt, SinkError> {
            let dropped = Dropped(Arc::clone(&self.1));
            match self.0 {
                Some(time) => sleep(time).await,
                None => pending().await,
            }
            std::mem::forget(dropped);
            Ok(Receipt { location: "there".into(), objects: Vec::new(), warnings: Vec::new() })
        }

        async fn probe(&self) -> Result<(), SinkError> {
            pending().await
        }

        fn keeps(&self) -> bool {
            false
        }
    }

    const DEADLINE: Duration = Duration::from_mins(30);

    fn sink(time: Option<Duration>, dropped: &Arc<AtomicUsize>) -> Arc<dyn Sink> {
        Arc::new(SinkWithDeadline::new(Arc::new(Slow(time, Arc::clone(dropped))), DEADLINE))
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_that_hangs_ends_at_the_deadline_is_not_repeated_and_is_owed() {
        let dropped = Arc::default();
        let snapshot = Snapshot::new(record(&id("quay", 0), Verdict::Complete, 0), BTreeMap::new()).unwrap();
        let second = Duration::from_secs(1);
        let sinks = [
            ("hangs".to_owned(), sink(None, &dropped)),
            ("slow".to_owned(), sink(Some(DEADLINE.checked_sub(second).unwrap()), &dropped)),
        ];
        let begun = Instant::now();
        let outcomes = to_all(&sinks, &snapshot, &CancellationToken::new()).await;
        assert_eq!((begun.elapsed(), dropped.load(Ordering::Relaxed)), (DEADLINE, 1));
        assert_eq!(outcomes[0].attempts, 1);
        let told = outcomes[0].to_string();
        assert!(told.starts_with("the delivery did not end within 1800 s (find out why the target is slow"), "{told}");
        assert!(outcomes[1].result.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dry_write_that_hangs_ends_at_the_deadline() {
        let sink = sink(None, &Arc::default());
        let error = sink.probe().await.expect_err("overdue");
        assert_eq!(
            (error.kind(), error.to_string()),
            (SinkErrorKind::Overdue, "the dry write did not end within 1800 s".into())
        );
        assert!(!sink.keeps(), "the sink itself decides");
    }
}
