//! A reader of the text format that is stricter than Prometheus': it knows the families.

use std::collections::BTreeMap;

use super::super::{MetricKind, families};

/// The series by family, labels in their order, and `_bucket`, `_sum` or `_count`; with their values.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parsed {
    /// `stocktake_pages_total{registry="a"}` to its value.
    pub(super) series: BTreeMap<String, f64>,
    /// The names of the exposed families in their order.
    pub(super) families: Vec<String>,
}

impl Parsed {
    pub(super) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.series))
    }

    /// The names of the series in whose labels this stands.
    pub(super) fn with(&self, label: &str) -> Vec<&str> {
        self.series.keys().map(String::as_str).filter(|series| series.contains(label)).collect()
    }
}

/// Reads an exposition. Panics if it violates the format or the table of families.
pub(super) fn parse(text: &str) -> Parsed {
    assert!(text.ends_with('\n'));
    let mut parsed = Parsed::default();
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, help) =
            help.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect("HELP comes first");
        let family = families().iter().find(|family| family.name == name).expect("a family of the table");
        assert_eq!(help, family.help);
        assert_eq!(lines.next(), Some(format!("# TYPE {name} {}", family.kind.as_str()).as_str()));
        parsed.families.push(name.to_owned());
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (told, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels));
            let suffix = told.strip_prefix(name).expect("of this family");
            let mut keys = keys(labels);
            match (family.kind, suffix) {
                (MetricKind::Histogram, "_bucket") => assert_eq!(keys.pop().as_deref(), Some("le")),
                (MetricKind::Histogram, "_sum" | "_count") | (MetricKind::Counter | MetricKind::Gauge, "") => {}
                other => panic!("{series}: {other:?}"),
            }
            assert_eq!(keys, family.labels, "{series}");
            let number: f64 = value.parse().expect("a number");
            assert!(number.is_finite() && !value.contains(['e', 'i']), "{line}");
            assert!(parsed.series.insert(series.to_owned(), number).is_none(), "{series} twice");
        }
    }
    parsed
}

/// The names of labels: `registry="a",le="1"}` gives `registry` and `le`.
fn keys(labels: &str) -> Vec<String> {
    let Some(labels) = labels.strip_suffix('}') else {
        assert_eq!(labels, "");
        return Vec::new();
    };
    let (mut keys, mut rest) = (Vec::new(), labels);
    loop {
        let (key, value) = rest.split_once("=\"").expect("a label");
        keys.push(key.to_owned());
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.expect("a closing quote") + 1..];
        let Some(further) = rest.strip_prefix(',') else {
            assert_eq!(rest, "");
            return keys;
        };
        rest = further;
    }
}
