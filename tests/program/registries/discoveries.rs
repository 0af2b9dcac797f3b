//! Names from elsewhere than the catalog, from the configuration to the published rows; and what `validate` notes.

use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, PASSWORD, Script, SeenRequest};

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
    assert_eq!(server.count(FakeEndpoint::Catalog), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_takes_the_place_of_a_catalog() {
    let answer = |seen: &SeenRequest, _| {
        let first = seen.query("page").as_deref() == Some("1");
        let packages = r#"[{"owner":{"login":"Acme"},"type":"container","name":"App","version":"1"},
            {"owner":{"login":"Acme"},"type":"container","name":"App","version":"2"}]"#;
        seen.path()
            .starts_with("/api/v1/packages/Acme")
            .then(|| Misbehaviour::status(200).body(if first { packages } else { "[]" }))
    };
    let server = FakeRegistry::start(Script::open([]).with_faults(answer)).await.unwrap();
    assert_eq!(printed(&server, "    discovery: {type: gitea, owners: [Acme]}\n").await, ["acme/app"]);
    assert_eq!(server.count(FakeEndpoint::Catalog), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_refuses_publishes_nothing_and_says_what_it_needs() {
    let refuse = |seen: &SeenRequest, _| seen.path().starts_with("/api/").then(|| Misbehaviour::status(401));
    let server = FakeRegistry::start(Script::open([]).with_faults(refuse)).await.unwrap();
    let lines = "    auth: none\n    discovery: {type: quay, namespaces: [acme], token_file: password}\n";
    let place = Workplace::with(&one_registry(&server.url(), lines));
    place.run(&["run"]).await.exits(4).says("login of the API: the credentials were refused: 401").says("repo:read");
    assert!(!place.path("inventory/v1/repositories").exists());
}

/// A Quay with organization `acme` that takes every token but a living one for none: `public` is what anybody may see.
fn quay(token: &str, status_of_proof: u16) -> Script {
    let live = format!("Bearer {token}");
    let answer = move |seen: &SeenRequest, _| {
        let live = seen.headers.get("authorization").is_some_and(|sent| sent.as_bytes() == live.as_bytes());
        let one = |name: &str| format!(r#"{{"namespace":"acme","name":"{name}"}}"#);
        let text = match (seen.path(), seen.query("namespace").as_deref(), seen.query("starred")) {
            ("/api/v1/repository", _, Some(_)) if live => r#"{"repositories":[]}"#.to_owned(),
            ("/api/v1/repository", _, Some(_)) => return Some(Misbehaviour::status(status_of_proof).body("{}")),
            ("/api/v1/repository", Some("acme"), _) if live => {
                format!(r#"{{"repositories":[{},{}]}}"#, one("public"), one("private"))
            }
            ("/api/v1/repository", Some("acme"), _) => format!(r#"{{"repositories":[{}]}}"#, one("public")),
            ("/api/v1/repository", ..) => r#"{"repositories":[]}"#.to_owned(),
            (path, ..) if path.starts_with("/api/") => {
                return Some(Misbehaviour::status(404).body(r#"{"status":404}"#));
            }
            _ => return None,
        };
        Some(Misbehaviour::status(200).body(text))
    };
    Script::open([]).with_faults(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_is_denied_though_it_may_list_what_is_public() {
    for status in [400, 401] {
        let server = FakeRegistry::start(quay("another", status)).await.unwrap();
        let lines = "    auth: none\n    discovery: {type: quay, namespaces: [acme], token_file: password}\n";
        let place = Workplace::with(&one_registry(&server.url(), lines));
        place.run(&["run"]).await.exits(4).says("denied").says("login of the API").says("repo:read");
        assert!(!place.path("inventory/v1/repositories").exists());
        place.run(&["check"]).await.exits(4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_there_makes_gaps_by_name() {
    let server = FakeRegistry::start(quay(PASSWORD, 400)).await.unwrap();
    let lines = "    auth: none\n    allow_empty: true\n    discovery: {type: quay, namespaces: [acme, ghost], token_file: password}\n";
    let place = Workplace::with(&one_registry(&server.url(), lines));
    place.run(&["run"]).await.exits(3).says("gaps").says("repositories of ghost: it does not exist");
    place.run(&["check"]).await.exits(1);
    // Alone, nothing is published.
    let place = Workplace::with(&one_registry(&server.url(), &lines.replace("acme, ghost", "ghost")));
    place.run(&["run"]).await.exits(1).says("repositories of ghost: it does not exist");
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
    let finished = Workplace::with(guide).run(&["validate", "--syntax-only"]).await.exits(0);
    assert!(finished.stdout.contains("no problem"), "{}", finished.stdout);
    finished
        .says("stocktake.yaml:9:17: note: `scope`: on Quay the scope does not change which repositories are listed")
        .says("stocktake.yaml:9:5: note: `auth_scope` is read as `scope`")
        .says("Quay answers 405 to POST");
}
