//! Answers that are not the registry's, or say too little: no row is lost to them, and none is made of them.

use std::collections::HashSet;
use std::sync::Mutex;

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, Script, SeenRequest};
use serde_json::Value;

use crate::support::inventory::{last_run, table};
use crate::support::program::{LOGIN, Workplace, one_registry};

const REPOSITORIES: [&str; 6] = ["app/a", "app/b", "app/c", "app/d", "app/e", "app/f"];
const TAGS: u32 = 3;

fn script() -> Script {
    Script { contents: FakeContents::uniform(TAGS), ..Script::distribution_like(REPOSITORIES) }
}

/// A place with a complete inventory down to manifests, or an empty one.
async fn place(good_night: bool) -> Workplace {
    let place = Workplace::new();
    if good_night {
        night(&place, script(), 0).await;
    }
    place
}

/// One night; gives the registry, to see what it was asked.
async fn night(place: &Workplace, script: Script, code: i32) -> FakeRegistry {
    let registry = FakeRegistry::start(script).await.unwrap();
    place.configure(&one_registry(&registry.url(), &format!("{LOGIN}    depth: manifests\n")));
    place.run(&["run"]).await.exits(code);
    registry
}

/// Rows of a table without the times, which differ from night to night.
fn rows(place: &Workplace, name: &str) -> Vec<Value> {
    let mut rows = table(&place.path("inventory"), "quay", name);
    for row in &mut rows {
        let columns = row.as_object_mut().unwrap();
        columns.remove("observed_at");
        columns.remove("run_id");
    }
    rows
}

fn inventory(place: &Workplace) -> [Vec<Value>; 3] {
    ["repositories", "tags", "manifests"].map(|table| rows(place, table))
}

fn page_not_found() -> Misbehaviour {
    Misbehaviour::status(404).header("content-type", "text/plain; charset=utf-8").body("404 page not found\n")
}

fn is_of_a_repository(seen: &SeenRequest) -> bool {
    matches!(seen.endpoint, FakeEndpoint::Tags | FakeEndpoint::Manifest | FakeEndpoint::Blob)
}

#[tokio::test]
async fn a_load_balancer_that_answers_404_to_half_of_all_requests_costs_no_row() {
    for good_night in [false, true] {
        let expected = place(true).await;
        let place = place(good_night).await;
        let asked = Mutex::new(HashSet::new());
        let script = script().with_faults(move |seen, _| {
            let first = asked.lock().unwrap().insert((seen.method.clone(), seen.target.clone()));
            (first && is_of_a_repository(seen)).then(page_not_found)
        });
        night(&place, script, 0).await;
        assert_eq!(inventory(&place), inventory(&expected));
        let row = last_run(&place.path("inventory"), "quay");
        assert_eq!(row.verdict, "complete");
        assert!(row.retries > 0, "{row:?}");
    }
}

#[tokio::test]
async fn a_404_that_is_not_the_registrys_is_never_gone() {
    let place = place(true).await;
    // One repository's tags, and another's manifests.
    let script = script().with_faults(|seen, _| {
        let lost = ["/v2/app/a/tags/", "/v2/app/b/manifests/v1"];
        lost.iter().any(|path| seen.path().starts_with(path)).then(page_not_found)
    });
    night(&place, script, 3).await;
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.rows_repositories), ("gaps", 6), "{row:?}");
    let states = rows(&place, "repositories");
    let states: Vec<_> = states.iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "error").count(), 2, "{states:?}");
    assert!(!states.contains(&"gone") && row.error_codes[1..] == ["server_error", "server_error"], "{row:?}");
    assert!(row.error_messages[1..].iter().all(|message| message.contains("404 `404 page not found`")), "{row:?}");
}

#[tokio::test]
async fn a_second_night_with_head_refused_is_as_complete_as_the_first() {
    let refusals = [400, 401, 403, 404, 406, 500, 501, 502].map(Misbehaviour::status);
    for refusal in refusals.into_iter().chain([Misbehaviour::Drop]) {
        let place = place(true).await;
        let expected = inventory(&place);
        let what = format!("{refusal:?}");
        let registry =
            night(&place, script().with_faults(move |seen, _| (seen.method == "HEAD").then(|| refusal.clone())), 0)
                .await;
        assert_eq!(inventory(&place), expected, "{what}");
        let row = last_run(&place.path("inventory"), "quay");
        assert_eq!((row.verdict.as_str(), row.error_codes.len()), ("complete", 0), "{what}: {row:?}");
        let asked = registry.requests_to(FakeEndpoint::Manifest);
        let (heads, gets): (Vec<_>, Vec<_>) = asked.iter().partition(|seen| seen.method == "HEAD");
        // What the first tag costs, a login included; a GET for each tag, and no manifest again.
        let tags = usize::try_from(TAGS).unwrap() * REPOSITORIES.len();
        assert!((1..=4).contains(&heads.len()), "{what}: {}", heads.len());
        assert_eq!(gets.len(), tags, "{what}");
        assert_eq!(registry.count(FakeEndpoint::Blob), 0, "{what}");
    }
}
