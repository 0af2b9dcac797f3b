//! The daemon where its surroundings fail it: the clock, the disk, those who talk to it.

use stocktake::fake::{FakeRegistry, Repositories, Script};

use crate::daemon::{NEVER, configuration};
use crate::support::clock::Clock;
use crate::support::daemon::Daemon;
use crate::support::program::Workplace;

const HOUR: i64 = 3600;

async fn registry() -> FakeRegistry {
    FakeRegistry::start(Script::quay_like(Repositories::generated(1, 1))).await.unwrap()
}

#[tokio::test]
async fn the_loop_goes_on_when_the_clock_is_set_back() {
    let registry = registry().await;
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), NEVER)]));
    let clock = Clock::right(&place);
    let daemon = Daemon::start_with(&place, &clock.environment()).await;
    let tick = "stocktake_scheduler_last_tick_timestamp_seconds";
    let before = daemon.metric(tick).await.expect("it turns");
    clock.set(-HOUR);
    daemon.until(tick, |at| at.is_some_and(|at| at < before - 3000.0)).await;
    clock.set(HOUR);
    daemon.until(tick, |at| at.is_some_and(|at| at > before + 3000.0)).await;
    daemon.stop().await.exits(0);
}
