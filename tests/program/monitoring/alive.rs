//! The whole of it: a real daemon takes the inventory of a real docker-registry, and a real Prometheus sees the
//! credential die and recover.

use std::time::Duration;

use url::Url;

use crate::daemon::scheduled_runs::configuration;
use crate::support::client;
use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::program::Workplace;
use crate::support::prometheus::{Prometheus, complaints};

const REJECTED: &str = "StocktakeCredentialsRejected";

#[tokio::test]
async fn a_credential_dies_somebody_is_woken_and_the_corrected_secret_ends_it() {
    live(Scale { every: 1, runs: 3, in_earnest: None }).await;
}

/// `cargo nextest run --workspace --all-features --run-ignored all -E 'test(ten_minutes)'`
#[tokio::test]
#[ignore = "takes a quarter of an hour"]
async fn ten_minutes_of_runs_with_the_alerts_as_they_are_shipped() {
    live(Scale { every: 3, runs: 200, in_earnest: Some(Duration::from_mins(15)) }).await;
}

/// How long it goes on.
struct Scale {
    /// Seconds between slots.
    every: u32,
    /// Before the credential dies.
    runs: u32,
    /// With our alerts as they are, and so much patience with them.
    in_earnest: Option<Duration>,
}

async fn live(Scale { every, runs, in_earnest }: Scale) {
    let registry = DockerRegistry::start(Mode::Token { lifetime: Duration::from_secs(2) }, ["a/one", "a/two"]).await;
    let schedule = format!("    schedule: \"*/{every} * * * * *\"\n");
    let place = Workplace::with(&configuration(&[("quay", &registry.url(), &schedule)]));
    // Without a service manager: nothing here would read its messages.
    let mut daemon = place.start(&["daemon"]);
    let said = daemon.says_times("listening on http", 1).await;
    let base = said.split("listening on ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    let base = Url::parse(base).unwrap();
    let get = async |path| {
        let answer = client().get(base.join(path).unwrap()).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let prometheus = match in_earnest {
        None => Prometheus::watching(&base).await,
        Some(patience) => Prometheus::watching_in_earnest(&base, patience).await,
    };
    let is = async |expression: &str, wanted: f64| {
        let holds = async || prometheus.value(expression).await == Some(wanted);
        prometheus.until(&format!("{expression} is {wanted}"), holds).await;
    };
    is(r#"stocktake_last_run_status{registry="quay",status="success"}"#, 1.0).await;
    is(&format!("sum(stocktake_runs_total) > bool {runs}"), 1.0).await;
    assert_eq!(prometheus.firing().await, []);
    assert_eq!(prometheus.value("sum(stocktake_page_failures_total)").await, Some(0.0));
    assert_eq!(complaints(&get("metrics").await), "");

    registry.change_password("the-new-one");
    prometheus.until_firing(REJECTED, "quay", true).await;
    // The third refusal in a row is the last.
    is("stocktake_credentials_suspended", 1.0).await;
    let page = get("").await;
    assert!(page.contains(REJECTED) && page.contains("stocktake check quay"), "{page}");
    let woken = [(REJECTED.to_owned(), "quay".to_owned())];
    assert_eq!(prometheus.firing().await, woken, "no alert is sent twice");
    assert_eq!(complaints(&get("metrics").await), "");

    place.secret("password", "the-new-one");
    prometheus.until_firing(REJECTED, "quay", false).await;
    is(r#"stocktake_last_run_status{registry="quay",status="success"}"#, 1.0).await;
    is("stocktake_credentials_suspended", 0.0).await;
    assert_eq!(prometheus.firing().await, []);
    daemon.signal("TERM").await;
    daemon.end().await.exits(0);
}
