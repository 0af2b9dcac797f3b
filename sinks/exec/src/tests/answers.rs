//! What becomes of each way in which a plugin can end.

use std::time::Duration;

use tokio::time::Instant;

use stocktake_sink::SinkErrorKind::{Forbidden, Full, Invalid, Unavailable};

use super::*;

/// The rows of the snapshot, as an answer names them.
fn rows() -> String {
    let snapshot = snapshot();
    let rows = snapshot.tables().map(|table| format!("\"{table}\":{}", snapshot.rows(table)));
    format!("{{{}}}", rows.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_good_answer_is_a_receipt() {
    let (place, rows) = (PluginBench::new(), rows());
    let receipt = place.publish(&format!("echo '{{\"ok\":true,\"rows\":{rows}}}'")).await.unwrap();
    assert_eq!((receipt.location.as_str(), receipt.objects.len(), receipt.warnings.len()), ("plugin", 0, 0));
    // Lines before it, no newline after it, fields of a later protocol, a place, and words for people.
    let script = format!(
        "echo 1; echo; echo slow >&2; printf '{{\"ok\":true,\"new\":[1],\"location\":\"inv\\\\u001b.tags\",\"rows\":{rows}}}'"
    );
    let receipt = place.publish(&script).await.unwrap();
    assert_eq!((receipt.location.as_str(), receipt.warnings), ("inv\\u{1b}.tags", vec!["slow".to_owned()]));
}

#[tokio::test]
async fn a_plugin_that_fails_is_told_with_what_it_said_and_what_to_do() {
    let rows = rows();
    let wrong = rows.replace("\"tags\":48", "\"tags\":47");
    let fewer = rows.replace(",\"tags\":48", "");
    let more = rows.replace('{', "{\"extra\":0,");
    let wanted = r#"its last line on standard output must be {"ok":true,"rows":{…}}"#;
    for (script, kind, message) in [
        // It lies about rows.
        (
            format!("echo '{{\"ok\":true,\"rows\":{wrong}}}'"),
            Invalid,
            "`plugin` has loaded 47 rows of `tags`, but the snapshot has 48; it must count what it has loaded".into(),
        ),
        (
            format!("echo '{{\"ok\":true,\"rows\":{fewer}}}'"),
            Invalid,
            "`plugin` does not say how many rows of `tags` it has loaded".into(),
        ),
        (
            format!("echo '{{\"ok\":true,\"rows\":{more}}}'"),
            Invalid,
            "has loaded a table `extra`, which the snapshot does not have".into(),
        ),
        ("echo '{\"ok\":true}'".into(), Invalid, "does not say how many rows of".into()),
        // It says why.
        (
            "echo '{\"ok\":false,\"error\":\"no\\u0007 table\"}'".into(),
            Invalid,
            "`plugin` could not load: no\\u{7} table".into(),
        ),
        (
            "echo '{\"ok\":false,\"kind\":\"full\",\"error\":\"quota\"}'; exit 1".into(),
            Full,
            "could not load: quota".into(),
        ),
        (
            "echo '{\"ok\":false,\"kind\":\"forbidden\"}'; exit 1".into(),
            Forbidden,
            "could not load: it says no more".into(),
        ),
        ("echo '{\"ok\":false,\"kind\":\"unavailable\"}'; exit 1".into(), Unavailable, "could not load".into()),
        // It says nothing that can be used.
        ("exit 0".into(), Invalid, format!("`plugin` ended well, but printed no answer; {wanted}")),
        (
            "echo done".into(),
            Invalid,
            "ended well, but its answer cannot be read (expected value at line 1 column 1): done".into(),
        ),
        (r"printf '\000\377\033[31m'".into(), Invalid, "\\u{0}\u{fffd}\\u{1b}[31m".into()),
        (r#"printf '{"ok":tr'"#.into(), Invalid, "cannot be read".into()),
        // It fails without an answer, or after one.
        (
            "echo 'Traceback:' >&2; echo 'no route to host' >&2; exit 3".into(),
            Unavailable,
            "`plugin` ended with exit status: 3: standard error: Traceback: | no route to host".into(),
        ),
        ("kill -9 $$".into(), Unavailable, "`plugin` ended with signal: 9 (SIGKILL)".into()),
        (
            format!("echo '{{\"ok\":true,\"rows\":{rows}}}'; exit 1"),
            Unavailable,
            "answered `ok`, but ended with exit status: 1".into(),
        ),
        // It closes what it has.
        ("exec 0<&- 1>&- 2>&-; exit 0".into(), Invalid, "printed no answer".into()),
    ] {
        let error = PluginBench::new().publish(&script).await.expect_err(&script);
        let told = told(&error);
        assert_eq!(error.kind(), kind, "{script}: {told}");
        assert!(told.contains(&message), "{script}: {told}");
    }
}

#[tokio::test]
async fn floods_are_read_away_and_cut() {
    let (place, rows) = (PluginBench::new(), rows());
    let good = format!("echo '{{\"ok\":true,\"rows\":{rows}}}'");
    // Much more than a pipe holds, in long lines and short ones.
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x; echo; yes some words | head -n 100000;";
    let receipt = place.publish(&format!("{{ {flood} }} >&2; echo '  last\ttab' >&2; {good}")).await.unwrap();
    assert_eq!(receipt.warnings.len(), 20);
    assert_eq!(receipt.warnings[19], "  last tab");
    let error = place.publish(&format!("{flood} {good}")).await.unwrap_err();
    assert_eq!(error.kind(), Invalid);
    assert!(told(&error).contains("printed more than 64 KiB on standard output"), "{error}");
    let error = place.publish("head -c 9000 /dev/zero | tr '\\0' x").await.unwrap_err();
    assert!(error.to_string().len() < 1_000, "{error}");
}

#[tokio::test]
async fn a_plugin_that_cannot_be_run_is_told_before_anything_is_written() {
    let place = PluginBench::new();
    place.file("plain", "echo", "644");
    place.file("orphan", "#!/nonexistent/python3 -u\n", "755");
    place.file("noise", "\u{1}\u{2}", "755");
    let at = |name: &str| place.path(name).display().to_string();
    for (program, message) in [
        (at("missing"), format!("there is no {}: correct the path", at("missing"))),
        (at("plain/below"), format!("there is no {}", at("plain/below"))),
        ("no-such-program".to_owned(), "there is no program `no-such-program` in the directories of `PATH`".to_owned()),
        (at(""), format!("{} is a directory", at(""))),
        (at("plain"), format!("{0} may not be run by this user: `chmod +x {0}`", at("plain"))),
        (at("orphan"), format!("{} begins with `#!/nonexistent/python3`, and there is no such program", at("orphan"))),
        (at("noise"), format!("cannot run {}; run it by hand as this user: Exec format error", at("noise"))),
    ] {
        let sink = ExecSink::new(ExecSettings::new(&program, &[], &place.path("exec")));
        for error in [sink.publish(&snapshot()).await.unwrap_err(), sink.probe().await.unwrap_err()] {
            assert_eq!(error.kind(), Invalid, "{program}");
            assert!(told(&error).contains(&message), "{}", told(&error));
        }
        assert!(place.entries().is_empty());
    }
}

#[tokio::test]
async fn a_probe_asks_the_plugin_and_leaves_nothing() {
    let place = PluginBench::new();
    let sink = place.sink("[ \"$*\" = --probe ] && [ -z \"$STOCKTAKE_SNAPSHOT\" ] && echo '{\"ok\":true}'");
    sink.probe().await.unwrap();
    assert!(!place.path("exec").exists());
    let refusal = "echo '{\"ok\":false,\"kind\":\"forbidden\",\"error\":\"no grant\"}'; exit 1";
    let error = place.sink(refusal).probe().await.unwrap_err();
    assert_eq!((error.kind(), told(&error).as_str()), (Forbidden, "`plugin --probe` could not load: no grant"));
    // The directory cannot be made.
    std::fs::write(place.path("exec"), "").unwrap();
    let error = place.sink("echo '{\"ok\":true}'").probe().await.unwrap_err();
    assert!(told(&error).contains(place.path("exec").to_str().unwrap()), "{}", told(&error));
}

#[tokio::test]
async fn a_plugin_that_only_waits_for_a_deadline_costs_no_more_than_that() {
    let place = PluginBench::new();
    let (sink, snapshot) = (place.sink("sleep 600"), snapshot());
    let begun = Instant::now();
    let published = tokio::time::timeout(Duration::from_millis(500), sink.publish(&snapshot)).await;
    assert!(published.is_err() && begun.elapsed() < Duration::from_secs(20));
}
