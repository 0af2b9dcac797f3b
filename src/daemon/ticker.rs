//! One tick a second. [`crate::schedule`] decides which slots are due.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;

/// The longest time between two ticks. The scheduler uses the wall clock: if the clock is set back, it sends no tick until the
/// same time comes again.
const LATEST: Duration = Duration::from_millis(1500);

/// Ticks at every full second. Ticks during which the loop is busy count as one.
pub(super) struct Ticker {
    scheduler: JobScheduler,
    ticks: Arc<Notify>,
    ticked: Instant,
}

impl Ticker {
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let ticks = Arc::new(Notify::new());
        let scheduler = JobScheduler::new().await?;
        let tick = Arc::clone(&ticks);
        scheduler.add(Job::new("* * * * * *", move |_, _| tick.notify_one())?).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, ticks, ticked: Instant::now() })
    }

    pub(super) async fn tick(&mut self) {
        // A timeout is a tick too.
        let _ = timeout_at(self.ticked + LATEST, self.ticks.notified()).await;
        self.ticked = Instant::now();
    }

    pub(super) async fn stop(mut self) {
        if let Err(e) = self.scheduler.shutdown().await {
            warn!("cannot stop the ticks: {e}");
        }
    }
}
