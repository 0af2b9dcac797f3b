//! What one `/metrics` costs a daemon of many registries while they run, the network left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use stocktake::metrics::Metrics;
use stocktake::registry::{EndedRequest, Endpoint, Observer};
use stocktake::state::{History, Inventory};
use stocktake::status::{Activity, ConfigurationStatus, RegistryStatus, Status, TokenStatus};
use tokio::time::Instant;

use crate::Failure;

const REGISTRIES: usize = 500;
const TIMES: usize = 300;

/// Expositions one after the other, each with the status that it is made from, while a thread counts.
#[allow(clippy::print_stdout, clippy::cast_precision_loss)] // this is a program for a terminal
pub(crate) fn rows() -> Result<(), Failure> {
    let metrics = Metrics::new();
    let sinks = ["lake", "copy", "archive"].map(str::to_owned);
    let mut meters = Vec::new();
    for number in 0..REGISTRIES {
        meters.push(metrics.registry(&format!("registry-{number:03}").parse()?, &sinks));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let counting = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || count(&meters, &stop)
    });
    let mut took = Vec::new();
    let (mut bytes, mut series) = (0, 0);
    for _ in 0..TIMES {
        let begun = Instant::now();
        let text = metrics.expose(&status(&sinks)?);
        took.push(begun.elapsed());
        (bytes, series) = (text.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    }
    stop.store(true, Ordering::Relaxed);
    counting.join().map_err(|_| "the counting thread panicked")?;
    took.sort();
    println!("\nexposition of {REGISTRIES} registries with 3 sinks, {TIMES} times, while one thread counts requests");
    println!("goal: p99 < 50 ms\n");
    println!("  series      MB   p50 ms   p99 ms");
    let millis = |share: usize| took[TIMES * share / 100].as_secs_f64() * 1e3;
    println!("{series:>8} {:>7.1} {:>8.1} {:>8.1}", bytes as f64 / 1e6, millis(50), millis(99));
    Ok(())
}

fn count(meters: &[Arc<dyn Observer>], stop: &AtomicBool) {
    let (took, bytes) = (Duration::from_millis(20), 1000);
    for meter in meters.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
        meter.begun(Endpoint::Tags);
        meter.ended(&EndedRequest { endpoint: Endpoint::Tags, outcome: Ok(200), bytes, took, clock_skew: Some(-0.4) });
        meter.page(Ok(()));
    }
}

fn status(sinks: &[String]) -> Result<Status, Failure> {
    let now = DateTime::from_timestamp_millis(1_795_399_200_123).ok_or("no time")?;
    let registry = |number: usize| -> Result<RegistryStatus, Failure> {
        let inventory = Inventory { repositories: 12_345, tags: 123_456, manifests: 98_765 };
        let history = History { last_success_at: Some(now), inventory: Some(inventory), ..History::default() };
        Ok(RegistryStatus {
            name: format!("registry-{number:03}").parse()?,
            url: "https://registry.example".into(),
            first_seen_at: now,
            schedule: None,
            activity: Activity::Running { since: now, pages: 1, listed: 2, read: 3 },
            history,
            trouble: None,
            token: TokenStatus::Held { expires_at: now, renew_at: now },
            concurrency: 8,
            sinks: sinks.to_vec(),
        })
    };
    Ok(Status {
        now,
        started_at: now,
        ticked_at: now,
        is_stopping: false,
        configuration: ConfigurationStatus { file: "stocktake.yaml".into(), loaded_at: now, error: None },
        registries: (0..REGISTRIES).map(registry).collect::<Result<_, _>>()?,
    })
}
