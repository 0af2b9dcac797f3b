//! What a run knows from its beginning on: its plan, its client, and its clock.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::Trigger;
use tokio::time::Instant;

use super::plan::Plan;
use crate::clock;
use crate::registry::{Client, RegistryError};

/// What a run knows from its beginning on.
#[derive(Debug)]
pub(super) struct RunContext<'a> {
    pub(super) plan: &'a Plan,
    /// The slot of the schedule that the run stands for; `None` if a person asked for the run.
    pub(super) slot: Option<DateTime<Utc>>,
    /// Whether a person knows that the registry has lost something, and accepts it for this run.
    pub(super) accepts_loss: bool,
    /// The registry's client, or why its settings do not make one.
    pub(super) client: Result<Client, RegistryError>,
    pub(super) started_at: DateTime<Utc>,
    /// `started_at` on the monotonic clock.
    begun: Instant,
}

impl<'a> RunContext<'a> {
    pub(super) fn new(plan: &'a Plan, slot: Option<DateTime<Utc>>) -> Self {
        let client = Client::observed(plan.registry.clone(), Arc::clone(&plan.meter));
        Self { plan, slot, accepts_loss: false, client, started_at: clock::now(), begun: Instant::now() }
    }

    /// The time now; never before `started_at`, even if the wall clock is set back.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.started_at + self.begun.elapsed()
    }

    pub(super) fn trigger(&self) -> Trigger {
        if self.slot.is_some() { Trigger::Schedule } else { Trigger::Manual }
    }
}
