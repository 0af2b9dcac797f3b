//! Nights of which nothing, or nearly nothing, could be read: the last good inventory stays, at every size.

use std::collections::BTreeMap;

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script, SeenRequest};

use crate::support::inventory::{last_run, latest, table};
use crate::support::program::{Finished, Workplace, one_registry};

/// An open registry of so many repositories with two tags each.
fn script(size: usize) -> Script {
    Script { contents: FakeContents::uniform(2), ..Script::open(RepositoryNames::generated(size, 1)) }
}

async fn night(place: &Workplace, script: Script, lines: &str) -> Finished {
    let registry = FakeRegistry::start(script).await.unwrap();
    place.configure(&one_registry(&registry.url(), lines));
    place.run(&["run"]).await
}

fn error(status: u16, code: &str) -> Misbehaviour {
    Misbehaviour::status(status).body(format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#))
}

/// What is answered for every list of tags, and the verdicts and exit codes of a first and of a second night.
fn answers() -> Vec<(Misbehaviour, [(&'static str, i32); 2])> {
    let always = |verdict, code| [(verdict, code), (verdict, code)];
    vec![
        (error(403, "DENIED"), always("denied", 4)),
        (error(401, "UNAUTHORIZED"), always("denied", 4)),
        (Misbehaviour::status(200).body("<html>maintenance</html>"), always("failed", 1)),
        (Misbehaviour::status(200).body(r#"{"tags": null}"#), always("failed", 1)),
        (error(405, "UNSUPPORTED"), always("failed", 1)),
        (error(404, "NAME_UNKNOWN"), [("failed", 1), ("suspicious", 1)]),
    ]
}

fn at_tags(fault: Misbehaviour) -> impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static {
    move |seen, _| (seen.endpoint == FakeEndpoint::Tags).then(|| fault.clone())
}

#[tokio::test]
async fn nothing_readable_is_not_published_on_a_first_night_or_a_second_one() {
    for size in [1, 9, 20, 150] {
        let good = Workplace::new();
        night(&good, script(size), "    depth: tags\n").await.exits(0);
        let before = latest(&good.path("inventory"), "quay").unwrap();
        for (answer, [first, second]) in answers() {
            let place = Workplace::new();
            let told = night(&place, script(size).with_faults(at_tags(answer.clone())), "    depth: tags\n").await;
            told.exits(first.1).says("no inventory was published").says("what to do: ");
            assert_eq!(last_run(&place.path("inventory"), "quay").verdict, first.0, "{size} {answer:?}");
            assert!(latest(&place.path("inventory"), "quay").is_none(), "{size} {answer:?}");

            let told = night(&good, script(size).with_faults(at_tags(answer.clone())), "    depth: tags\n").await;
            told.exits(second.1).says("no inventory was published").says("what to do: ");
            let row = last_run(&good.path("inventory"), "quay");
            assert_eq!(row.verdict, second.0, "{size} {answer:?}");
            assert!(!row.error_messages.is_empty(), "{row:?}");
            assert_eq!(latest(&good.path("inventory"), "quay").unwrap(), before, "{size} {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_was_emptied_is_believed_where_that_is_allowed() {
    for answer in [Misbehaviour::status(200).body(r#"{"tags": null}"#), error(404, "NAME_UNKNOWN")] {
        let place = Workplace::new();
        night(&place, script(9), "    depth: tags\n").await.exits(0);
        let emptied = || script(9).with_faults(at_tags(answer.clone()));
        night(&place, emptied(), "    depth: tags\n    allow_empty: true\n").await.exits(0);
        assert!(table(&place.path("inventory"), "quay", "tags").is_empty());
        // It was accepted once, and is as it was.
        night(&place, emptied(), "    depth: tags\n").await.exits(0);
    }
}

#[tokio::test]
async fn many_repositories_that_are_newly_gone_are_suspicious_and_those_gone_before_are_not() {
    let gone = |share: usize| {
        script(100).with_faults(move |seen, _| {
            let number = RepositoryNames::generated(100, 1)
                .iter()
                .position(|name| seen.path().contains(&format!("/{name}/tags")));
            (seen.endpoint == FakeEndpoint::Tags && number.is_some_and(|number| number < share))
                .then(|| error(404, "NAME_UNKNOWN"))
        })
    };
    let place = Workplace::new();
    for (share, code) in [(60, 0), (60, 0), (68, 0), (99, 1)] {
        let ended = night(&place, gone(share), "    depth: tags\n").await.exits(code);
        if code == 1 {
            ended
                .says("31 repositories are newly gone; repositories with tags: 32 last time, 1 now")
                .says("what to do: ");
        }
    }
    let states = table(&place.path("inventory"), "quay", "repositories");
    let mut counts = BTreeMap::new();
    for row in &states {
        *counts.entry(row["state"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("complete".to_owned(), 32), ("gone".to_owned(), 68)]));
    night(&place, gone(99), "    depth: tags\n    shrink_limit: 1\n").await.exits(0);
}

#[tokio::test]
async fn tags_that_lose_their_digests_are_suspicious_at_every_size() {
    for size in [1, 9, 20, 150] {
        let place = Workplace::new();
        night(&place, script(size), "    depth: manifests\n").await.exits(0);
        let before = latest(&place.path("inventory"), "quay").unwrap();
        for fault in [error(403, "DENIED"), error(404, "MANIFEST_UNKNOWN")] {
            let refused = script(size)
                .with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Manifest).then(|| fault.clone()));
            let told = format!("tags with a digest: {} last time, 0 now", 2 * size);
            night(&place, refused, "    depth: manifests\n").await.exits(1).says("suspicious").says(&told);
            assert_eq!(latest(&place.path("inventory"), "quay").unwrap(), before, "{size}");
        }
        // Other depths than last night are no loss.
        night(&place, script(size), "    depth: tags\n").await.exits(0);
        night(&place, script(size), "    depth: repositories\n").await.exits(0);
        night(&place, script(size), "    depth: manifests\n").await.exits(0);
    }
}

#[tokio::test]
async fn an_empty_list_for_nobody_is_denied_where_the_registry_has_accounts() {
    for lines in ["    auth: none\n", ""] {
        let (place, registry) = (Workplace::new(), FakeRegistry::start(Script::quay_like(["a"])).await.unwrap());
        place.configure(&one_registry(&registry.url(), lines));
        place.run(&["run"]).await.exits(4).says("denied").says("configure `auth`");
        place.run(&["check"]).await.exits(4);
        assert!(latest(&place.path("inventory"), "quay").is_none());
        place.configure(&one_registry(&registry.url(), &format!("{lines}    allow_empty: true\n")));
        place.run(&["run"]).await.exits(0);
        place.run(&["check"]).await.exits(0);
        // An open registry hides nothing.
        let place = Workplace::new();
        night(&place, Script::open(RepositoryNames::default()), lines).await.exits(0);
    }
}
