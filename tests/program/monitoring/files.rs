//! What lies in config/monitoring and docs/runbooks.md fits together: every alert is tested and has its runbook, and
//! every panel of the dashboard is one that Grafana can show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::house::layers::root;
use crate::support::prometheus::promtool;

pub(crate) const RULES: &str = "config/monitoring/alerts.yml";
pub(crate) const DASHBOARD: &str = "config/monitoring/dashboard.json";
pub(crate) const RUNBOOKS: &str = "docs/runbooks.md";

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The alerts by name.
pub(crate) fn alerts() -> BTreeMap<String, Value> {
    let rules = yaml(RULES);
    let rules = list(&rules, "groups").iter().flat_map(|group| list(group, "rules"));
    let alerts: Vec<_> = rules.map(|rule| (text(rule, "alert").to_owned(), rule.clone())).collect();
    let count = alerts.len();
    let alerts: BTreeMap<_, _> = alerts.into_iter().collect();
    assert_eq!(alerts.len(), count, "each name is that of one alert");
    alerts
}

/// The sections of the runbooks by their headings.
fn runbooks() -> BTreeMap<String, String> {
    let page = read(RUNBOOKS);
    let sections = page.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    sections.map(|(heading, body)| (heading.to_owned(), body.to_owned())).collect()
}

#[test]
fn promtool_finds_no_fault_with_the_configuration_and_its_rules() {
    // It checks the rule files that the configuration names.
    let output = promtool(&["check", "config", "config/monitoring/prometheus.yml"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{} rules found", alerts().len())), "it has read all rules: {said}");
}

#[test]
fn every_alert_says_how_bad_it_is_what_happened_and_what_to_do() {
    for (name, alert) in alerts() {
        assert!(name.starts_with("Stocktake"), "{name} says whose it is");
        let severity = text(&alert["labels"], "severity");
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let annotations = &alert["annotations"];
        let (summary, description) = (text(annotations, "summary"), text(annotations, "description"));
        assert!(!summary.contains("{{"), "{name}: a summary is the same for all that are grouped");
        assert!(description.contains("{{") && description.len() > summary.len(), "{name}: {description}");
        assert_eq!(text(annotations, "runbook_url"), format!("{RUNBOOKS}#{}", name.to_lowercase()));
    }
}

#[test]
fn every_alert_has_a_runbook_with_a_command_and_every_runbook_an_alert() {
    let (alerts, runbooks) = (alerts(), runbooks());
    assert_eq!(alerts.keys().collect::<Vec<_>>(), runbooks.keys().collect::<Vec<_>>());
    for (name, body) in &runbooks {
        let command = body.split_once("\n```sh\n").and_then(|(_, rest)| rest.split_once("\n```"));
        let first = command.unwrap_or_else(|| panic!("{name} has no command")).0;
        let programs = ["stocktake", "journalctl", "curl", "systemctl", "timedatectl"];
        assert!(programs.contains(&first.split(' ').next().unwrap()), "{name}: {first}");
        let is_critical = alerts[name]["labels"]["severity"] == "critical";
        assert_eq!(body.contains("**Critical**"), is_critical, "{name} says how bad it is");
        for link in body.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let section = link.strip_prefix('#').unwrap_or_else(|| panic!("{name} links elsewhere: {link}"));
            assert!(runbooks.keys().any(|name| name.to_lowercase() == section), "{name} links to no section: {link}");
        }
    }
}

/// Whether an alert's tests see it fire, and in the same group silent before and after.
#[derive(Debug, Default, PartialEq, Eq)]
struct AlertTested {
    firing: bool,
    silent_before: bool,
    resolved: bool,
}

#[test]
fn every_alert_is_seen_silent_then_firing_then_resolved() {
    let tests = yaml("config/monitoring/alerts_test.yml");
    let mut seen: BTreeMap<String, AlertTested> =
        alerts().into_keys().map(|name| (name, AlertTested::default())).collect();
    for group in list(&tests, "tests") {
        let mut looks: BTreeMap<&str, BTreeMap<u64, bool>> = BTreeMap::new();
        for look in list(group, "alert_rule_test") {
            let minute = text(look, "eval_time").trim_end_matches('m').parse().expect("a time in minutes");
            let fires = !list(look, "exp_alerts").is_empty();
            looks.entry(text(look, "alertname")).or_default().insert(minute, fires);
        }
        for (name, looks) in looks {
            let seen = seen.get_mut(name).unwrap_or_else(|| panic!("{name} is tested and does not exist"));
            let firing = looks.iter().filter(|(_, fires)| **fires).map(|(minute, _)| minute);
            let (Some(first), Some(last)) = (firing.clone().min(), firing.max()) else { continue };
            seen.firing = true;
            // Half an hour beforehand would say nothing of `for`.
            seen.silent_before |= looks.range(first.saturating_sub(5)..*first).next().is_some();
            seen.resolved |= looks.range(last + 1..).next().is_some();
        }
    }
    for (name, seen) in seen {
        assert_eq!(seen, AlertTested { firing: true, silent_before: true, resolved: true }, "{name}");
    }
}

/// The panels of the dashboard, rows left out.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row")
}

#[test]
fn every_panel_has_a_title_a_unit_and_a_description_and_its_own_place() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has an id of its own");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title} is within the 24 columns");
        for cell in (place("y")..place("y") + place("h")).flat_map(|y| (0..place("w")).map(move |x| (x, y))) {
            assert!(taken.insert((cell.0 + place("x"), cell.1)), "{title} lies over another panel");
        }
    }
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(text(panel, "description").ends_with('.'), "{title} has a description");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title} has a unit");
        assert!(!list(panel, "targets").is_empty(), "{title} shows something");
        let references: BTreeSet<_> = list(panel, "targets").iter().map(|target| text(target, "refId")).collect();
        assert_eq!(references.len(), list(panel, "targets").len(), "{title}: each query has a name of its own");
    }
    assert!(panels(&dashboard).count() > 30, "the test sees panels");
    let health = list(&dashboard, "panels").iter().position(|panel| panel["title"] == "Health");
    assert_eq!(health, Some(0), "health comes first");
}

#[test]
fn the_dashboard_reads_the_data_source_and_the_registries_that_are_chosen() {
    let text = read(DASHBOARD);
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it");
    for uid in text.split("\"uid\": \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(["${datasource}", "-- Grafana --", "stocktake"].contains(&uid), "{uid} is another installation's");
    }
    let variables = list(&dashboard["templating"], "list").iter();
    let variables: BTreeMap<_, _> = variables.map(|variable| (variable["name"].as_str().unwrap(), variable)).collect();
    assert_eq!(variables.keys().copied().collect::<Vec<_>>(), ["datasource", "instance", "registry"]);
    assert_eq!(variables["datasource"]["type"], "datasource");
    assert_eq!(variables["registry"]["multi"], true);
}

/// All that the dashboard asks of Prometheus, with a value for each variable.
pub(crate) fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let of_panels = panels(&dashboard).flat_map(|panel| list(panel, "targets")).map(|target| text(target, "expr"));
    let notes = list(&dashboard["annotations"], "list").iter().filter_map(|note| note["expr"].as_str());
    let filled = |query: &str| {
        let query = query.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$registry", ".*");
        assert!(!query.contains('$'), "a variable that there is not: {query}");
        query
    };
    of_panels.chain(notes).map(filled).collect()
}

#[test]
fn prometheus_can_read_every_query_of_the_dashboard() {
    let rules: Vec<_> = queries().iter().map(|query| serde_json::json!({"record": "x", "expr": query})).collect();
    assert!(rules.len() > 40, "the test sees queries");
    // Each is a group of its own, so that the same query may stand in two panels.
    let groups =
        rules.iter().enumerate().map(|(at, rule)| serde_json::json!({"name": at.to_string(), "rules": [rule]}));
    let groups = serde_json::json!({"groups": groups.collect::<Vec<_>>()});
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queries.yml");
    fs::write(&file, groups.to_string()).unwrap();
    let output = promtool(&["check", "rules", "--lint=none", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{} rules found", rules.len())), "{said}");
}
