//! Verdicts, exit codes and what each leaves behind, every one produced by a registry that behaves so.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fake_registry::{FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};

use crate::support::inventory::{self, RunRow, last_run, manifests, repositories};
use crate::support::program::{Finished, LOGIN, Workplace, one_registry};

// quay_like's catalog is asked once without credentials: its first page is answer 2, and so on.

/// A place with a complete inventory of these many repositories.
async fn after_a_good_night(count: usize) -> Workplace {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(count, 1))).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    place.run(&["run"]).await.exits(0);
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), count);
    place
}

/// One more run, of a registry that follows `script`.
async fn next_night(place: &Workplace, script: Script, lines: &str) -> Finished {
    let registry = FakeRegistry::start(script).await.unwrap();
    place.configure(&one_registry(&registry.url(), lines));
    place.run(&["run"]).await
}

/// Runs against a registry that gives no inventory: the one before stays whole and newest, and what is added is the
/// run's own row and its manifest.
async fn unpublishable(place: &Workplace, script: Script, lines: &str, code: i32, verdict: &str) -> (Finished, RunRow) {
    let before = place.tree("inventory");
    let ended = next_night(place, script, lines).await.exits(code);
    assert_eq!(ended.stdout, "");
    let after = place.tree("inventory");
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "what was there is unchanged");
    let added: BTreeMap<_, _> = after.iter().filter(|(name, _)| !before.contains_key(*name)).collect();
    let files: Vec<_> = added.keys().filter(|name| !name.ends_with('/')).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files[0].starts_with("v1/_runs/registry=quay/quay-") && files[0].ends_with("Z.g1.json"), "{files:?}");
    assert!(files[1].starts_with("v1/runs/registry=quay/snapshot_date="), "{files:?}");

    let manifests = manifests(&place.path("inventory"), "quay");
    let manifest = manifests.last().unwrap();
    assert_eq!(manifest["verdict"], verdict);
    assert_eq!(manifest["objects"].as_array().unwrap().len(), 1);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!(row.verdict, verdict);
    assert!(!row.error_codes.is_empty(), "the row says why: {row:?}");
    assert_eq!(place.tree("tmp").len(), 0);
    (ended.says("no inventory was published; the last good one, of 20").says(", is untouched"), row)
}

#[tokio::test]
async fn complete_is_0_and_published() {
    let place = after_a_good_night(250).await;
    let listed = repositories(&place.path("inventory"), "quay");
    assert!(listed.iter().map(String::as_str).eq(RepositoryNames::generated(250, 1).iter()));
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.pages, row.retries), ("complete", 3, 0));
    assert_eq!((row.token_requests, row.rows_repositories, row.error_codes.len()), (1, 250, 0));
    // A second run is a run of its own, also within the same second.
    next_night(&place, Script::quay_like(RepositoryNames::generated(251, 1)), LOGIN).await.exits(0);
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 2);
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 251);
}

#[tokio::test]
async fn a_passing_failure_is_retried_and_counted() {
    let script = Script::quay_like(RepositoryNames::generated(250, 1)).with_faults(|seen, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth == 3).then(|| Misbehaviour::status(502))
    });
    let place = Workplace::new();
    next_night(&place, script, LOGIN).await.exits(0);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.pages, row.retries, row.rows_repositories), ("complete", 3, 1, 250));
}

#[tokio::test]
async fn gaps_are_3_and_published_with_what_is_missing() {
    let place = Workplace::new();
    next_night(&place, Script::open(["a", "Not/A/Name", "b"]), "").await.exits(3).says("1 of 3");
    assert_eq!(repositories(&place.path("inventory"), "quay"), ["a", "b"]);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), row.rows_repositories), ("gaps", 2));
    assert!(row.error_codes.contains(&"name_invalid".to_owned()), "{row:?}");
    assert!(row.error_messages.iter().any(|message| message.ends_with(": Not/A/Name")), "{row:?}");
    assert_eq!(inventory::latest(&place.path("inventory"), "quay").unwrap()["verdict"], "gaps");
}

#[tokio::test]
async fn a_list_cut_short_is_3_and_not_published() {
    let place = after_a_good_night(250).await;
    let unknown = Misbehaviour::status(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#);
    for fault in
        [unknown, Misbehaviour::status(200).body("{\"repositories\":[\"a\""), Misbehaviour::status(200).body("<html>")]
    {
        let script = Script::quay_like(RepositoryNames::generated(250, 1))
            .with_faults(move |seen, nth| (seen.endpoint == FakeEndpoint::Catalog && nth == 4).then(|| fault.clone()));
        let (ended, row) = unpublishable(&place, script, LOGIN, 3, "partial").await;
        ended.says("quay: catalog page 3: ").says("what to do: ");
        assert_eq!((row.pages, row.rows_repositories, row.error_codes[0].as_str()), (2, 200, "protocol"));
    }
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 250);
}

#[tokio::test]
async fn a_wrong_password_is_4_and_asked_once() {
    let place = after_a_good_night(30).await;
    place.secret("password", "not it");
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    place.configure(&one_registry(&registry.url(), LOGIN));
    place.run(&["run"]).await.exits(4);
    assert_eq!(registry.count(FakeEndpoint::Token), 1, "no account is locked by our insisting");

    let (ended, row) = unpublishable(&place, Script::quay_like(["a"]), LOGIN, 4, "denied").await;
    let ended = ended.says("[credentials_rejected]").says("what to do: ");
    // One truth about what happens next.
    let next = "what happens next: the next scheduled run sends them again; after 1 more refusal in a row, none does";
    let ended = ended.says(next);
    assert!(!ended.stderr.contains("not tried again"), "{}", ended.stderr);
    let table = ended.stderr.lines().find(|line| line.trim_start().starts_with("quay ")).unwrap();
    assert!(table.trim_end().ends_with(" -"), "no fraction beside the sinks of a denied run: {table}");
    assert_eq!((row.error_codes[0].as_str(), row.retries), ("credentials_rejected", 0));
}

#[tokio::test]
async fn a_password_that_cannot_be_read_is_4() {
    let place = after_a_good_night(30).await;
    fs::remove_file(place.path("password")).unwrap();
    let (ended, row) = unpublishable(&place, Script::quay_like(["a"]), LOGIN, 4, "failed").await;
    ended.says("password: there is no such file");
    assert_eq!(row.error_codes[0], "secret_unreadable");
}

#[tokio::test]
async fn a_password_that_others_can_read_is_4_and_not_sent() {
    let place = after_a_good_night(30).await;
    fs::set_permissions(place.path("password"), fs::Permissions::from_mode(0o644)).unwrap();
    let (ended, row) = unpublishable(&place, Script::quay_like(["a"]), LOGIN, 4, "failed").await;
    ended.says("password");
    assert_eq!((row.error_codes[0].as_str(), row.token_requests), ("secret_unreadable", 0));
}

#[tokio::test]
async fn no_catalog_is_1() {
    let place = after_a_good_night(30).await;
    let script = Script::quay_like(["a"])
        .with_faults(|seen, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(404)));
    let (_, row) = unpublishable(&place, script, LOGIN, 1, "unsupported").await;
    assert_eq!(row.error_codes[0], "unsupported");
}

#[tokio::test]
async fn no_registry_at_all_is_1() {
    let place = after_a_good_night(30).await;
    let script = Script::open(["a"]).with_faults(|_, _| Some(Misbehaviour::status(501)));
    let (_, row) = unpublishable(&place, script, "", 1, "failed").await;
    assert_eq!(row.pages, 0);
}

#[tokio::test]
async fn an_empty_registry_is_suspicious_unless_allowed() {
    let place = after_a_good_night(30).await;
    let empty = || Script::quay_like([]);
    let (ended, row) = unpublishable(&place, empty(), LOGIN, 1, "suspicious").await;
    ended.says("set `allow_empty: true`");
    assert_eq!(row.error_codes, ["suspicious"]);
    next_night(&place, empty(), &format!("{LOGIN}    allow_empty: true\n")).await.exits(0);
    assert!(repositories(&place.path("inventory"), "quay").is_empty());
}

#[tokio::test]
async fn a_shrunken_registry_is_suspicious_unless_allowed() {
    let place = after_a_good_night(100).await;
    let left = |count| Script::quay_like(RepositoryNames::generated(count, 1));
    let (ended, _) = unpublishable(&place, left(79), LOGIN, 1, "suspicious").await;
    ended.says("repositories: 100 last time, 79 now (21%").says("what to do: ");
    // What was not published is not what the next run is compared with.
    unpublishable(&place, left(79), LOGIN, 1, "suspicious").await;
    next_night(&place, left(80), LOGIN).await.exits(0);
    next_night(&place, left(1), &format!("{LOGIN}    shrink_limit: 1\n")).await.exits(0);
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 1);
}

#[tokio::test]
async fn a_failing_sink_is_1_disturbs_no_other_and_is_made_up_for() {
    let registry = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
    let feed = "  feed: {type: json, url: ./feed}\nregistries:";
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN).replace("registries:", feed));
    fs::write(place.path("feed"), "in the way").unwrap();
    let ended = place.run(&["run"]).await.exits(1).says("quay → feed: not delivered: ");
    assert!(ended.stderr.lines().any(|line| line.trim_end().ends_with(" 1/2")), "{}", ended.stderr);
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 150);
    assert_eq!(fs::read(place.path("feed")).unwrap(), b"in the way");

    // No longer in the way: both snapshots are owed.
    let first = inventory::latest(&place.path("inventory"), "quay").unwrap()["run_id"].clone();
    fs::remove_file(place.path("feed")).unwrap();
    place.run(&["run"]).await.exits(0).says("the oldest is delivered first");
    let feed = manifests(&place.path("feed"), "quay");
    assert_eq!(feed.len(), 2);
    assert_eq!(feed[0]["run_id"], first, "the run that failed there, delivered again");
    assert_eq!(feed[0]["objects"][0]["rows"], 150);
    assert_eq!(manifests(&place.path("inventory"), "quay").len(), 2, "the other sink had it already");
}

#[tokio::test]
async fn a_snapshot_that_every_sink_has_is_not_missed_when_it_is_damaged() {
    let place = after_a_good_night(30).await;
    let sealed = place.tree("state/quay").into_keys().find(|name| name.ends_with("/sealed.json")).unwrap();
    fs::remove_file(place.path("state/quay").join(sealed)).unwrap();
    let ended = next_night(&place, Script::quay_like(RepositoryNames::generated(30, 1)), LOGIN).await.exits(0);
    assert!(!ended.stderr.contains("not delivered"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_spoken_of() {
    let place = after_a_good_night(30).await;
    let pointer = place.path("state/quay/state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&pointer).unwrap()).unwrap();
    let ahead = stocktake::clock::now() + chrono::TimeDelta::hours(2);
    state["last_slot"] = ahead.to_rfc3339().into();
    fs::write(&pointer, state.to_string()).unwrap();
    let script = Script::quay_like(RepositoryNames::generated(30, 1));
    next_night(&place, script, LOGIN).await.exits(0).says("is ahead of the clock");
}

#[tokio::test]
async fn registries_do_not_disturb_each_other() {
    let good = FakeRegistry::start(Script::quay_like(RepositoryNames::generated(150, 1))).await.unwrap();
    let bad = Script::quay_like(["a"]).with_token(|token| token.password = "another".to_owned());
    let bad = FakeRegistry::start(bad).await.unwrap();
    let empty = FakeRegistry::start(Script::quay_like([])).await.unwrap();
    let entry = |name, url| format!("  - name: {name}\n    url: {url}\n{LOGIN}");
    let bad = one_registry(&bad.url(), LOGIN).replace("name: quay", "name: bad");
    let yaml = bad + &entry("good", good.url()) + &entry("empty", empty.url());
    let place = Workplace::with(&yaml);
    // The worst decides: 4 over the 1 of the empty one.
    let ended = place.run(&["run"]).await.exits(4);
    let rows = ended.stderr.lines().skip_while(|line| !line.trim_start().starts_with("registry")).skip(1).take(3);
    let verdicts: Vec<Vec<_>> = rows.map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(verdicts, [["bad", "denied"], ["good", "complete"], ["empty", "suspicious"]], "{}", ended.stderr);
    assert_eq!(repositories(&place.path("inventory"), "good").len(), 150);
    for unpublished in ["bad", "empty"] {
        assert!(inventory::latest(&place.path("inventory"), unpublished).is_none());
        assert_eq!(manifests(&place.path("inventory"), unpublished).len(), 1);
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_used_is_1_before_anything_is_asked_or_published() {
    let registry = FakeRegistry::start(Script::quay_like(["a"])).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), LOGIN));
    fs::write(place.path("state"), "in the way").unwrap();
    place.run(&["run"]).await.exits(1).says("not begun").says("look at the state directory's disk");
    fs::remove_file(place.path("state")).unwrap();
    fs::create_dir_all(place.path("state/quay")).unwrap();
    fs::write(place.path("state/quay/state.json"), "{").unwrap();
    for arguments in [&["run"][..], &["run", "--dry-run"]] {
        place.run(arguments).await.exits(1).says("state.json is not a state file of stocktake; move it away");
    }
    assert!(registry.requests().is_empty());
    assert!(!place.path("inventory").exists());
}
