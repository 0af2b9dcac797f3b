//! One tick a second, and nothing else of a scheduler: which slots are due is [`crate::schedule`]'s to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;

/// The scheduler goes by the wall clock: where that is set back, it is silent until the same time comes again. A loop that
/// does not turn meanwhile would be taken for one that hangs.
const LATEST: Duration = Duration::from_millis(1500);

/// Ticks at every full second. Ticks that nobody waited for are one.
pub(super) struct Ticker {
    scheduler: JobScheduler,
    ticks: Arc<Notify>,
    ticked: Instant,
}

impl Ticker {
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let ticks = Arc::new(Notify::new());
        let scheduler = JobScheduler::new().await?;
        let rung = Arc::clone(&ticks);
        scheduler.add(Job::new("* * * * * *", move |_, _| rung.notify_one())?).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, ticks, ticked: Instant::now() })
    }

    pub(super) async fn tick(&mut self) {
        // Late or not, it is time to look.
        let _ = timeout_at(self.ticked + LATEST, self.ticks.notified()).await;
        self.ticked = Instant::now();
    }

    pub(super) async fn stop(mut self) {
        if let Err(e) = self.scheduler.shutdown().await {
            warn!("the ticks do not stop: {e}");
        }
    }
}
