//! Measures the cost of one `/metrics` response in a daemon with many registries that run, without the network: the processor time,
//! and the delay of the ticks of the scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use rustix::time::{ClockId, clock_gettime};
use stocktake::metrics::Metrics;
use stocktake::registry::{EndedRequest, Endpoint, Observer};
use stocktake::state::{History, Inventory};
use stocktake::status::{Activity, ConfigurationStatus, RegistryStatus, Status, TokenStatus};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::BenchError;
use crate::measure::peak_mib;

const REGISTRIES: usize = 500;
const TIMES: usize = 100;
/// The interval of ticks. The scheduler of the daemon ticks every second; shorter intervals give more samples.
const TICK: Duration = Duration::from_millis(20);

/// Renders the metrics repeatedly on a blocking thread, as the daemon does, each time from a new status. At the same time, a
/// thread counts requests, and a task of the runtime ticks.
#[allow(clippy::print_stdout, clippy::cast_precision_loss)] // this is a program for a terminal
pub(crate) async fn rows() -> Result<(), BenchError> {
    let before = peak_mib();
    let metrics = Metrics::new();
    let sinks = ["lake", "copy", "archive"].map(str::to_owned);
    let mut meters = Vec::new();
    for number in 0..REGISTRIES {
        meters.push(metrics.registry(&format!("registry-{number:03}").parse()?, &sinks));
    }
    let counters = peak_mib();
    let stop = Arc::new(AtomicBool::new(false));
    let counting = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || count(&meters, &stop)
    });
    let ticking = tokio::spawn(tick(Arc::clone(&stop)));
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let (mut bytes, mut series) = (0, 0);
    for _ in 0..TIMES {
        let (metrics, sinks) = (metrics.clone(), sinks.clone());
        let begun = Instant::now();
        let exposed = tokio::task::spawn_blocking(move || -> Result<_, BenchError> {
            let begun = thread_cpu();
            let text = metrics.expose(&status(&sinks)?);
            Ok((thread_cpu().saturating_sub(begun), text))
        });
        let (used, text) = exposed.await??;
        wall.push(begun.elapsed());
        cpu.push(used);
        (bytes, series) = (text.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    }
    stop.store(true, Ordering::Relaxed);
    counting.join().map_err(|_| "the counting thread panicked")?;
    let mut late = ticking.await?;
    println!("\nexposition of {REGISTRIES} registries with 3 sinks, {TIMES} times, while one thread counts requests");
    println!("goals: at most 250 ms of processor time; ticks late by less than 50 ms\n");
    println!("  series      MB   cpu p50   cpu p99   wall p50   wall p99   tick late p50   p99   max (ms)");
    let [cpu_half, cpu_most] = [50, 99].map(|share| millis(&mut cpu, share));
    let [wall_half, wall_most] = [50, 99].map(|share| millis(&mut wall, share));
    let [late_half, late_most, late_max] = [50, 99, 100].map(|share| millis(&mut late, share));
    println!(
        "{series:>8} {:>7.1} {cpu_half:>9.1} {cpu_most:>9.1} {wall_half:>10.1} {wall_most:>10.1} {late_half:>15.1} {late_most:>5.1} {late_max:>5.1}",
        bytes as f64 / 1e6
    );
    println!("peak MiB: {before:.1} before, {counters:.1} with all counters, {:.1} at the end", peak_mib());
    Ok(())
}

/// The delays of the ticks.
async fn tick(stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut late = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await;
        late.push(due.elapsed());
    }
    late
}

/// The percentile in milliseconds.
fn millis(values: &mut [Duration], share: usize) -> f64 {
    values.sort_unstable();
    values[(values.len() * share / 100).min(values.len() - 1)].as_secs_f64() * 1e3
}

/// The processor time of this thread so far.
fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn count(meters: &[Arc<dyn Observer>], stop: &AtomicBool) {
    let (took, bytes) = (Duration::from_millis(20), 1000);
    for meter in meters.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
        meter.begun(Endpoint::Tags);
        meter.ended(&EndedRequest { endpoint: Endpoint::Tags, outcome: Ok(200), bytes, took, clock_skew: Some(-0.4) });
        meter.page(Ok(()));
    }
}

fn status(sinks: &[String]) -> Result<Status, BenchError> {
    let now = DateTime::from_timestamp_millis(1_795_399_200_123).ok_or("no time")?;
    let registry = |number: usize| -> Result<RegistryStatus, BenchError> {
        let inventory = Inventory { repositories: 12_345, tags: 123_456, manifests: 98_765, slot: None };
        let history = History { last_success_at: Some(now), inventory: Some(inventory), ..History::default() };
        Ok(RegistryStatus {
            name: format!("registry-{number:03}").parse()?,
            url: "https://registry.example".into(),
            first_seen_at: now,
            schedule: None,
            activity: Activity::Running { since: now, pages: 1, listed: 2, is_list_whole: true, to_read: 3, read: 3 },
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
