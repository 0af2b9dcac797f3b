//! `stocktake run NAME --accept-shrink`: a person knows that the registry has lost something, and it is published once.

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};

use crate::daemon::scheduled_runs::NEVER;
use crate::support::client;
use crate::support::daemon::Daemon;
use crate::support::inventory::{last_run, repositories};
use crate::support::program::{Finished, LOGIN, Workplace, one_registry};

const ACCEPT: [&str; 3] = ["run", "quay", "--accept-shrink"];

fn names(count: usize) -> Script {
    Script::quay_like(RepositoryNames::generated(count, 1))
}

async fn night(place: &Workplace, script: Script, arguments: &[&str]) -> Finished {
    let registry = FakeRegistry::start(script).await.unwrap();
    place.configure(&one_registry(&registry.url(), LOGIN));
    place.run(arguments).await
}

async fn after_a_good_night(count: usize) -> Workplace {
    let place = Workplace::new();
    night(&place, names(count), &["run"]).await.exits(0);
    place
}

#[tokio::test]
async fn a_loss_is_accepted_once_and_the_next_night_is_compared_with_it() {
    let place = after_a_good_night(100).await;
    let command = "`stocktake run quay --accept-shrink`";
    let refused = night(&place, names(40), &["run"]).await.exits(1).says(command);
    assert!(refused.stderr.contains("[suspicious]"), "{}", refused.stderr);
    // A look at what would be: nothing is written.
    night(&place, names(40), &["run", "quay", "--accept-shrink", "--dry-run"]).await.exits(0);
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 100);

    night(&place, names(40), &ACCEPT).await.exits(0).says("a person has accepted for this run (`--accept-shrink`): ");
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 40);
    let row = last_run(&place.path("inventory"), "quay");
    assert_eq!((row.verdict.as_str(), &row.error_codes[..]), ("complete", &["shrink_accepted".to_owned()][..]));
    assert!(row.error_messages[0].contains("repositories: 100 last time, 40 now"), "{row:?}");

    // The same again is no loss any more, and a further loss is not accepted.
    night(&place, names(40), &["run"]).await.exits(0);
    night(&place, names(10), &["run"]).await.exits(1).says("repositories: 40 last time, 10 now").says(command);
}

#[tokio::test]
async fn everything_may_be_lost_if_there_was_something_and_stays_lost() {
    let place = after_a_good_night(30).await;
    night(&place, names(0), &["run"]).await.exits(1).says("`stocktake run quay --accept-shrink`");
    night(&place, names(0), &ACCEPT).await.exits(0).says("repositories: 30 last time, 0 now");
    assert!(repositories(&place.path("inventory"), "quay").is_empty());
    night(&place, names(0), &["run"]).await.exits(0);
}

#[tokio::test]
async fn without_an_earlier_inventory_there_is_no_loss_to_accept() {
    let place = Workplace::new();
    let ended = night(&place, names(0), &ACCEPT).await.exits(1).says("set `allow_empty: true`");
    assert!(!ended.stderr.contains("accept it for one run"), "{}", ended.stderr);
    assert!(ended.stderr.contains("no inventory was published; there is none yet"), "{}", ended.stderr);
}

#[tokio::test]
async fn what_is_no_loss_is_judged_as_ever() {
    let place = after_a_good_night(30).await;
    place.secret("password", "wrong");
    night(&place, names(30), &ACCEPT).await.exits(4);
    let denied = |script: Script| {
        script.with_faults(|seen, _| (seen.endpoint == FakeEndpoint::Tags).then(|| Misbehaviour::status(403)))
    };
    let script = Script { contents: FakeContents::uniform(2), ..Script::open(RepositoryNames::generated(30, 1)) };
    let registry = FakeRegistry::start(denied(script)).await.unwrap();
    place.configure(&one_registry(&registry.url(), "    depth: tags\n"));
    place.run(&ACCEPT).await.exits(4).says("not one of 30 repositories could be read");
}

#[tokio::test]
async fn it_is_only_for_registries_that_are_named() {
    let place = after_a_good_night(3).await;
    let refused = place.run(&["run", "--accept-shrink"]).await.exits(2);
    assert!(refused.stderr.contains("<REGISTRY>"), "{}", refused.stderr);
    place.run(&["run", "qauy", "--accept-shrink"]).await.exits(2).says("did you mean `quay`?");
}

#[tokio::test]
async fn the_daemon_takes_the_same_over_http() {
    let place = after_a_good_night(100).await;
    let registry = FakeRegistry::start(names(40)).await.unwrap();
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    let web = format!("listen: 127.0.0.1:0\nweb: {{allow_runs: true, basic_auth_users: {{ops: '{hash}'}}}}\n");
    place.configure(&(web + &one_registry(&registry.url(), &format!("{LOGIN}{NEVER}"))));
    let mut daemon = Daemon::start(&place).await;
    for (query, said) in [("", "accept it for one run"), ("?accept_shrink=true", "is complete: 40 repositories")] {
        let url = format!("{}/api/v1/registries/quay/run{query}", daemon.base);
        let answer = client().post(url).basic_auth("ops", Some("open sesame")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202);
        daemon.running.says_times(said, 1).await;
    }
    assert_eq!(repositories(&place.path("inventory"), "quay").len(), 40);
    daemon.stop().await.exits(0);
}
