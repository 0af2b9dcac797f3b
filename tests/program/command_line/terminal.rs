//! On a terminal: progress and colours, the latter only if they are wanted.

use std::process::Stdio;

use fake_registry::{FakeRegistry, RepositoryNames, Script};
use tokio::process::Command;

use crate::support::program::{LOGIN, Workplace, one_registry};

/// What a terminal is shown of a run.
async fn on_a_terminal(place: &Workplace, environment: &[(&str, &str)]) -> String {
    // util-linux's `script`, essential on Debian, gives its command a terminal and copies what appears there.
    let size = environment.iter().find_map(|(name, value)| (*name == "COLUMNS").then_some(*value)).unwrap_or("80");
    let run = format!("stty rows 24 cols {size}; $STOCKTAKE run --config stocktake.yaml >out");
    let shown = shown_by(place, environment, &run).await;
    assert!(shown.0, "{}", shown.1);
    shown.1
}

/// Whether a shell command succeeds on a terminal, and what the terminal is shown.
async fn shown_by(place: &Workplace, environment: &[(&str, &str)], run: &str) -> (bool, String) {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", run, "/dev/null"]);
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm");
    script
        .env("STOCKTAKE", env!("CARGO_BIN_EXE_stocktake"))
        .env("SHELL", "/bin/sh")
        .envs(environment.iter().copied())
        .current_dir(place.path(""));
    let output = script.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn progress_and_colours_are_for_terminals_alone_and_no_color_is_heard() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(500, 1))).await.unwrap();
    let yaml = one_registry(&registry.url(), LOGIN).replace("registries:", "  console: {type: stdout}\nregistries:");
    let place = Workplace::with(&yaml);
    let colour = "\u{1b}[32m INFO";
    let shown = on_a_terminal(&place, &[]).await;
    assert!(shown.contains(colour) && shown.contains(" pages · "), "{shown:?}");
    let shown = on_a_terminal(&place, &[("NO_COLOR", "1")]).await;
    assert!(!shown.contains("\u{1b}[3") && !shown.contains("\u{1b}[1m"), "{shown:?}");
    let shown = on_a_terminal(&place, &[("NO_COLOR", "")]).await;
    assert!(shown.contains(colour), "an empty NO_COLOR is none (no-color.org): {shown:?}");
    // Data goes elsewhere, and has neither.
    let data = std::fs::read_to_string(place.path("out")).unwrap();
    assert!(data.lines().count() > 500 && !data.contains('\u{1b}'));
}

#[tokio::test]
async fn progress_keeps_to_one_line_of_a_narrow_terminal() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(500, 1))).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let shown = on_a_terminal(&place, &[("COLUMNS", "20"), ("NO_COLOR", "1")]).await;
    assert!(shown.contains(" quay ") && shown.contains(" pages"), "{shown:?}");
    assert!(!shown.contains(" repositories ·"), "{shown:?}");
}

#[tokio::test]
async fn a_dumb_terminal_gets_plain_text() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(500, 1))).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    let shown = on_a_terminal(&place, &[("TERM", "dumb")]).await;
    assert!(!shown.contains('\u{1b}') && !shown.replace("\r\n", "").contains('\r'), "{shown:?}");
    assert!(shown.contains("is complete: 500 repositories"), "{shown:?}");
}

#[tokio::test]
async fn check_and_the_summary_are_wrapped_and_indented_on_a_terminal_alone() {
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    place.secret("password", "wrong");
    let check = "stty rows 24 cols 60; $STOCKTAKE check --config stocktake.yaml";
    let (_, shown) = shown_by(&place, &[("NO_COLOR", "1")], check).await;
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    let at = lines.iter().position(|line| line.starts_with("    remedy    ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(lines[at + 1].starts_with("              ") && lines[at + 1].trim() != "", "the next line: {shown}");
    let paths = |line: &&&str| !line.contains("/tmp/") && !line.contains("http");
    assert!(lines.iter().filter(paths).all(|line| line.chars().count() <= 60), "{shown}");
    // Into a pipe, one fact is one line.
    let (_, shown) = shown_by(&place, &[], &format!("{check} | cat")).await;
    let remedy = shown.lines().find(|line| line.starts_with("    remedy    ")).unwrap_or_else(|| panic!("{shown}"));
    assert!(remedy.chars().count() > 60, "{shown}");

    let run = "stty rows 24 cols 60; $STOCKTAKE run --config stocktake.yaml";
    let (_, shown) = shown_by(&place, &[("NO_COLOR", "1")], run).await;
    let (_, summary) = shown.split_once("  what to do: ").unwrap_or_else(|| panic!("{shown}"));
    assert!(summary.lines().nth(1).unwrap().starts_with("              "), "{shown}");
}
