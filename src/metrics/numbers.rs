//! Numbers that many tasks change at once: counters, a gauge, histograms. What they count, others say.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Back to zero: for what is counted in a row.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Time that only grows.
#[derive(Debug, Default)]
pub(super) struct Stopwatch(Counter);

impl Stopwatch {
    pub(super) fn add(&self, more: Duration) {
        self.0.add(u64::try_from(more.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// How many there are now.
#[derive(Debug, Default)]
pub(super) struct Level(AtomicI64);

impl Level {
    pub(super) fn add(&self, more: i64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A measurement that the next one replaces.
#[derive(Debug, Default)]
pub(super) struct Latest(AtomicU64);

impl Latest {
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The upper bounds of a histogram's buckets in seconds, as text and as time; above the last there is one without.
pub(super) type Bounds = [(&'static str, Duration); 5];

/// From an answer out of a cache to a page that a server takes half a minute for.
pub(super) const OF_REQUESTS: Bounds = [
    ("0.05", Duration::from_millis(50)),
    ("0.25", Duration::from_millis(250)),
    ("1", Duration::from_secs(1)),
    ("5", Duration::from_secs(5)),
    ("30", Duration::from_secs(30)),
];

/// From a file on a local disk to hours of uploading.
pub(super) const OF_COMMITS: Bounds = [
    ("0.1", Duration::from_millis(100)),
    ("1", Duration::from_secs(1)),
    ("10", Duration::from_secs(10)),
    ("60", Duration::from_mins(1)),
    ("600", Duration::from_mins(10)),
];

/// How long things took.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) bounds: &'static Bounds,
    /// Each time once, in the first bucket that it fits in.
    buckets: [Counter; 6],
    sum: Stopwatch,
}

impl Histogram {
    pub(super) fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, buckets: Default::default(), sum: Stopwatch::default() }
    }

    pub(super) fn observe(&self, took: Duration) {
        let bucket = self.bounds.iter().take_while(|(_, bound)| took > *bound).count();
        self.buckets[bucket].add(1);
        self.sum.add(took);
    }

    /// How many took at most as long as each bound, and how many there are in all.
    pub(super) fn cumulative(&self) -> [u64; 6] {
        let mut so_far = 0;
        self.buckets.each_ref().map(|bucket| {
            so_far += bucket.get();
            so_far
        })
    }

    pub(super) fn sum(&self) -> Duration {
        self.sum.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_its_bucket_and_all_above() {
        let histogram = Histogram::new(&OF_REQUESTS);
        for millis in [0, 50, 51, 1000, 30_000, 30_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.cumulative(), [2, 3, 4, 4, 5, 6]);
        assert_eq!(histogram.sum(), Duration::from_millis(61_102));
    }

    #[test]
    fn bounds_rise_and_their_texts_say_what_they_are() {
        for bounds in [OF_REQUESTS, OF_COMMITS] {
            assert!(bounds.is_sorted_by_key(|(_, bound)| *bound));
            for (text, bound) in bounds {
                assert_eq!(text, bound.as_secs_f64().to_string());
            }
        }
    }
}
