//! Monitored repositories, from the configuration to the published rows: read whatever the catalog says, once each.

use std::collections::BTreeMap;
use std::time::Duration;

use fake_registry::{
    CatalogOrder, FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script, SeenRequest,
};
use serde_json::Value;

use crate::support::inventory::{last_run, manifests, table};
use crate::support::program::{LOGIN, Workplace, one_registry};

/// What the catalog lists.
const LISTED: [&str; 5] = ["other/x", "team/a", "team/b", "team/c", "team/denied"];

fn script() -> Script {
    let contents = FakeContents::uniform(2).with("hidden/one", |held| {
        let image = held.image("linux/amd64", "hidden");
        held.tag_as("v1", &image);
    });
    let script = Script { contents, ..Script::distribution_like(LISTED) };
    script.with_token(|token| token.denied = vec!["hidden/denied".to_owned()])
}

/// Repository → state, tag count, whether it is monitored.
fn rows(place: &Workplace) -> BTreeMap<String, (String, Option<u64>, bool)> {
    let rows = table(&place.path("inventory"), "quay", "repositories");
    let row = |row: &Value| {
        let text = |column: &str| row[column].as_str().unwrap().to_owned();
        (text("repository"), (text("state"), row["tag_count"].as_u64(), row["monitored"].as_bool().unwrap()))
    };
    let found: BTreeMap<_, _> = rows.iter().map(row).collect();
    assert_eq!(found.len(), rows.len(), "each once");
    found
}

fn asked_for_tags(requests: &[SeenRequest], repository: &str) -> usize {
    let path = format!("/v2/{repository}/tags/list");
    requests.iter().filter(|seen| seen.path() == path && seen.status == Some(200)).count()
}

fn row(state: &str, tags: impl Into<Option<u64>>, monitored: bool) -> (String, Option<u64>, bool) {
    (state.to_owned(), tags.into(), monitored)
}

#[tokio::test]
async fn monitored_repositories_are_read_at_every_depth_whether_listed_hidden_excluded_or_not_there() {
    for depth in ["repositories", "tags", "manifests"] {
        let server = FakeRegistry::start(script()).await.unwrap();
        let monitored =
            "    monitored_repositories: [hidden/one, TEAM/A, other/x, gone/three]\n    exclude: ['other/*']\n";
        let lines = format!("{LOGIN}    depth: {depth}\n{monitored}");
        let place = Workplace::with(&one_registry(&server.url(), &lines));
        let ended = place.run(&["run"]).await.exits(0).says("complete").says(" (4 monitored)");
        assert!(!ended.stderr.contains("hidden/one"), "{}", ended.stderr);
        let count = (depth != "repositories").then_some(2);
        let state = row("complete", count, false);
        let expected = BTreeMap::from([
            ("gone/three".to_owned(), row("gone", None, true)),
            ("hidden/one".to_owned(), row("complete", 1, true)),
            ("other/x".to_owned(), row("complete", 2, true)),
            ("team/a".to_owned(), row("complete", 2, true)),
            ("team/b".to_owned(), state.clone()),
            ("team/c".to_owned(), state.clone()),
            ("team/denied".to_owned(), state),
        ]);
        assert_eq!(rows(&place), expected, "{depth}");
        let requests = server.requests();
        for repository in ["hidden/one", "other/x", "team/a"] {
            assert_eq!(asked_for_tags(&requests, repository), 1, "{depth} {repository}");
        }
        let tags = table(&place.path("inventory"), "quay", "tags");
        let of = |repository: &str| tags.iter().filter(|tag| tag["repository"] == repository).count();
        let others = usize::from(depth != "repositories") * 2;
        assert_eq!(["hidden/one", "other/x", "team/a", "team/b"].map(of), [1, 2, 2, others], "{depth}");
        // The manifests of monitored ones are a matter of depth.
        assert_eq!(server.count(FakeEndpoint::Manifest) > 0, depth == "manifests");
    }
}

#[tokio::test]
async fn a_monitored_repository_that_is_denied_is_an_error_row_and_3() {
    for depth in ["repositories", "tags", "manifests"] {
        let server = FakeRegistry::start(script()).await.unwrap();
        let lines = format!("{LOGIN}    depth: {depth}\n    monitored_repositories: [hidden/denied, team/b]\n");
        let place = Workplace::with(&one_registry(&server.url(), &lines));
        place
            .run(&["run"])
            .await
            .exits(3)
            .says("gaps")
            .says("6 (2 monitored)")
            .says("1 of 6 repositories")
            .says("hidden/denied")
            .says("[denied]");
        let rows = rows(&place);
        assert_eq!(rows["hidden/denied"], row("denied", None, true), "{depth}");
        assert_eq!(rows["team/b"], row("complete", 2, true), "{depth}");
        let run = last_run(&place.path("inventory"), "quay");
        assert_eq!((run.verdict.as_str(), run.rows_repositories), ("gaps", 6), "{run:?}");
        assert!(run.error_codes.contains(&"denied".to_owned()), "{run:?}");
        assert_eq!(manifests(&place.path("inventory"), "quay")[0]["verdict"], "gaps", "published all the same");
    }
}

#[tokio::test]
async fn monitored_repositories_come_before_the_limit_and_count_within_it() {
    let server = FakeRegistry::start(script()).await.unwrap();
    let limit = |most: usize| {
        let monitored = "    monitored_repositories: [hidden/one, team/c]\n    depth: tags\n";
        one_registry(&server.url(), &format!("{LOGIN}{monitored}    max_repositories: {most}\n"))
    };
    for (most, expected) in [
        (1, &["hidden/one", "team/c"][..]),
        (2, &["hidden/one", "team/c"]),
        (3, &["hidden/one", "other/x", "team/c"]),
        (6, &["hidden/one", "other/x", "team/a", "team/b", "team/c", "team/denied"]),
    ] {
        let place = Workplace::with(&limit(most));
        place.run(&["run"]).await.exits(0).says("(2 monitored)");
        assert!(rows(&place).into_keys().eq(expected.iter().copied()), "{most}: {:?}", rows(&place));
        let codes = last_run(&place.path("inventory"), "quay").error_codes;
        assert_eq!(codes.contains(&"max_repositories".to_owned()), most < 6, "{most}");
    }
}

#[tokio::test]
async fn a_catalog_that_lists_a_monitored_name_in_capitals_makes_no_second_row() {
    let script = Script { order: CatalogOrder::Given, ..Script::open(["Team/A", "team/b"]) };
    let script =
        Script { contents: FakeContents::uniform(1).with("team/a", |held| held.tag("v1", "sha256:0")), ..script };
    let server = FakeRegistry::start(script).await.unwrap();
    let lines = "    auth: {type: none}\n    monitored_repositories: [team/a]\n";
    let place = Workplace::with(&one_registry(&server.url(), lines));
    // A name in capitals is none by the specification: said, and not taken for another repository.
    place.run(&["run"]).await.exits(3).says("Team/A");
    assert_eq!(rows(&place).into_keys().collect::<Vec<_>>(), ["team/a", "team/b"]);
}

#[tokio::test]
async fn a_whole_page_of_monitored_repositories_is_no_repetition() {
    // In Quay's order, of age: what was made together is listed together.
    let mut names: Vec<String> = (0..100).map(|n| format!("z/{n:03}")).collect();
    let monitored: Vec<String> = (0..100).map(|n| format!("a/{n:03}")).collect();
    names.extend(monitored.iter().cloned());
    names.extend((0..50).map(|n| format!("m/{n:03}")));
    let script = Script { contents: FakeContents::uniform(1), ..Script::quay_like(RepositoryNames::from(&names[..])) };
    // The first answer is the one to a question without credentials; the page in question comes when all of them are read.
    let script = script.with_faults(|seen, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth == 3).then(|| Misbehaviour::Delay(Duration::from_millis(700)))
    });
    let server = FakeRegistry::start(script).await.unwrap();
    let lines =
        format!("{LOGIN}    requests_per_second: 1000\n    monitored_repositories: [{}]\n", monitored.join(", "));
    let place = Workplace::with(&one_registry(&server.url(), &lines));
    place.run(&["run"]).await.exits(0).says("250 (100 monitored)");
    assert_eq!(rows(&place).len(), 250);
}

#[tokio::test]
async fn monitored_repositories_that_no_list_shows_are_published_with_the_reason() {
    let lines = "    depth: tags\n    monitored_repositories: [hidden/one]\n";
    let hidden = |listed: &[&str]| Script {
        contents: script().contents,
        ..Script::quay_like(listed.iter().copied().collect::<RepositoryNames>())
    };
    for login in [LOGIN, ""] {
        let place = Workplace::new();
        for (listed, code) in [(&[][..], 3), (&[], 3), (&["other/x"], 0), (&[], 1)] {
            // Anonymous callers are shown what the account is, but an empty list.
            let listed = if login == LOGIN { listed } else { &[] };
            let code = if login == LOGIN { code } else { 3 };
            let script = hidden(listed).with_token(|token| token.repository_scope = login == LOGIN);
            let server = FakeRegistry::start(script).await.unwrap();
            place.configure(&one_registry(&server.url(), &format!("{login}{lines}")));
            let ended = place.run(&["run"]).await.exits(code);
            if code == 3 {
                ended.says("gaps").says("what to do: ").says("only monitored repositories were asked: 1");
                assert_eq!(rows(&place)["hidden/one"], row("complete", 1, true));
            }
        }
    }
}
