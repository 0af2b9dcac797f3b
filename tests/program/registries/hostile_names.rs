//! A registry that lists names made to escape from a directory, to steer a terminal, or to deceive its reader.

use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, Script};

use crate::support::inventory::{last_run, repositories};
use crate::support::program::{Workplace, one_registry};

/// None of them is a repository name; each as JSON writes it.
const HOSTILE: &[&str] = &[
    r"../../../outside",
    r"a/../../b",
    r"/etc/passwd",
    r"a\u0000b",
    r"\u001b[2J\u001b[31mred",
    r"\u001b]0;title\u0007",
    r"\u009b31m",
    r"\u202egnp.exe",
    r"zero\u200bwidth",
    r"line\nbreak\r\nquay complete 9999",
    r"<script>alert(1)</script>",
    r"=cmd|' /C calc'!A0",
    r"a\ttab",
    "",
    r".",
    r"..",
];

#[tokio::test]
async fn hostile_names_are_left_out_and_shown_escaped() {
    let long = "a".repeat(300);
    let hostile = HOSTILE.iter().copied().chain([long.as_str()]).map(|name| format!("\"{name}\""));
    let names: Vec<_> = ["\"good/one\"".to_owned()].into_iter().chain(hostile).collect();
    for chunk in names[1..].chunks(6) {
        let body = format!("{{\"repositories\":[\"good/one\",{}]}}", chunk.join(","));
        let script = Script::open(["a"]).with_faults(move |seen, _| {
            (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(200).body(body.clone()))
        });
        let registry = FakeRegistry::start(script).await.unwrap();
        let console = "  feed: {type: json, url: ./feed}\n  console: {type: stdout, format: jsonl}\nregistries:";
        let yaml = one_registry(&registry.url(), "").replace("registries:", console);

        for format in ["text", "json"] {
            let place = Workplace::with(&yaml);
            let trace = [("RUST_LOG", "trace")];
            let ended = place.run_with(&trace, &["run", "--log-format", format]).await.exits(3);
            // `Finished` checks all runs for control characters; these are the others that must not stand as they are.
            for treacherous in ['\u{202e}', '\u{200b}', '\u{9b}'] {
                assert!(!ended.stdout.contains(treacherous) && !ended.stderr.contains(treacherous));
            }
            assert!(!ended.stderr.lines().any(|line| line.starts_with("quay complete")), "no line of the server's own");
            assert!(!ended.stderr.contains(&"a".repeat(200)), "long names are cut");
            assert_eq!(repositories(&place.path("inventory"), "quay"), ["good/one"]);
            let row = last_run(&place.path("inventory"), "quay");
            assert_eq!(row.verdict, "gaps");
            assert_eq!(row.error_codes.iter().filter(|code| *code == "name_invalid").count(), chunk.len());
            assert!(row.error_messages.iter().all(|message| !message.contains(char::is_control)), "{row:?}");
            let expected = ["feed/", "inventory/", "password", "state/", "stocktake.yaml", "tmp/"];
            let tops: Vec<_> = place.tree(".").into_keys().filter(|name| tops(name)).collect();
            assert_eq!(tops, expected);
            let paths: Vec<_> = place.tree(".").into_keys().collect();
            assert!(
                paths.iter().all(|path| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._=-".contains(&b))),
                "{paths:?}"
            );
        }
    }
}

/// Whether a path is directly in the place.
fn tops(name: &str) -> bool {
    !name.trim_end_matches('/').contains('/')
}

#[tokio::test]
async fn what_a_server_says_is_shown_escaped_and_on_one_line() {
    let body = "{\"errors\":[{\"code\":\"X\u{1b}[2J\",\"message\":\"\u{202e}one\\nquay complete 9999\"}]}";
    let script = Script::open(["a"]).with_faults(move |_, _| {
        Some(Misbehaviour::status(400).header("x", "y").body(body.replace('\u{1b}', "\\u001b")))
    });
    let registry = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), ""));
    let ended = place.run_with(&[("RUST_LOG", "trace")], &["run"]).await.exits(1).says("\\u{1b}[2J");
    assert!(!ended.stderr.contains('\u{202e}'));
    assert!(!ended.stderr.lines().any(|line| line.starts_with("quay complete")));
}
