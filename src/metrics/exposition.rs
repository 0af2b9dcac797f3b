//! Puts what was gathered into the order of the table, and encodes it.
//!
//! [`prometheus::Registry::gather`] sorts families, series and labels by the alphabet. The exposition has the order of the
//! table, and registries and sinks have the order of the configuration.

use prometheus::TextEncoder;
use std::slice;

use prometheus::proto::{LabelPair, Metric, MetricFamily};

use super::families::FAMILIES;
use super::family::Family;

/// An exposition in the making. Each registry is encoded as soon as it was gathered, because the gathered form takes many times
/// the memory of the text.
#[derive(Debug)]
pub(super) struct Exposition {
    /// The text of each family of the table.
    texts: Vec<String>,
    /// The buffer of the encoder.
    encoded: String,
    has_daemon: bool,
}

impl Exposition {
    /// Without a daemon the families that only a daemon has are left out.
    pub(super) fn new(has_daemon: bool) -> Self {
        Self { texts: vec![String::new(); FAMILIES.len()], encoded: String::new(), has_daemon }
    }

    /// Adds what a [`prometheus::Registry`] has gathered.
    pub(super) fn add_gathered(&mut self, mut gathered: Vec<MetricFamily>, sinks: &[String]) {
        for gathered in &mut gathered {
            if let Some(family) = FAMILIES.iter().find(|family| family.name == gathered.name()) {
                sort(family, gathered.mut_metric(), sinks);
            }
        }
        self.add(&gathered);
    }

    /// Adds families whose labels and series are in the order of the table. A family without series has no lines.
    pub(super) fn add(&mut self, collected: &[MetricFamily]) {
        for collected in collected.iter().filter(|family| !family.get_metric().is_empty()) {
            let Some(position) = FAMILIES.iter().position(|family| family.name == collected.name()) else { continue };
            if FAMILIES[position].is_of_daemon && !self.has_daemon {
                continue;
            }
            self.encoded.clear();
            let encoded = TextEncoder::new().encode_utf8(slice::from_ref(collected), &mut self.encoded);
            encoded.expect("the family has a name and series");
            let text = &mut self.texts[position];
            text.push_str(if text.is_empty() { &self.encoded } else { without_header(&self.encoded) });
        }
    }

    /// Appends the text format 0.0.4 in the order of the table.
    pub(super) fn append_to(&self, text: &mut String) {
        text.reserve(self.texts.iter().map(String::len).sum());
        text.extend(self.texts.iter().map(String::as_str));
    }
}

/// The lines after HELP and TYPE.
fn without_header(encoded: &str) -> &str {
    let (_, after_help) = encoded.split_once('\n').unwrap_or_default();
    let (_, series) = after_help.split_once('\n').unwrap_or_default();
    series
}

/// Sorts labels and series into the order of the table.
fn sort(family: &Family, metrics: &mut [Metric], sinks: &[String]) {
    for metric in &mut *metrics {
        metric.mut_label().sort_by_key(|pair| family.labels.iter().position(|label| *label == pair.name()));
    }
    if metrics.len() > 1 {
        metrics.sort_by_cached_key(|metric| position(family, metric.get_label(), sinks));
    }
}

/// The positions of the label values in the lists of the table; for sinks, in the order of the configuration.
fn position(family: &Family, labels: &[LabelPair], sinks: &[String]) -> [Option<usize>; 3] {
    let mut positions = [None; 3];
    for ((position, values), pair) in positions.iter_mut().zip(family.values).zip(labels) {
        *position = match pair.name() {
            "sink" => sinks.iter().position(|sink| sink == pair.value()),
            _ => values.iter().position(|value| *value == pair.value()),
        };
    }
    positions
}
