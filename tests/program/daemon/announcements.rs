//! What the daemon says of itself when it starts and after a reload, and of registries that nothing starts.

use fake_registry::{FakeRegistry, Script};

use super::scheduled_runs::{NEVER, configuration};
use crate::support::daemon::Daemon;
use crate::support::program::Workplace;

/// At noon in summer and in winter, not while a test runs.
const DUBLIN: &str = "    schedule: \"0 12 1 1 *\"\n    time_zone: Europe/Dublin\n";

#[tokio::test]
async fn the_start_and_a_reload_say_what_there_is_and_what_comes_next() {
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let url = registry.url();
    let place = Workplace::with(&configuration(&[("quay", &url, DUBLIN), ("harbor", &url, "")]));
    let mut daemon = Daemon::start(&place).await;
    let said = daemon.running.says_times("next run: quay at ", 1).await;
    let said = said + &daemon.running.says_times("harbor has no schedule and never ran", 1).await;
    for part in [
        concat!("stocktake ", env!("CARGO_PKG_VERSION"), " starts with stocktake.yaml: 2 registries (quay, harbor)"),
        "1 sink (warehouse), state in ",
        "listening on http://127.0.0.1:",
        "-01-01 12:00:00 +00:00 (Europe/Dublin), in ",
        "the daemon never runs it by itself; add `schedule`, or ask for a run",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(said.lines().any(|line| line.contains(" WARN ") && line.contains("harbor has no schedule")), "{said}");

    place.configure(&configuration(&[("quay", &url, NEVER), ("pulp", &url, NEVER)]));
    daemon.running.signal("HUP").await;
    let said = daemon.running.says_times("next run: ", 2).await;
    let expected =
        "the configuration is reloaded: 2 registries; added: pulp; removed: harbor; changed: quay (schedule)";
    assert!(said.contains(expected), "{said}");
    daemon.stop().await.exits(0);
}

#[tokio::test]
async fn a_registry_that_nothing_starts_is_not_called_well_anywhere() {
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), "")]));
    place.run(&["validate"]).await.exits(0).says("note: no registry has a `schedule`: the daemon never runs one");
    let mut daemon = Daemon::start(&place).await;
    daemon.running.says_times("no registry has a schedule: the daemon starts no run by itself", 1).await;
    let (status, ready) = daemon.get("/readyz").await;
    assert_eq!(status, 200, "it could run it");
    assert!(ready.starts_with("ok\nquay has no schedule and never ran: "), "{ready}");
    let (_, page) = daemon.get("/").await;
    assert!(page.contains("The registry needs attention") && page.contains("has never run"), "{page}");
    // Somebody asks: from then on it is a registry that is run by hand.
    daemon.running.signal("USR1").await;
    daemon.running.says_times("is complete: 1 repository", 1).await;
    daemon.until("stocktake_runs_total{registry=\"quay\",trigger=\"manual\"}", |runs| runs == Some(1.0)).await;
    assert_eq!(daemon.get("/readyz").await.1, "ok\n");
    let (_, page) = daemon.get("/").await;
    assert!(page.contains("The registry is well") && page.contains("only by hand"), "{page}");
    daemon.stop().await.exits(0);
}
