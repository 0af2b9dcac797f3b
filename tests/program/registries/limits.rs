//! A registry that limits how often it may be asked, by a rule that counts requests, so that no clock decides.

use fake_registry::{FakeContents, FakeEndpoint, FakeRegistry, Misbehaviour, RepositoryNames, Script};

use crate::support::inventory::{last_run, repositories};
use crate::support::program::{LOGIN, Workplace, one_registry};

#[tokio::test]
async fn a_run_slows_down_by_itself_loses_nothing_and_names_the_setting() {
    // The fourth list of tags and the fifth are turned away, and then each seventh.
    let script = Script::quay_like(RepositoryNames::generated(20, 1)).with_faults(|seen, nth| {
        let limited = seen.endpoint == FakeEndpoint::Tags && (nth == 4 || nth == 5 || nth % 7 == 0);
        limited.then(|| Misbehaviour::status(429).body("<html>429</html>"))
    });
    let script = Script { contents: FakeContents::uniform(1), ..script };
    let registry = FakeRegistry::start(script).await.unwrap();
    let place = Workplace::with(&one_registry(&registry.url(), &format!("{LOGIN}    depth: tags\n")));
    place.run(&["run"]).await.exits(0).says("`requests_per_second: ");
    let inventory = place.path("inventory");
    assert_eq!(repositories(&inventory, "quay").len(), 20);
    let row = last_run(&inventory, "quay");
    assert_eq!((row.verdict.as_str(), &row.error_codes[..]), ("complete", &["slowed_down".to_owned()][..]));
}
