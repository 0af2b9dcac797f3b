//! What the table in `families` says of a metric.

/// The metrics of one name.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// `stocktake_pages_total`
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The HELP text: one sentence.
    pub help: &'static str,
    /// The labels of each series in their order, without the `le` of histograms.
    pub labels: &'static [&'static str],
    /// For each label the values that it can have, in the order in which their series are exposed. Empty for a label whose
    /// values come from the configuration.
    pub(super) values: &'static [&'static [&'static str]],
    /// Whether only a daemon has the metric.
    pub(super) is_of_daemon: bool,
}

/// The types of metrics that stocktake uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// The value never decreases while the process lives.
    Counter,
    /// The value can increase and decrease.
    Gauge,
    /// Observations are counted by upper bounds.
    Histogram,
}

impl MetricKind {
    /// The word of the TYPE line: `counter`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
