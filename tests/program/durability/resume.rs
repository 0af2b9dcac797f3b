//! Walks that are cut off, by a signal, a kill or the network, and taken up again by the next run: never a name lost, none
//! twice, nothing asked again but what was under way.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use fake_registry::{FakeContents, FakeEndpoint, LinkStyle, Misbehaviour, RepositoryNames, Script, SeenRequest};
use serde_json::json;
use tokio::time::sleep;

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::inventory::{last_run, manifests, repositories};
use crate::support::program::{Finished, LOGIN, Workplace, one_registry};
use crate::support::push::Pusher;
use crate::support::site::Installation;
use crate::support::stage::{NAMES, PAGE, Stage, WIDTH, asked_again, content, names, script, targets};

#[tokio::test]
async fn a_walk_told_to_stop_is_gone_on_with_at_every_depth_and_ends_as_if_nothing_had_been() {
    const MONITORED: &str = "    monitored_repositories: [hidden/one, HIDDEN/none]\n";
    for (lines, endpoint, answered) in [
        ("", FakeEndpoint::Catalog, 7),
        ("    split: always\n", FakeEndpoint::Catalog, 9),
        (MONITORED, FakeEndpoint::Catalog, 7),
        ("    depth: tags\n", FakeEndpoint::Catalog, 7),
        ("    depth: tags\n", FakeEndpoint::Tags, 33),
        ("    depth: tags\n    split: always\n", FakeEndpoint::Catalog, 9),
        (&*format!("    depth: tags\n{MONITORED}"), FakeEndpoint::Tags, 1),
        (&*format!("    depth: tags\n{MONITORED}"), FakeEndpoint::Tags, 61),
        ("    depth: manifests\n", FakeEndpoint::Blob, 150),
        ("    depth: manifests\n    max_repositories: 50\n", FakeEndpoint::Manifest, 70),
        ("    depth: manifests\n    exclude: ['team-01/*']\n    split: always\n", FakeEndpoint::Catalog, 12),
    ] {
        let case = format!("{lines} {endpoint:?} {answered}");
        let stage = Stage::new(script(), lines).await;
        let expected = stage.undisturbed().await;
        let (ended, first) = stage.stop_at(endpoint, answered).await;
        ended.says("another run can resume the walk");
        assert!(manifests(&stage.place.path("inventory"), "quay").is_empty());

        let (ended, second) = stage.run().await;
        ended.exits(0).says("resumes the walk of ").says("interrupted at ").says("complete");
        assert_eq!(content(&stage.place), expected, "{case}");
        // One page may have come, and one been read ahead, without being entered; of a split walk, one on each connection.
        let pages = asked_again(&first, &second, FakeEndpoint::Catalog);
        let allowed = if lines.contains("split") { WIDTH } else { 2 };
        assert!(pages.len() <= allowed, "{case}: {pages:?}");
        let again: BTreeSet<_> = asked_again(&first, &second, FakeEndpoint::Tags).into_iter().collect();
        assert!(again.len() <= WIDTH, "{case}: {again:?}");
        stage.assert_nothing_left();
        let row = last_run(&stage.place.path("inventory"), "quay");
        assert_eq!(row.rows_repositories, i64::try_from(expected["repositories"].len()).unwrap(), "{case}");
        assert!(row.error_codes.contains(&"resumed".to_owned()), "{case}: {row:?}");
        if !lines.contains("split") && !lines.contains("max_repositories") {
            assert_eq!(row.pages, 20, "{case}: {row:?}");
        }
    }
}

#[tokio::test]
async fn a_walk_of_docker_registry_is_gone_on_with() {
    let listed = RepositoryNames::generated(60, 3);
    let registry = DockerRegistry::start(Mode::Htpasswd, listed.iter()).await;
    let mut pusher = Pusher::new(&registry, "acme/app");
    let image = pusher.image(fake_registry::OCI_IMAGE, "linux/amd64", "v1").await;
    pusher.tag("v1", &image).await;
    // Slow enough to be met in mid-walk.
    let lines = "    depth: tags\n    page_size: 10\n    concurrency: 2\n    requests_per_second: 40\n";
    let yaml = one_registry(&registry.url(), &format!("{LOGIN}{lines}"));
    let place = Workplace::with(&yaml);
    let running = place.start(&["run"]);
    let read = |log: &str| listed.iter().filter(|name| log.contains(&format!("/v2/{name}/tags/list"))).count();
    while read(&registry.log()) < 20 {
        sleep(Duration::from_millis(5)).await;
    }
    running.signal("TERM").await;
    running.end().await.exits(130);
    let before = registry.log();
    place.run(&["run"]).await.exits(0).says("resumes the walk of ");
    let after = registry.log();
    let after = &after[before.len()..];

    let undisturbed = Workplace::with(&yaml);
    undisturbed.run(&["run"]).await.exits(0);
    assert_eq!(content(&place), content(&undisturbed));
    assert_eq!(content(&place)["repositories"].len(), 61);
    assert!(read(after) + 15 < 60 && read(&before) + read(after) <= 62, "{} {}", read(&before), read(after));
}

#[tokio::test]
async fn a_resumed_walk_that_is_stopped_again_is_finished_by_the_third_run() {
    let stage = Stage::new(script(), "    depth: tags\n    monitored_repositories: [hidden/one]\n").await;
    let expected = stage.undisturbed().await;
    let (_, mut asked) = stage.stop_at(FakeEndpoint::Tags, 40).await;
    let begun_at = stage.checkpoint().expect("a checkpoint")["note"]["begun_at"].clone();
    let (ended, second) = stage.stop_at(FakeEndpoint::Tags, 50).await;
    ended.says("resumes the walk of ").says("another run can resume the walk");
    assert_eq!(stage.checkpoint().expect("a checkpoint")["note"]["begun_at"], begun_at, "it does not become younger");
    asked.extend(second);
    let (ended, third) = stage.run().await;
    ended.exits(0).says("resumes the walk of ");
    assert!(asked_again(&asked, &third, FakeEndpoint::Tags).len() <= 2 * WIDTH);
    assert_eq!(content(&stage.place), expected);
    stage.assert_nothing_left();
}

/// The way to one endpoint goes, and comes again after the run has given up. The others stay: whether the list of names had
/// ended by then would otherwise depend on how busy the machine is.
async fn network_gone(stage: &Stage, endpoint: FakeEndpoint, answered: usize) -> (Finished, Vec<SeenRequest>) {
    let mut count = 0;
    stage.misbehave(move |seen| {
        count += usize::from(seen.endpoint == endpoint);
        (seen.endpoint == endpoint && count > answered).then_some(Misbehaviour::Drop)
    });
    let done = stage.run().await;
    stage.behave();
    done
}

#[tokio::test]
async fn a_network_that_goes_while_names_are_listed_is_partial_twice_and_the_third_run_finishes() {
    let stage = Stage::new(script(), "").await;
    stage.place.run(&["run"]).await.exits(0);
    let (good, expected) = (stage.place.tree("inventory"), content(&stage.place));
    for answered in [5, 6] {
        let (ended, requests) = network_gone(&stage, FakeEndpoint::Catalog, answered).await;
        ended.exits(3).says("partial").says("no inventory was published; the last good one, of 20");
        let pages = targets(&requests, FakeEndpoint::Catalog).iter().filter(|request| request.status.is_some()).count();
        assert_eq!(pages, answered);
        let now = stage.place.tree("inventory");
        assert!(good.iter().all(|(name, bytes)| now.get(name) == Some(bytes)), "the last inventory is untouched");
        assert_eq!(last_run(&stage.place.path("inventory"), "quay").verdict, "partial");
    }
    let row = last_run(&stage.place.path("inventory"), "quay");
    assert_eq!((row.pages, row.rows_repositories), (11, 110), "what both runs listed: {row:?}");
    let (ended, requests) = stage.run().await;
    ended.exits(0).says("resumes the walk of ").says("after 11 pages and 110 names");
    // Nine pages, and whether the last of them, which is full, is the last.
    assert_eq!(targets(&requests, FakeEndpoint::Catalog).len(), 9 + 1);
    assert_eq!(content(&stage.place), expected);
    stage.assert_nothing_left();
}

#[tokio::test]
async fn a_network_that_goes_while_repositories_are_read_is_partial_and_the_next_run_finishes() {
    let stage = Stage::new(script(), "    depth: tags\n").await;
    let expected = stage.undisturbed().await;
    let (ended, first) = network_gone(&stage, FakeEndpoint::Tags, 60).await;
    ended.exits(3).says("partial");
    assert!(manifests(&stage.place.path("inventory"), "quay").iter().all(|manifest| manifest["verdict"] == "partial"));
    let (ended, second) = stage.run().await;
    ended.exits(0).says("resumes the walk of ").says("of them still to be read");
    assert_eq!(asked_again(&first, &second, FakeEndpoint::Tags), Vec::<&str>::new());
    assert_eq!(content(&stage.place), expected);
}

#[tokio::test]
async fn a_network_that_goes_at_the_question_after_the_last_page_costs_no_repository_a_second_reading() {
    let by_link_to_an_empty_page = Script { empty_last_page: true, ..script() };
    let by_cursor = Script { link: LinkStyle::Opaque, ..script() };
    for (what, script) in [("by name", script()), ("by link", by_link_to_an_empty_page), ("by cursor", by_cursor)] {
        let kind = if what == "by cursor" { "    kind: quay\n" } else { "" };
        let stage = Stage::new(script, &format!("    depth: tags\n    split: off\n{kind}")).await;
        let expected = stage.undisturbed().await;
        let (ended, first) = network_gone(&stage, FakeEndpoint::Catalog, NAMES / PAGE).await;
        ended.exits(3).says("partial");
        let read = targets(&first, FakeEndpoint::Tags).len();
        assert!(read > NAMES / 2, "{what}: {read}");
        let (ended, second) = stage.run().await;
        ended.exits(0).says("resumes the walk of ").says("complete");
        // On a busy machine, some may be on their way when the walk gives up.
        let again = asked_again(&first, &second, FakeEndpoint::Tags);
        assert!(again.len() <= WIDTH, "{what}: {again:?}");
        let pages = targets(&second, FakeEndpoint::Catalog).len();
        assert!(pages <= 3, "{what}: {pages}");
        assert_eq!(content(&stage.place), expected, "{what}");
        stage.assert_nothing_left();
    }
}

/// What a server gives that can do nothing with a cursor.
fn page(names: impl IntoIterator<Item = String>, link: &str) -> Misbehaviour {
    let body = json!({"repositories": names.into_iter().collect::<Vec<_>>()}).to_string();
    let page = Misbehaviour::status(200).body(body);
    if link.is_empty() { page } else { page.header("link", &format!("</v2/_catalog?last={link}&n=10>; rel=\"next\"")) }
}

#[tokio::test]
async fn a_cursor_that_does_not_work_any_more_begins_anew_says_so_and_loses_nothing() {
    let all: Vec<String> = names().iter().map(str::to_owned).collect();
    let first_page = || page(all[..10].to_vec(), "team-0");
    let answers = [
        ("400", Misbehaviour::status(400).body(r#"{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}"#)),
        ("404", Misbehaviour::status(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)),
        ("page 1", first_page()),
        ("page 1 of a list without one of its names", page(all[1..11].to_vec(), "team-0")),
        ("page 1 with one more", page(["aaa/new".to_owned()].into_iter().chain(all[..9].to_vec()), "team-0")),
        ("another order", page(all[100..105].iter().chain(&all[..5]).cloned(), "team-0")),
        ("another order, of two names", page([all[150].clone(), all[3].clone()], "team-0")),
        ("nothing any more", page([], "")),
        ("a last page of known names", page(all[..5].to_vec(), "")),
        ("no JSON", Misbehaviour::status(200).body("<html>")),
        (
            "a link elsewhere",
            Misbehaviour::status(200)
                .body(json!({"repositories": &all[80..90]}).to_string())
                .header("link", "<http://127.0.0.1:1/>; rel=\"next\""),
        ),
    ];
    let lines = ["", "    depth: tags\n", "    include: ['**/service-*5*']\n    depth: tags\n"];
    for (what, answer) in answers {
        for lines in lines {
            let case = format!("{what} {lines}");
            let stage = Stage::new(script(), lines).await;
            let expected = stage.undisturbed().await;
            stage.stop_at(FakeEndpoint::Catalog, 8).await;
            let mut once = Some(answer.clone());
            stage.misbehave(move |seen| if seen.endpoint == FakeEndpoint::Catalog { once.take() } else { None });
            let (ended, second) = stage.run().await;
            ended
                .exits(0)
                .says("resumes the walk of ")
                .says("starts again from the first page, as the walk cannot be resumed");
            assert_eq!(content(&stage.place), expected, "{case}");
            // The one that went astray, those that may be asked for before that shows, and whether the last page is the last.
            assert!((22..=24).contains(&targets(&second, FakeEndpoint::Catalog).len()), "{case}");
            let row = last_run(&stage.place.path("inventory"), "quay");
            assert!(!row.error_codes.contains(&"resumed".to_owned()) && row.pages == 20, "{case}: {row:?}");
        }
    }
}

/// Something that happens between two runs.
type Change = Box<dyn Fn(&Stage)>;

#[tokio::test]
async fn a_walk_that_is_not_to_be_gone_on_with_begins_anew_says_so_and_leaves_nothing() {
    let hours = |hours: i64| (stocktake::clock::now() + chrono::TimeDelta::hours(hours)).to_rfc3339();
    let older: Change = Box::new(move |stage| stage.change_checkpoint(|note| note["begun_at"] = json!(hours(-2))));
    let ahead: Change = Box::new(move |stage| stage.change_checkpoint(|note| note["begun_at"] = json!(hours(2))));
    let configured = |lines: &'static str| -> Change {
        Box::new(move |stage| stage.place.configure(&format!("{}{lines}", stage.yaml)))
    };
    for (why, change) in [
        ("it is older than `resume_within`", older),
        ("it begins in the future", ahead),
        ("the configuration has changed", configured("    max_repositories: 1000\n")),
        ("`resume_within` is off", configured("    resume_within: off\n")),
        ("`resume_within` is off", configured("    resume_within: 0\n")),
    ] {
        let stage = Stage::new(script(), "    depth: tags\n").await;
        let expected = stage.undisturbed().await;
        stage.stop_at(FakeEndpoint::Tags, 20).await;
        change(&stage);
        let (ended, second) = stage.run().await;
        ended.exits(0).says("the interrupted walk is not resumed").says(why);
        assert_eq!(targets(&second, FakeEndpoint::Catalog).len(), 20 + 1, "{why}");
        assert_eq!(content(&stage.place), expected);
        stage.assert_nothing_left();
    }
}

#[tokio::test]
async fn where_walks_are_not_gone_on_with_none_is_kept() {
    let stage = Stage::new(script(), "    resume_within: off\n").await;
    let (ended, _) = stage.stop_at(FakeEndpoint::Catalog, 5).await;
    assert!(!ended.stderr.contains("go on from here"), "{}", ended.stderr);
    stage.assert_nothing_left();
    let (ended, second) = stage.run().await;
    ended.exits(0);
    assert_eq!(targets(&second, FakeEndpoint::Catalog).len(), 20 + 1);
}

#[tokio::test]
async fn a_checkpoint_that_is_damaged_begins_anew() {
    for damage in ["{", "", "{\"version\":1,\"tables\":{},\"note\":{}}"] {
        let stage = Stage::new(script(), "").await;
        let expected = stage.undisturbed().await;
        stage.stop_at(FakeEndpoint::Catalog, 5).await;
        fs::write(stage.place.path("state/quay/walk/checkpoint.json"), damage).unwrap();
        stage.run().await.0.exits(0);
        assert_eq!(content(&stage.place), expected, "{damage}");
        stage.assert_nothing_left();
    }
    // The rows that it names are not whole.
    let stage = Stage::new(script(), "").await;
    let expected = stage.undisturbed().await;
    stage.stop_at(FakeEndpoint::Catalog, 5).await;
    let tree = stage.place.tree("state/quay/walk");
    let (segment, bytes) = tree.iter().find(|(name, _)| name.ends_with(".segment")).unwrap();
    fs::write(stage.place.path("state/quay/walk").join(segment), &bytes[..bytes.len() / 2]).unwrap();
    stage.run().await.0.exits(0);
    assert_eq!(content(&stage.place), expected);
    stage.assert_nothing_left();
}

#[tokio::test]
async fn a_dry_run_neither_uses_nor_touches_a_walk_that_may_be_gone_on_with() {
    let stage = Stage::new(script(), "    depth: tags\n").await;
    stage.stop_at(FakeEndpoint::Tags, 30).await;
    let before = stage.place.tree("state");
    let asked = stage.registry.requests().len();
    let ended = stage.place.run(&["run", "--dry-run"]).await.exits(0);
    assert!(!ended.stderr.contains("resumes the walk"), "{}", ended.stderr);
    assert_eq!(targets(&stage.registry.requests()[asked..], FakeEndpoint::Tags).len(), NAMES);
    assert_eq!(stage.place.tree("state"), before);
    stage.run().await.0.exits(0).says("resumes the walk of ");
}

#[tokio::test]
async fn a_second_process_does_not_touch_the_walk_that_another_goes_on_with() {
    let stage = Stage::new(script(), "    depth: tags\n").await;
    let expected = stage.undisturbed().await;
    stage.stop_at(FakeEndpoint::Tags, 30).await;
    let stuck = stage.hang_after(FakeEndpoint::Tags, 10);
    let first = stage.place.start(&["run"]);
    stuck.notified().await;
    // With other settings it would begin anew.
    let yaml = fs::read_to_string(stage.place.path("stocktake.yaml")).unwrap();
    stage.place.configure(&yaml.replace("depth: tags", "depth: repositories"));
    stage.place.run(&["run"]).await.exits(1).says("another run of this registry is in progress");
    stage.place.configure(&yaml);
    first.signal("TERM").await;
    first.end().await.exits(130).says("another run can resume the walk");
    stage.behave();
    stage.run().await.0.exits(0).says("resumes the walk of ");
    assert_eq!(content(&stage.place), expected);
}

#[tokio::test]
async fn a_walk_of_which_nothing_is_entered_yet_is_not_kept() {
    let stage = Stage::new(script(), "").await;
    let (ended, _) = stage.stop_at(FakeEndpoint::Catalog, 0).await;
    assert!(!ended.stderr.contains("go on from here"), "{}", ended.stderr);
    stage.assert_nothing_left();
}

#[tokio::test]
async fn credentials_refused_on_the_way_on_are_4_and_what_was_published_stays() {
    let shape = Script { contents: FakeContents::uniform(1), ..Script::quay_like(names()) };
    let stage = Stage::new(shape, LOGIN).await;
    stage.stop_at(FakeEndpoint::Catalog, 2).await;
    stage.misbehave(|seen| (seen.endpoint == FakeEndpoint::Token).then(|| Misbehaviour::status(401)));
    stage.run().await.0.exits(4);
    stage.behave();
    stage.run().await.0.exits(0);
    assert_eq!(repositories(&stage.place.path("inventory"), "quay").len(), NAMES);
    stage.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fills_the_disk_and_is_of_no_use_is_removed_before_anything_is_written() {
    let site = Installation::on_small_disk(3000, "state", 2048);
    site.must_run(0).await;
    let walk = site.state().join("walk");
    fs::create_dir(&walk).unwrap();
    let note = json!({"fingerprint": "another", "begun_at": stocktake::clock::now(), "ended_at": stocktake::clock::now(),
        "pages": "None", "pending": [], "books": {}});
    let tables = json!({"repositories": [{"number": 0, "widest": 1}]});
    fs::write(walk.join("checkpoint.json"), json!({"version": 1, "tables": tables, "note": note}).to_string()).unwrap();
    site.disk().fill(0);
    fs::rename(site.disk().ballast(), walk.join("repositories.0.segment")).unwrap();
    site.must_run(1).await;
    site.assert_tidy();
}
