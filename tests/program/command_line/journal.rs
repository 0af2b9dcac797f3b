//! What the journal gets: priorities, so that `journalctl -p err` shows errors and nothing else.

use std::fs;

use fake_registry::{FakeRegistry, Script};

use crate::support::program::{LOGIN, Workplace, one_registry};

/// Runs the program with a file as its standard error. `JOURNAL_STREAM` names that file as systemd names its socket, or
/// another one.
async fn logged(place: &Workplace, is_journal: bool, arguments: &[&str]) -> String {
    let named = if is_journal { "/proc/self/fd/2" } else { "stocktake.yaml" };
    let shell = format!("exec 2>log; JOURNAL_STREAM=$(stat -Lc %d:%i {named}); export JOURNAL_STREAM; exec \"$@\"");
    place.start_within(&["sh", "-c", &shell, "sh"], &[], arguments).end().await;
    fs::read_to_string(place.path("log")).unwrap()
}

/// The lines of this priority, without it.
fn of_priority(log: &str, priority: u8) -> Vec<&str> {
    log.lines().filter_map(|line| line.strip_prefix(&format!("<{priority}>"))).collect()
}

#[tokio::test]
async fn every_line_for_the_journal_has_its_priority() {
    let registry = FakeRegistry::start(Script::quay_like(["a", "b"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    place.secret("password", "wrong");
    for format in ["text", "json"] {
        let log = logged(&place, true, &["--log-format", format, "run"]).await;
        assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
        let errors = of_priority(&log, 3);
        assert_eq!(errors.len(), 1, "{log}");
        assert!(errors[0].contains("access was refused"), "{log}");
        assert!(of_priority(&log, 6).iter().any(|line| line.contains(" begins")), "{log}");
    }
    place.secret("password", fake_registry::PASSWORD);
    let log = logged(&place, true, &["run"]).await;
    assert_eq!(of_priority(&log, 3), [""; 0], "{log}");
}

#[tokio::test]
async fn why_the_program_does_not_start_is_an_error_in_every_line() {
    let place = Workplace::with("registries: []\ncolour: red\n");
    for command in ["daemon", "run", "validate"] {
        let log = logged(&place, true, &[command]).await;
        let errors = of_priority(&log, 3);
        assert!(errors.len() > 2 && errors.len() == log.lines().count(), "{command}: {log}");
    }
}

#[tokio::test]
async fn anything_but_the_journal_gets_plain_lines() {
    let place = Workplace::with("colour: red\n");
    let log = logged(&place, false, &["run"]).await;
    assert!(log.contains("colour") && !log.contains('<'), "another file than the one that JOURNAL_STREAM names: {log}");
    let ended = place.run_with(&[("JOURNAL_STREAM", "8:1234")], &["run"]).await.exits(78);
    assert!(!ended.stderr.contains('<'), "{}", ended.stderr);
}
