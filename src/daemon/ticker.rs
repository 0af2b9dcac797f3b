//! One tick a second, and nothing else of a scheduler: which slots are due is [`crate::schedule`]'s to say.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;

/// Ticks at every full second. Ticks that nobody waited for are one.
pub(super) struct Ticker {
    scheduler: JobScheduler,
    ticks: Arc<Notify>,
}

impl Ticker {
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let ticks = Arc::new(Notify::new());
        let scheduler = JobScheduler::new().await?;
        let rung = Arc::clone(&ticks);
        scheduler.add(Job::new("* * * * * *", move |_, _| rung.notify_one())?).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, ticks })
    }

    pub(super) async fn tick(&mut self) {
        self.ticks.notified().await;
    }

    pub(super) async fn stop(mut self) {
        if let Err(e) = self.scheduler.shutdown().await {
            warn!("the ticks do not stop: {e}");
        }
    }
}
