//! Lists that end too early, or that list a name twice, as runs see them.

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, LinkStyle, Misbehaviour, RepositoryNames, Script};

use crate::support::inventory::{last_run, repositories};
use crate::support::program::{Workplace, one_registry};

const LINES: &str = "    page_size: 100\n";

#[tokio::test]
async fn a_registry_that_sends_no_links_is_listed_whole_and_the_run_says_how() {
    let names = RepositoryNames::generated(1052, 5);
    let script = Script { link: LinkStyle::Missing, ..Script::open(names.clone()) };
    let registry = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LINES));
    place.run(&["run"]).await.exits(0);
    assert!(repositories(&place.path("inventory"), "quay").iter().map(String::as_str).eq(names.iter()));
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.error_codes), ("complete", vec!["link_missing".to_owned()]));
}

#[tokio::test]
async fn a_list_that_may_go_on_where_nobody_can_ask_has_gaps_and_says_why() {
    // Keeps to sizes, and knows neither a link nor `last`.
    let script = Script::open([]).with_faults(|seen, _| {
        let size = seen.query("n").and_then(|n| n.parse().ok()).unwrap_or(0);
        let names: Vec<_> = RepositoryNames::generated(300, 5).iter().take(size).map(str::to_owned).collect();
        let body = serde_json::json!({ "repositories": names }).to_string();
        (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(200).body(body))
    });
    let registry = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LINES));
    place.run(&["run"]).await.exits(3).says("catalog page 1 is full and has no Link");
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 100);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!(row.verdict, "gaps");
    assert!(row.error_codes.contains(&"unproven".to_owned()), "{row:?}");
}

#[tokio::test]
async fn a_repository_listed_twice_is_read_once_and_its_rows_agree() {
    let contents = FakeContents::uniform(2);
    let script = Script { contents, ..Script::open(["a/a", "a/b"]) }.with_faults(|seen, nth| {
        let again = r#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
        match seen.endpoint {
            FakeEndpoint::Catalog if seen.query("last").is_none() => {
                let link = "</v2/_catalog?last=x>; rel=\"next\"";
                Some(Misbehaviour::status(200).header("link", link).body(r#"{"repositories":["a/a","a/b"]}"#))
            }
            FakeEndpoint::Catalog => Some(Misbehaviour::status(200).body(r#"{"repositories":["a/b"]}"#)),
            FakeEndpoint::Tags if nth > 2 => Some(Misbehaviour::status(403).body(again)),
            _ => None,
        }
    });
    for depth in ["tags", "manifests"] {
        let registry = FakeRegistry::start(script.clone()).await.unwrap();
        let place = Workplace::with(&one_registry(&registry.url(), &format!("    depth: {depth}\n")));
        place.run(&["run"]).await.exits(0);
        assert_eq!(registry.count(FakeEndpoint::Tags), 2, "{depth}");
        let row = last_run(&place.path("inventory"), "quay");
        assert_eq!((row.verdict.as_str(), row.rows_repositories, row.rows_tags), ("complete", 2, 4), "{depth}");
    }
}

#[tokio::test]
async fn a_page_of_millions_of_names_ends_the_run_before_anything_is_read() {
    let script = Script::open(["a"]).with_faults(|seen, _| {
        let list = "\"a\",".repeat(300_000);
        let body = format!("{{\"repositories\":[{}]}}", list.trim_end_matches(','));
        (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(200).body(body))
    });
    let registry = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), "    depth: tags\n"));
    place.run(&["run"]).await.exits(1).says("the page lists more than 250000 names,");
    assert_eq!(registry.count(FakeEndpoint::Tags), 0);
}
