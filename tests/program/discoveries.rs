//! Names from elsewhere than the catalog, from the configuration to the published rows; and what `validate` notes.

use stocktake::fake::{Endpoint, FakeRegistry, Fault, Script, SeenRequest};

use crate::support::program::{Workplace, one_registry};

/// The repositories that a run prints.
async fn printed(server: &FakeRegistry, lines: &str) -> Vec<String> {
    let place = Workplace::with(&format!(
        "sinks: {{console: {{type: stdout, format: csv}}}}\nregistries:\n  - name: r\n    url: {}\n    auth: none\n{lines}",
        server.url()
    ));
    let printed = place.run(&["run"]).await.exits(0).stdout;
    let mut rows = printed.lines();
    let header: Vec<_> = rows.next().unwrap().split(',').collect();
    let at = header.iter().position(|column| *column == "repository").unwrap();
    rows.map(|row| row.split(',').nth(at).unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_takes_the_place_of_a_catalog() {
    let server = FakeRegistry::start(Script::open([])).await.unwrap();
    assert_eq!(printed(&server, "    discovery: {repositories: [b/c, a]}\n").await, ["a", "b/c"]);
    assert_eq!(server.count(Endpoint::Catalog), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_takes_the_place_of_a_catalog() {
    let answer = |seen: &SeenRequest, _| {
        let first = seen.query("page").as_deref() == Some("1");
        let packages = r#"[{"owner":{"login":"Acme"},"type":"container","name":"App","version":"1"},
            {"owner":{"login":"Acme"},"type":"container","name":"App","version":"2"}]"#;
        seen.path()
            .starts_with("/api/v1/packages/Acme")
            .then(|| Fault::status(200).body(if first { packages } else { "[]" }))
    };
    let server = FakeRegistry::start(Script::open([]).with_faults(answer)).await.unwrap();
    assert_eq!(printed(&server, "    discovery: {type: gitea, owners: [Acme]}\n").await, ["acme/app"]);
    assert_eq!(server.count(Endpoint::Catalog), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_refuses_publishes_nothing_and_says_what_it_needs() {
    let refuse = |seen: &SeenRequest, _| seen.path().starts_with("/api/").then(|| Fault::status(401));
    let server = FakeRegistry::start(Script::open([]).with_faults(refuse)).await.unwrap();
    let lines = "    auth: none\n    discovery: {type: quay, namespaces: [acme], token_file: password}\n";
    let place = Workplace::with(&one_registry(&server.url(), lines));
    place.run(&["run"]).await.exits(4).says("repositories of acme, page 1").says("repo:read");
    assert!(!place.path("inventory/v1/repositories").exists());
}

#[tokio::test]
async fn validate_says_what_is_done_otherwise_and_passes() {
    let guide = "sinks: {w: {type: stdout}}
registries:
  - name: quay
    url: https://quay.io
    registry_type: Quay.io
    auth_type: Token Auth (Docker v2)
    username: my-org+robot-name
    password_file: /run/secrets/quay
    auth_scope: repository:my-org/my-repo:pull
    max_repos: 200
";
    let finished = Workplace::with(guide).run(&["validate"]).await.exits(0);
    assert!(finished.stdout.contains("no problem"), "{}", finished.stdout);
    finished
        .says("stocktake.yaml:9:17: note: `scope`: on Quay the scope does not change which repositories are listed")
        .says("stocktake.yaml:9:5: note: `auth_scope` is read as `scope`")
        .says("Quay answers 405 to POST");
}
