//! Where relative paths of a configuration lead: to the same place, wherever the program is started.

use fake_registry::{FakeRegistry, PASSWORD, RepositoryNames, Script};
use serde_json::Value;

use crate::support::inventory::repositories;
use crate::support::program::Workplace;

fn configuration(url: &url::Url) -> String {
    format!(
        "state: ./state\nsinks:\n  warehouse: {{type: parquet, url: ./inventory}}\nregistries:\n  - name: quay\n    url: \
         {url}\n    auth: {{username: acme+inventory, password_command: [./bin/secret]}}\n"
    )
}

#[tokio::test]
async fn a_run_from_another_directory_has_the_same_state_secrets_and_sinks() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(30, 1))).await.unwrap();
    let place = Workplace::new();
    std::fs::create_dir_all(place.path("conf")).unwrap();
    std::fs::write(place.path("conf/st.yaml"), configuration(&registry.url())).unwrap();
    place.script("conf/bin/secret", &format!("printf '%s' '{PASSWORD}'"));

    place.run(&["run", "--config", "conf/st.yaml"]).await.exits(0);
    let first: Value =
        serde_json::from_slice(&std::fs::read(place.path("conf/state/quay/state.json")).unwrap()).unwrap();
    // The second one is started beside the file, and finds what the first one left.
    let mut beside = tokio::process::Command::new(env!("CARGO_BIN_EXE_stocktake"));
    beside.args(["run", "--config", "st.yaml"]).current_dir(place.path("conf")).env("NO_PROXY", "127.0.0.1");
    assert!(beside.output().await.unwrap().status.success());
    let second: Value =
        serde_json::from_slice(&std::fs::read(place.path("conf/state/quay/state.json")).unwrap()).unwrap();
    assert!(second["last_slot"].as_str() > first["last_slot"].as_str(), "no two runs of one name: {first} {second}");
    assert_eq!(repositories(&place.path("conf/inventory"), "quay").len(), 30);
    for stray in ["state", "inventory"] {
        assert!(!place.path(stray).exists(), "{stray} in the working directory");
    }
}

#[tokio::test]
async fn under_systemd_data_lies_in_its_state_directory_and_check_prints_every_path_whole() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(30, 1))).await.unwrap();
    let place = Workplace::new();
    std::fs::create_dir_all(place.path("etc")).unwrap();
    std::fs::create_dir_all(place.path("var")).unwrap();
    std::fs::write(place.path("etc/st.yaml"), configuration(&registry.url())).unwrap();
    place.script("etc/bin/secret", &format!("printf '%s' '{PASSWORD}'"));
    let var = place.path("var");
    let systemd = [("STATE_DIRECTORY", var.to_str().unwrap())];

    let checked = place.run_with(&systemd, &["check", "--config", "etc/st.yaml"]).await.exits(0);
    let whole = |path: &str| place.path(path).display().to_string();
    for line in [
        format!("configuration: {}", whole("etc/st.yaml")),
        format!("state: {}", whole("var/state")),
        format!("sink warehouse: {}", whole("var/inventory")),
    ] {
        assert!(checked.stdout.lines().any(|said| said == line), "{line} in\n{}", checked.stdout);
    }
    let json = place.run_with(&systemd, &["check", "--config", "etc/st.yaml", "--format", "json"]).await.exits(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["paths"]["state"], whole("var/state"));

    place.run_with(&systemd, &["run", "--config", "etc/st.yaml"]).await.exits(0);
    assert_eq!(repositories(&place.path("var/inventory"), "quay").len(), 30);
    assert!(place.path("var/state/quay/state.json").exists());
    assert!(!place.path("etc/state").exists() && !place.path("state").exists());
}

#[tokio::test]
async fn runs_that_follow_quickly_do_not_run_ahead_of_the_clock() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(3, 1))).await.unwrap();
    let place = Workplace::new();
    place.configure(&configuration(&registry.url()));
    place.script("bin/secret", &format!("printf '%s' '{PASSWORD}'"));
    place.run(&["run"]).await.exits(0);
    let pointer = place.path("state/quay/state.json");
    let read = || serde_json::from_slice::<Value>(&std::fs::read(&pointer).unwrap()).unwrap();
    // As after many quick runs.
    let mut state = read();
    state["last_slot"] = (stocktake::clock::now() + chrono::TimeDelta::seconds(62)).to_rfc3339().into();
    std::fs::write(&pointer, state.to_string()).unwrap();
    place.run(&["run"]).await.exits(0);
    let state = read();
    let slot: chrono::DateTime<chrono::Utc> = state["last_slot"].as_str().unwrap().parse().unwrap();
    let ahead = slot - stocktake::clock::now();
    assert!(ahead <= chrono::TimeDelta::minutes(1), "{ahead}");
}
