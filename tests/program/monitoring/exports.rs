//! Every metric and label that the alerts, the dashboard and the runbooks name is one that we export.

use std::collections::{BTreeMap, BTreeSet};

use stocktake::metrics::{MetricKind, families};

use super::files::{RUNBOOKS, alerts, queries, read};
use crate::house::layers::{root, rust_files};

/// What Prometheus itself adds: to each target, to each sample, and for each alert.
const OF_PROMETHEUS: &[(&str, &[&str])] =
    &[("up", &[]), ("ALERTS", &["alertname", "alertstate", "severity", "registry", "sink", "reason"])];
const OF_TARGETS: [&str; 2] = ["job", "instance"];

/// The words of an expression that stand before `{` or alone, with the labels that follow within braces; and the labels
/// of `by`, `on`, `without` and `ignoring`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    selectors: Vec<(String, Vec<String>)>,
    grouped: Vec<String>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The labels of `{a="x", b=~"y"}` or `(a, b)`, and what comes after; nothing within quotes ends it.
fn labels(list: &str) -> (Vec<String>, &str) {
    let (mut quoted, mut outside) = (false, String::new());
    for (at, c) in list.char_indices().skip(1) {
        match c {
            '"' => quoted = !quoted,
            '}' | ')' if !quoted => {
                let names = outside.split(',').filter_map(|part| part.trim().split(|c| !is_word(c)).next());
                let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
                return (names.collect(), &list[at + 1..]);
            }
            c if !quoted => outside.push(c),
            _ => {}
        }
    }
    panic!("no end: {list}")
}

fn named(expression: &str) -> Named {
    let without_comments = expression.lines().map(|line| line.split('#').next().unwrap_or_default());
    let text = without_comments.collect::<Vec<_>>().join("\n");
    let (mut rest, mut found) = (text.as_str(), Named::default());
    while let Some(start) = rest.find(|c: char| is_word(c) || c == '"' || c == '[') {
        rest = &rest[start..];
        if let Some(quoted) = rest.strip_prefix('"') {
            rest = quoted.split_once('"').expect("an end of the quotes").1;
            continue;
        }
        if rest.starts_with('[') {
            rest = rest.split_once(']').expect("an end of the window").1;
            continue;
        }
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        rest = rest[word.len()..].trim_start();
        if ["by", "on", "without", "ignoring"].contains(&word) {
            let (names, after) = labels(rest);
            found.grouped.extend(names);
            rest = after;
        } else if word.starts_with("stocktake_") || OF_PROMETHEUS.iter().any(|(name, _)| *name == word) {
            let (names, after) = if rest.starts_with('{') { labels(rest) } else { (Vec::new(), rest) };
            found.selectors.push((word.to_owned(), names));
            rest = after;
        }
    }
    found
}

#[test]
fn the_reader_of_this_test_sees_metrics_and_labels() {
    let expression = r#"sum by (registry, le) (rate(stocktake_a_bucket{code=~"5}.", registry="stocktake_c"}[5m])) # stocktake_x
        unless on (job) stocktake_b > 0"#;
    let selectors = vec![
        ("stocktake_a_bucket".to_owned(), vec!["code".to_owned(), "registry".to_owned()]),
        ("stocktake_b".to_owned(), vec![]),
    ];
    let grouped = ["registry", "le", "job"].map(str::to_owned).to_vec();
    assert_eq!(named(expression), Named { selectors, grouped });
}

/// The labels of every series by its name, those of Prometheus and of histograms' parts included.
fn exported() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut series = BTreeMap::new();
    for family in families() {
        let labels = || family.labels.iter().copied().chain(OF_TARGETS);
        match family.kind {
            MetricKind::Counter | MetricKind::Gauge => {
                series.insert(family.name.to_owned(), labels().collect());
            }
            MetricKind::Histogram => {
                series.insert(format!("{}_bucket", family.name), labels().chain(["le"]).collect());
                series.insert(format!("{}_count", family.name), labels().collect());
                series.insert(format!("{}_sum", family.name), labels().collect());
            }
        }
    }
    for (name, labels) in OF_PROMETHEUS {
        series.insert((*name).to_owned(), labels.iter().copied().chain(OF_TARGETS).collect());
    }
    series
}

#[test]
fn alerts_and_dashboard_name_what_is_exported() {
    let series = exported();
    let rules: Vec<_> = alerts().into_values().map(|alert| alert["expr"].as_str().unwrap().to_owned()).collect();
    let mut seen = BTreeSet::new();
    for expression in rules.into_iter().chain(queries()) {
        let Named { selectors, grouped } = named(&expression);
        assert!(!selectors.is_empty(), "{expression} reads something");
        for (metric, labels) in &selectors {
            let known = series.get(metric).unwrap_or_else(|| panic!("{metric} is not exported: {expression}"));
            for label in labels {
                assert!(known.contains(label.as_str()), "{metric} has no label {label}: {expression}");
            }
            seen.insert(metric.clone());
        }
        // What is grouped by is a label of one of them at least.
        for label in &grouped {
            let known = selectors.iter().any(|(metric, _)| series[metric].contains(label.as_str()));
            assert!(known, "{label} is no label of what is read: {expression}");
        }
    }
    assert!(seen.len() > 40, "the test sees metrics: {seen:?}");
}

#[test]
fn metrics_are_named_in_one_place() {
    let sources = rust_files(&root().join("src"));
    let elsewhere: Vec<_> = sources.iter().filter(|path| !path.starts_with(root().join("src/metrics"))).collect();
    assert!(elsewhere.len() > 100 && elsewhere.len() < sources.len(), "the test sees sources");
    for path in elsewhere {
        let text = std::fs::read_to_string(path).unwrap();
        for family in families() {
            assert!(!text.contains(family.name), "{} names {}", path.display(), family.name);
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alert() {
    let rules = alerts().into_values().map(|alert| alert["expr"].as_str().unwrap().to_owned());
    let selectors = rules.chain(queries()).flat_map(|expression| named(&expression).selectors);
    let seen: BTreeSet<_> = selectors.map(|(metric, _)| metric).collect();
    for family in families() {
        let bucket = format!("{}_bucket", family.name);
        assert!(seen.contains(family.name) || seen.contains(&bucket), "no rule and no panel uses {}", family.name);
    }
}

#[test]
fn runbooks_name_metrics_that_are_exported() {
    let (series, page) = (exported(), read(RUNBOOKS));
    let code: Vec<_> = page.split('`').skip(1).step_by(2).filter(|code| code.starts_with("stocktake_")).collect();
    assert!(code.len() > 3, "the test sees metrics: {code:?}");
    for (metric, labels) in code.iter().flat_map(|code| named(code).selectors) {
        let known = series.get(&metric).unwrap_or_else(|| panic!("{metric} is not exported"));
        assert!(labels.iter().all(|label| known.contains(label.as_str())), "{metric} has {known:?}, not {labels:?}");
    }
}
