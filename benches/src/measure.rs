//! Measurements of the own process: time, processor time and memory.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The measurements of one run of a contender.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The wall clock time of the work, in seconds.
    pub(crate) seconds: f64,
    /// The processor time of the work, in seconds.
    pub(crate) cpu: f64,
    /// The peak resident memory so far, in MiB.
    pub(crate) mib: f64,
    /// The number of rows that were found.
    pub(crate) rows: u64,
    /// The number of requests that were sent; 0 if the contender does not count them.
    pub(crate) requests: u64,
}

/// The measurements of this process for work that began at `begun`. `cpu_before` is the processor time used before it.
pub(crate) fn since(begun: Instant, cpu_before: f64, rows: u64) -> Measured {
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    Measured { seconds, cpu, mib: peak_mib(), rows, requests: 0 }
}

/// The peak resident memory of this process so far, in MiB.
#[allow(clippy::cast_precision_loss)] // for the eye
pub(crate) fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib as f64 / 1024.0
}

/// The processor time of this process and of its finished child processes so far.
pub(crate) fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default().as_secs_f64() + waited_for()
}

/// `cutime` and `cstime`, fields 16 and 17 of proc(5)'s stat, in hundredths of a second on Linux.
#[allow(clippy::cast_precision_loss)] // for the eye
fn waited_for() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// The median. For an even number of values, the lower one of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
