//! What a process can say of itself.

use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One contender's run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Wall clock of the work, in seconds.
    pub(crate) seconds: f64,
    /// Processor time of the process, in seconds, at a resolution of 10 ms.
    pub(crate) cpu: f64,
    /// The largest resident size so far, in MiB.
    pub(crate) mib: f64,
    /// Names seen.
    pub(crate) names: u64,
    /// Requests sent; 0 of those who do not say.
    pub(crate) requests: u64,
}

/// The measurements of this process after work that took so long.
pub(crate) fn now(took: Duration, names: u64) -> Measured {
    Measured { seconds: took.as_secs_f64(), cpu: cpu_seconds(), mib: peak_mib(), names, requests: 0 }
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib as f64 / 1024.0
}

/// `utime` and `stime`, fields 14 and 15 of proc(5)'s stat, in hundredths of a second on Linux.
#[allow(clippy::cast_precision_loss)] // for the eye
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// The middle of the values; of an even number the lower middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
