//! What the daemon says of itself in the log: at its start and after a reload, in texts that are functions of the
//! configuration.

use std::collections::BTreeSet;
use std::fmt::Debug;

use stocktake_sink::RegistryName;
use tracing::{info, warn};

use super::loaded::LoadedConfig;
use super::run_queue::{RunQueue, described};
use crate::status::Status;
use crate::words::{counted, first_of};

/// So many names are shown of each list.
const NAMED: usize = 10;

/// Logs which program starts with which configuration.
pub(super) fn starts(loaded: &LoadedConfig) {
    info!(version = env!("CARGO_PKG_VERSION"), file = %loaded.file.display(), "{}", start(loaded));
}

/// Logs which run is next, and which registries nothing starts.
pub(super) fn next(loaded: &LoadedConfig, queue: &RunQueue, status: &Status) {
    match next_run(loaded, queue, status) {
        Some(next) => info!("{next}"),
        None if loaded.schedules.is_empty() => warn!(
            "no registry has a schedule: the daemon starts no run by itself; add `schedule`, or ask for a run \
             (SIGUSR1, or `POST /api/v1/registries/NAME/run` with `web: {{allow_runs: true}}`)"
        ),
        None => {
            warn!("no scheduled run is to come: the schedules have no further run, or the credentials were refused");
        }
    }
    if let Some(remark) = status.remark().filter(|_| !loaded.schedules.is_empty()) {
        warn!("{remark}");
    }
}

/// Logs what a reload has changed.
pub(super) fn reloaded(before: &LoadedConfig, after: &LoadedConfig) {
    let count = counted(after.names.len(), "registry", "registries");
    let changes = changes(before, after);
    let changes = if changes.is_empty() { "nothing that matters here changed".to_owned() } else { changes.join("; ") };
    info!(file = %after.file.display(), "the configuration is reloaded: {count}; {changes}");
}

fn start(loaded: &LoadedConfig) -> String {
    let sinks = sinks(loaded);
    format!(
        "stocktake {} starts with {}: {} ({}), {} ({}), state in {}",
        env!("CARGO_PKG_VERSION"),
        loaded.file.display(),
        counted(loaded.names.len(), "registry", "registries"),
        first_of(&loaded.names, NAMED),
        counted(sinks.len(), "sink", "sinks"),
        first_of(&sinks, NAMED),
        loaded.state.display()
    )
}

/// `next run: quay at 2026-11-28 02:00:00 +00:00 (Europe/Dublin)`
fn next_run(loaded: &LoadedConfig, queue: &RunQueue, status: &Status) -> Option<String> {
    // Those that are suspended send nothing.
    let awaited = status.registries.iter().filter(|registry| !registry.is_suspended()).map(|registry| &registry.name);
    let starts = awaited.filter_map(|name| Some((queue.next_start(name)?, name)));
    let (at, name) = starts.min_by_key(|(at, _)| *at)?;
    let schedule = loaded.schedules.get(name)?;
    let local = schedule.local(at).format("%Y-%m-%d %H:%M:%S %:z");
    let minutes = (at - status.now).num_minutes().max(0);
    let wait = match minutes {
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h {} min", minutes / 60, minutes % 60),
        _ => format!("{} days", minutes / 1440),
    };
    Some(format!("next run: {name} at {local} ({}), in {wait}", schedule.time_zone()))
}

/// What is different, for people.
fn changes(before: &LoadedConfig, after: &LoadedConfig) -> Vec<String> {
    let [old, new] = [before, after].map(|loaded| loaded.names.iter().collect::<BTreeSet<_>>());
    let mut changes = Vec::new();
    for (what, names) in [("added", &new - &old), ("removed", &old - &new)] {
        if !names.is_empty() {
            changes.push(format!("{what}: {}", first_of(&names, NAMED)));
        }
    }
    let others = new.intersection(&old).filter_map(|name| {
        let what = changes_of(name, before, after);
        (!what.is_empty()).then(|| format!("{name} ({})", what.join(", ")))
    });
    let others: Vec<_> = others.collect();
    if !others.is_empty() {
        changes.push(format!("changed: {}", first_of(&others, NAMED)));
    }
    if before.state != after.state {
        changes.push(format!("state: now in {}", after.state.display()));
    }
    if before.concurrency != after.concurrency {
        changes.push(format!("concurrency: {}, before {}", after.concurrency, before.concurrency));
    }
    if !is_same(&before.web, &after.web) {
        changes.push("settings of the listener".to_owned());
    }
    changes
}

/// What is different in a registry that both have.
fn changes_of(name: &RegistryName, before: &LoadedConfig, after: &LoadedConfig) -> Vec<&'static str> {
    let (Some(old), Some(new)) = (before.plans.get(name), after.plans.get(name)) else { return Vec::new() };
    let schedule = |loaded: &LoadedConfig| loaded.schedules.get(name).map(described);
    let is_other = [
        (schedule(before) != schedule(after), "schedule"),
        (!is_same(&old.sinks, &new.sinks), "sinks"),
        (!is_same(&old.registry, &new.registry), "connection or login"),
        (!is_same(&old.discovery, &new.discovery), "discovery"),
        (!is_same(&(&old.walk, old.judge), &(&new.walk, new.judge)), "what is read"),
    ];
    is_other.into_iter().filter_map(|(is_other, what)| is_other.then_some(what)).collect()
}

/// Whether two settings are the same, as far as they are shown: secrets are not, and the sources of secrets are.
fn is_same(one: &impl Debug, other: &impl Debug) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn sinks(loaded: &LoadedConfig) -> BTreeSet<String> {
    loaded.plans.values().flat_map(|plan| plan.sink_names()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(directory: &tempfile::TempDir, yaml: &str) -> LoadedConfig {
        let path = directory.path().join("stocktake.yaml");
        std::fs::write(&path, format!("sinks:\n  lake: {{type: parquet, url: ./lake}}\n{yaml}")).unwrap();
        LoadedConfig::load(Some(&path)).unwrap()
    }

    #[test]
    fn the_start_names_version_file_registries_sinks_and_state() {
        let directory = tempfile::tempdir().unwrap();
        let said = start(&loaded(&directory, "registries: [{name: quay, url: 'https://quay.example'}]"));
        assert!(said.starts_with(concat!("stocktake ", env!("CARGO_PKG_VERSION"), " starts with /")), "{said}");
        assert!(said.contains("stocktake.yaml: 1 registry (quay), 1 sink (lake), state in /"), "{said}");
        let many: Vec<_> = (0..12).map(|n| format!("{{name: r{n}, url: 'https://r.example/'}}")).collect();
        let said = start(&loaded(&directory, &format!("registries: [{}]", many.join(", "))));
        assert!(said.contains("12 registries (r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 and 2 more)"), "{said}");
    }

    #[test]
    fn a_reload_says_what_is_different_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let before = "registries:\n  - {name: a, url: 'https://a.example'}\n  - {name: b, url: 'https://b.example'}";
        for (after, expected) in [
            (before.to_owned(), &[][..]),
            (before.replace("name: b", "name: c"), &["added: c", "removed: b"]),
            (before.replace("b.example'", "b.example', schedule: '0 2 * * *'"), &["changed: b (schedule)"]),
            (
                before.replace("a.example'", "a.example', depth: tags").replace("//b.", "//bb."),
                &["changed: a (what is read), b (connection or login)"],
            ),
            (format!("concurrency: 7\n{before}"), &["concurrency: 7, before 4"]),
            (format!("web: {{allowed_hosts: [stocktake.example]}}\n{before}"), &["settings of the listener"]),
            (before.replace("b.example'", "b.example', shrink_limit: 0.5"), &["changed: b (what is read)"]),
        ] {
            let (old, new) = (loaded(&directory, before), loaded(&directory, &after));
            assert_eq!(changes(&old, &new), expected, "{after}");
        }
    }
}
