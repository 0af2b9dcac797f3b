//! The alert rules at work: on series that are made up, and in a real Prometheus.

use std::sync::{Arc, Mutex};

use crate::support::prometheus::{Prometheus, complaints, promtool};
use crate::support::raw::{Raw, RawServer};

#[test]
fn the_rules_pass_their_tests() {
    let output = promtool(&["test", "rules", "config/monitoring/alerts_test.yml"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn promtool_complains_of_metrics_that_deserve_it() {
    assert_eq!(complaints("# HELP a_total Things.\n# TYPE a_total counter\na_total 1\n"), "");
    assert!(complaints("# HELP a Things.\n# TYPE a counter\na 1\n").contains("counter metrics should have"), "unsaid");
}

/// A server whose `/metrics` says what it is told to.
async fn exporter(metrics: &Arc<Mutex<String>>) -> RawServer {
    let metrics = metrics.clone();
    RawServer::start(move |_| {
        let body = metrics.lock().unwrap().clone().into_bytes();
        Raw::Whole { status: 200, headers: "content-type: text/plain; version=0.0.4\r\n".to_owned(), body }
    })
    .await
}

#[tokio::test]
async fn a_real_prometheus_sees_a_credential_die_and_recover() {
    let rejected = |quay: u8| format!("stocktake_credentials_rejected{{registry=\"quay\"}} {quay}\n");
    let metrics = Arc::new(Mutex::new(rejected(0)));
    let exporter = exporter(&metrics).await;
    let prometheus = Prometheus::watching(&exporter.url()).await;
    assert_eq!(prometheus.value("stocktake_credentials_rejected").await, Some(0.0));
    assert_eq!(prometheus.value("stocktake_no_such_metric").await, None);
    *metrics.lock().unwrap() = rejected(1);
    prometheus.until_firing("StocktakeCredentialsRejected", "quay", true).await;
    *metrics.lock().unwrap() = rejected(0);
    prometheus.until_firing("StocktakeCredentialsRejected", "quay", false).await;
}

#[tokio::test]
async fn a_real_prometheus_sees_that_nobody_is_there() {
    let exporter = exporter(&Arc::default()).await;
    let prometheus = Prometheus::watching(&exporter.url()).await;
    drop(exporter);
    prometheus.until_firing("StocktakeDown", "", true).await;
}
