//! The command line: commands, usage errors, dry runs, and what goes to which output. Verdicts and their exit codes are
//! `verdicts`' to test.

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use serde_json::Value;

use crate::support::inventory;
use crate::support::program::{LOGIN, Workplace, one_registry};

const NOWHERE: &str = "sinks: {out: {type: stdout}}\nregistries: [{name: quay, url: 'http://127.0.0.1:1'}]\n";

#[tokio::test]
async fn version_is_data() {
    let ended = Workplace::new().run(&["version"]).await.exits(0);
    assert_eq!(ended.stdout, concat!("stocktake ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn a_good_configuration_is_counted_and_touches_nothing() {
    let place = Workplace::with(NOWHERE);
    let before = place.tree(".");
    let ended = place.run(&["validate"]).await.exits(0);
    assert_eq!(ended.stdout, "stocktake.yaml: 1 registry, 1 sink, no problem\n");
    assert_eq!(place.tree("."), before);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_by_every_command_with_all_its_problems() {
    let bad = "sinks: {w: {type: parqet, url: x}}\nregistries:\n  - name: a\n    page_size: 0\n  - name: a\n    url: ftp://a\n";
    let place = Workplace::with(bad);
    for command in ["validate", "run"] {
        let ended = place.run(&[command]).await.exits(78);
        assert_eq!(ended.stdout, "");
        let places: Vec<_> = ended.stderr.lines().filter_map(|line| line.strip_prefix("stocktake.yaml:")).collect();
        let begins = ["1:19: `type`:", "3:5: `url`", "4:16: `page_size`:", "5:11: `name`:", "6:10: `url`:"];
        assert_eq!(places.len(), begins.len(), "{}", ended.stderr);
        for (line, begin) in places.iter().zip(begins) {
            assert!(line.starts_with(begin), "{line} begins with {begin}");
        }
        ended.says("did you mean `parquet`?");
    }
}

#[tokio::test]
async fn a_missing_configuration_is_named() {
    let place = Workplace::new();
    for command in ["validate", "run"] {
        let ended = place.run(&[command, "--config", "nowhere.yaml"]).await.exits(78);
        assert_eq!(ended.stderr, "nowhere.yaml: there is no such file\n");
    }
    place.run(&["validate"]).await.exits(78).says("name another with --config FILE");
}

#[tokio::test]
async fn an_unknown_registry_is_a_usage_error_with_a_suggestion() {
    let place = Workplace::with(NOWHERE);
    let ended = place.run(&["run", "qay"]).await.exits(2);
    assert_eq!(ended.stderr, "no registry is named `qay`; there are: quay; did you mean `quay`?\n");
    assert_eq!(ended.stdout, "");
    let ended = place.run(&["run", "quay", "something-else"]).await.exits(2);
    assert_eq!(ended.stderr, "no registry is named `something-else`; there are: quay\n");
    assert!(!place.path("state").exists());
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_says_so() {
    let place = Workplace::with(NOWHERE);
    for (arguments, words) in [
        (&["rnu"][..], "unrecognized subcommand 'rnu'"),
        (&["run", "--dryrun"], "--dry-run"),
        (&["run", "--log-format", "xml"], "possible values: text, json"),
        (&["demo", "--repositories", "0"], "0 is not in 1..=1000000"),
    ] {
        let ended = place.run(arguments).await.exits(2).says(words);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    let ended = place.run(&["--help"]).await.exits(0);
    for word in ["run", "validate", "demo", "version", "Exit codes"] {
        assert!(ended.stdout.contains(word), "{word} in {}", ended.stdout);
    }
}

#[tokio::test]
async fn a_dry_run_walks_and_counts_and_writes_nothing_at_all() {
    let names = RepositoryNames::generated(250, 1);
    let registry = FakeRegistry::start(Script::quay_like(names)).await.unwrap();
    let out = "  out: {type: stdout}\nregistries:";
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN).replace("registries:", out));
    let before = place.tree(".");
    let ended = place.run(&["run", "--dry-run"]).await.exits(0).says("dry run");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.lines().any(|line| row(line) == ["quay", "complete", "250", "3"]), "{}", ended.stderr);
    assert_eq!(place.tree("."), before, "no state, no sink, no temporary file");

    // It compares with the last inventory as a run does, and leaves that as it is.
    place.run(&["run"]).await.exits(0);
    let fewer = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(100, 1))).await.unwrap();
    place.configure(&one_registry(&fewer.url(), LOGIN));
    let before = place.tree(".");
    place.run(&["run", "--dry-run"]).await.exits(1).says("repositories: 250 last time, 100 now");
    assert_eq!(place.tree("."), before);
}

/// The registry, its verdict, repositories and pages of a line of the summary.
fn row(line: &str) -> Vec<&str> {
    line.split_whitespace().take(4).collect()
}

#[tokio::test]
async fn only_the_registries_named_are_walked() {
    let registry = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let other = "  - {name: other, url: 'http://127.0.0.1:1'}\n";
    let place = Workplace::with(&(one_registry(&registry.url(), "") + other));
    place.run(&["run", "quay"]).await.exits(0);
    assert_eq!(inventory::repositories(&place.path("inventory"), "quay"), ["a"]);
    assert!(!place.path("state/other").exists());
}

#[tokio::test]
async fn standard_output_carries_data_alone() {
    let names = RepositoryNames::generated(120, 2);
    let registry = FakeRegistry::start(Script::quay_like(names.clone())).await.unwrap();
    for (format, log_format) in [("jsonl", "text"), ("csv", "json"), ("table", "text")] {
        let yaml = one_registry(&registry.url(), LOGIN);
        let yaml = yaml.replace("type: parquet, url: ./inventory", &format!("type: stdout, format: {format}"));
        let ended = Workplace::with(&yaml).run(&["run", "--log-format", log_format]).await.exits(0);
        let mut lines = ended.stdout.lines();
        let listed: Vec<String> = match format {
            "jsonl" => {
                let rows: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
                let (run, rows) = rows.split_last().unwrap();
                assert_eq!((&run["table"], &run["registry"]), (&"runs".into(), &"quay".into()));
                let of_quay = |row: &Value| row["table"] == "repositories" && row["registry"] == "quay";
                assert!(rows.iter().all(of_quay));
                assert_eq!((&run["verdict"], &run["rows_repositories"]), (&"complete".into(), &120.into()));
                rows.iter().map(|row| row["repository"].as_str().unwrap().to_owned()).collect()
            }
            "csv" => {
                assert!(lines.next().unwrap().starts_with("run_id,observed_at,repository,"));
                lines.map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
            }
            _ => {
                assert!(lines.next().unwrap().ends_with(" complete: 120 repositories"));
                assert!(lines.next().unwrap().starts_with("REPOSITORY"));
                lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
            }
        };
        assert!(listed.iter().map(String::as_str).eq(names.iter()), "{format}");
    }
}

const HEADER: [&str; 9] =
    ["registry", "verdict", "repositories", "changes", "pages", "requests", "tokens", "seconds", "sinks"];

#[tokio::test]
async fn log_lines_are_json_where_asked_for() {
    let registry = FakeRegistry::start(Script::quay_like(["a", "b"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let trace = [("RUST_LOG", "trace")];
    let ended = place.run_with(&trace, &["run", "--log-format", "json"]).await.exits(0);
    // All of it: the summary for people is left out.
    let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let begins = events.iter().find(|event| event["registry"] == "quay").expect("a line about the registry");
    assert!(begins["message"].as_str().unwrap().ends_with(" begins"), "{begins}");
    assert!(events.iter().all(|event| event["level"].is_string() && event["timestamp"].is_string()));
    let done = events.iter().find(|event| event["verdict"] == "complete").expect("a line about the verdict");
    assert_eq!(done["repositories"], 2, "{done}");

    let quiet = [("RUST_LOG", "off")];
    let ended = place.run_with(&quiet, &["run"]).await.exits(0);
    let header = ended.stderr.lines().next().unwrap();
    assert!(header.split_whitespace().eq(HEADER), "{}", ended.stderr);
}

#[tokio::test]
async fn a_filter_that_is_none_is_told_and_an_empty_one_is_no_filter() {
    let registry = FakeRegistry::start(Script::open(["a"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), ""));
    let bad = place.run_with(&[("RUST_LOG", "stocktake=loud")], &["run"]).await.exits(0);
    bad.says("RUST_LOG is ignored: ").says(" begins");
    let empty = place.run_with(&[("RUST_LOG", "")], &["run"]).await.exits(0).says(" begins");
    assert!(!empty.stderr.contains("RUST_LOG"), "{}", empty.stderr);
}
