//! Makes metrics of the `prometheus` crate for families of the table, and registers them.
//!
//! The crate returns an error for an invalid name and for a name that is registered twice. All names come from the table, and a
//! test exposes every family, so such an error is a bug and these functions panic.

use prometheus::core::Collector;
use prometheus::{Counter, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::family::Family;

/// The label that the [`Registry`] of one container registry adds to each of its series.
pub(super) const REGISTRY: &str = "registry";

/// An integer counter without labels of its own.
pub(super) fn int_counter(registry: &Registry, family: &Family) -> IntCounter {
    registered(registry, IntCounter::with_opts(opts(family)))
}

/// Integer counters for the labels of the table.
pub(super) fn int_counters(registry: &Registry, family: &Family) -> IntCounterVec {
    registered(registry, IntCounterVec::new(opts(family), &own_labels(family)))
}

/// A floating-point counter without labels of its own.
pub(super) fn counter(registry: &Registry, family: &Family) -> Counter {
    registered(registry, Counter::with_opts(opts(family)))
}

/// An integer gauge without labels of its own.
pub(super) fn int_gauge(registry: &Registry, family: &Family) -> IntGauge {
    registered(registry, IntGauge::with_opts(opts(family)))
}

/// A floating-point gauge without labels of its own.
pub(super) fn gauge(registry: &Registry, family: &Family) -> Gauge {
    registered(registry, Gauge::with_opts(opts(family)))
}

/// Histograms for the labels of the table, with these upper bounds.
pub(super) fn histograms(registry: &Registry, family: &Family, bounds: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::from(opts(family)).buckets(bounds.to_vec());
    registered(registry, HistogramVec::new(opts, &own_labels(family)))
}

/// A gauge that is always 1 and whose labels have these values.
pub(super) fn info(registry: &Registry, family: &Family, values: &[&str]) {
    let opts =
        family.labels.iter().zip(values).fold(opts(family), |opts, (label, value)| opts.const_label(*label, *value));
    registered(registry, IntGauge::with_opts(opts)).set(1);
}

fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn own_labels(family: &Family) -> Vec<&'static str> {
    family.labels.iter().copied().filter(|label| *label != REGISTRY).collect()
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let metric = made.expect("the table has valid names");
    registry.register(Box::new(metric.clone())).expect("each family is registered once");
    metric
}

#[cfg(test)]
mod tests {
    use super::super::families::{HTTP_REQUEST_DURATION, PAGES};
    use super::*;

    #[test]
    fn an_observation_on_a_bound_is_counted_below_it() {
        let durations = histograms(&Registry::new(), &HTTP_REQUEST_DURATION, &[0.05, 0.25, 1.0, 5.0, 30.0]);
        let durations = durations.with_label_values(&["tags"]);
        for seconds in [0.0, 0.05, 0.051, 1.0, 30.0, 30.001] {
            durations.observe(seconds);
        }
        let families = durations.collect();
        let histogram = families[0].get_metric()[0].get_histogram();
        let counts: Vec<_> = histogram.get_bucket().iter().map(prometheus::proto::Bucket::cumulative_count).collect();
        assert_eq!((counts, histogram.get_sample_count()), (vec![2, 3, 4, 4, 5], 6));
    }

    #[test]
    #[should_panic = "each family is registered once"]
    fn a_family_that_is_registered_twice_is_a_bug() {
        let registry = Registry::new();
        int_counter(&registry, &PAGES);
        int_counter(&registry, &PAGES);
    }
}
