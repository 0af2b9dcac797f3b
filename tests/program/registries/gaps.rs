//! Gaps lead somewhere: the log, the summary and the page name the first repositories and why, and the command that is
//! shown shows all of them.

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};
use tokio::process::Command;

use crate::daemon::scheduled_runs::NEVER;
use crate::support::daemon::Daemon;
use crate::support::inventory::last_run;
use crate::support::program::{Workplace, one_registry};
use crate::support::python;

/// A registry of so many repositories, the first of which refuse to list their tags, and one of which is broken.
async fn registry(all: usize, denied: usize) -> FakeRegistry {
    let names: Vec<String> = RepositoryNames::generated(all, 1).iter().map(str::to_owned).collect();
    let (refusing, broken) = (names[..denied].to_vec(), names[denied].clone());
    let script = Script { contents: FakeContents::uniform(2), ..Script::open(names.as_slice()) };
    let script = script.with_faults(move |seen, _| {
        let is = |name: &str| seen.endpoint == FakeEndpoint::Tags && seen.path().contains(&format!("/{name}/"));
        let said = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        if refusing.iter().any(|name| is(name)) {
            return Some(Misbehaviour::status(403).body(said));
        }
        is(&broken).then(|| Misbehaviour::status(200).body("<html>"))
    });
    FakeRegistry::start(script).await.unwrap()
}

/// What a shell command prints that the program has shown.
async fn printed(command: &str) -> String {
    // The tests have DuckDB for Python, not its command line.
    let command = match command.strip_prefix("duckdb -c ") {
        None => command.to_owned(),
        Some(query) => {
            let run = "import duckdb, sys; [print(*row) for row in duckdb.sql(sys.argv[1]).fetchall()]";
            format!("{} -c '{run}' {query}", python().display())
        }
    };
    let output = Command::new("sh").args(["-c", &command]).output().await.unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_summary_names_ten_and_its_command_shows_all() {
    let registry = registry(311, 46).await;
    for (sink, command) in [("parquet", "duckdb -c "), ("json", "zstdcat ")] {
        let yaml =
            one_registry(&registry.url(), "    depth: tags\n").replace("type: parquet", &format!("type: {sink}"));
        let place = Workplace::with(&yaml);
        let ended = place.run(&["run"]).await.exits(3).says("47 of 311 repositories could not be read [gaps]");
        let (_, summary) = ended.stderr.split_once("47 of 311 repositories could not be read [gaps]").unwrap();
        let (first, rest) =
            summary.split_once("  - and 37 more; all of them:\n    ").unwrap_or_else(|| panic!("{summary}"));
        assert_eq!(first.matches(" [denied]\n").count(), 10, "{first}");
        assert!(first.contains("requested access to the resource is denied"), "{first}");
        let shown = rest.lines().next().unwrap();
        assert!(shown.starts_with(command), "{shown}");
        let all = printed(shown).await;
        assert_eq!(all.lines().count(), 47, "{all}");
        assert_eq!(all.lines().filter(|line| line.contains("denied")).count(), 46, "{all}");
        // What to do, by cause, with how many it helps.
        let remedies: Vec<_> = rest.lines().filter(|line| line.starts_with("  what to do: ")).collect();
        assert!(
            remedies[0].starts_with("  what to do: 46 denied (") && remedies[0].contains("wants a login"),
            "{rest}"
        );
        assert!(remedies[1].starts_with("  what to do: 1 protocol ("), "{rest}");
        assert_eq!(last_run_errors(&place, sink), 47);
    }
}

fn last_run_errors(place: &Workplace, sink: &str) -> usize {
    if sink != "parquet" {
        return 47;
    }
    let codes = last_run(&place.path("inventory"), "quay").error_codes;
    codes.iter().filter(|code| *code == "denied" || *code == "protocol").count()
}

#[tokio::test]
async fn the_log_has_one_warning_with_the_first_ten_and_what_to_do() {
    let registry = registry(60, 30).await;
    let place = Workplace::with(&one_registry(&registry.url(), "    depth: tags\n"));
    let ended = place.run(&["--log-format", "json", "run"]).await.exits(3);
    let events = ended.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let events: Vec<_> = events.filter(|event| event["verdict"] == "gaps").collect();
    let [event] = &events[..] else { panic!("one event: {}", ended.stderr) };
    assert_eq!(event["level"], "WARN", "as its alert");
    let message = event["message"].as_str().unwrap();
    assert!(message.starts_with("quay: published with gaps: 31 of 60 repositories could not be read: "), "{message}");
    assert_eq!(message.matches(" [denied]").count(), 10, "{message}");
    for part in ["; and 21 more; what to do: 30 denied (", "1 protocol (", "; all of them: duckdb -c \""] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[tokio::test]
async fn the_page_names_them_after_a_restart_as_well() {
    let registry = registry(60, 30).await;
    let yaml = one_registry(&registry.url(), &format!("    depth: tags\n{NEVER}"));
    let place = Workplace::with(&format!("listen: 127.0.0.1:0\n{yaml}"));
    place.run(&["run"]).await.exits(3);
    let daemon = Daemon::start(&place).await;
    let (_, page) = daemon.get("/").await;
    assert_eq!(page.matches(" [denied]</li>").count(), 10, "{page}");
    assert!(page.contains("and 21 more; the command below shows all of them"), "{page}");
    assert!(page.contains("30 denied (") && page.contains("duckdb -c &quot;FROM"), "{page}");
    let (_, metrics) = daemon.get("/metrics").await;
    assert!(!metrics.contains("repository="), "names are no labels");
    daemon.stop().await.exits(0);
}
