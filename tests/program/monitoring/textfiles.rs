//! Files of metrics for the textfile collector: those of several runs on one machine go together.

use std::collections::BTreeSet;

use fake_registry::{FakeRegistry, Script};

use crate::daemon::scheduled_runs::configuration;
use crate::support::program::Workplace;
use crate::support::prometheus::complaints;

/// The files of a node as `node_exporter` puts them together: each family with its help once, and each series once.
fn gathered(files: &[String]) -> String {
    let mut families: Vec<(String, Vec<&str>)> = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files {
        let mut lines = file.lines().peekable();
        while let Some(help) = lines.next() {
            let header = format!("{help}\n{}\n", lines.next().expect("a type"));
            let at = families.iter().position(|(known, _)| *known == header).unwrap_or_else(|| {
                families.push((header, Vec::new()));
                families.len() - 1
            });
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, _) = line.rsplit_once(' ').expect("a value");
                assert!(seen.insert(series), "{series} stands in two files");
                families[at].1.push(line);
            }
        }
    }
    let texts = families.into_iter().flat_map(|(header, series)| [header, series.join("\n"), "\n".to_owned()]);
    texts.collect()
}

#[tokio::test]
async fn the_files_of_two_runs_on_one_machine_do_not_collide() {
    let registry = FakeRegistry::start(Script::distribution_like(["a", "b"])).await.unwrap();
    let mut files = Vec::new();
    for name in ["quay", "harbor"] {
        let place = Workplace::with(&configuration(&[(name, &registry.url(), "")]));
        let ended = place.run(&["run", "--textfile", "stocktake.prom"]).await;
        ended.exits(0);
        files.push(std::fs::read_to_string(place.path("stocktake.prom")).unwrap());
    }
    assert_eq!(complaints(&gathered(&files)), "");
}
