//! Tags and manifests, from the real docker-registry to Parquet, and what a second night spares.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::docker_registry::{DockerRegistry, Mode};
use crate::support::held::{assert_is_what_was_pushed, reachable, told};
use crate::support::inventory::last_run;
use crate::support::program::{LOGIN, Workplace, one_registry};
use crate::support::push;

fn place(registry: &DockerRegistry, lines: &str) -> Workplace {
    let place = Workplace::with(&one_registry(&registry.url(), &format!("{LOGIN}{lines}")));
    place.secret("password", registry.password());
    let yaml = std::fs::read_to_string(place.path("stocktake.yaml")).unwrap();
    place.configure(&yaml.replace("acme+inventory", registry.username()));
    place
}

#[tokio::test]
async fn all_that_was_pushed_is_there_and_a_second_night_asks_only_where_tags_lead() {
    for mode in [Mode::Open, Mode::Token { lifetime: Duration::from_secs(2) }] {
        let registry = DockerRegistry::start(mode, []).await;
        let pushed = push::everything(&registry).await;
        let place = place(&registry, "    depth: manifests\n");
        place.run(&["run"]).await.exits(0).says("complete");
        let root = place.path("inventory");
        assert_is_what_was_pushed(&root, &pushed, &[]);
        let first = last_run(&root, "quay");
        assert_eq!((first.error_codes.len(), first.requests_saved), (2, 0), "{first:?}");

        place.run(&["run"]).await.exits(0).says("complete").says("saved");
        assert_is_what_was_pushed(&root, &pushed, &[]);
        let second = last_run(&root, "quay");
        let manifests = pushed.values().map(|held| reachable(held).len()).sum::<usize>();
        assert!(second.requests_saved > i64::try_from(manifests).unwrap(), "{manifests}: {second:?}");
        assert!(second.requests < first.requests, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn at_depth_tags_the_tags_are_there_and_no_manifest_is_asked_for() {
    let registry = DockerRegistry::start(Mode::Htpasswd, []).await;
    let pushed = push::everything(&registry).await;
    let place = place(&registry, "    depth: tags\n");
    place.run(&["run"]).await.exits(0).says("complete");
    let root = place.path("inventory");
    let expected: Vec<Value> = pushed
        .iter()
        .flat_map(|(repository, held)| held.tags.keys().map(move |tag| json!({"repository": repository, "tag": tag})))
        .collect();
    assert_eq!(told(&root, "tags"), expected);
    // The ping, a page of names, and a page of tags for each; and whether more follow 1500 tags, where 1000 were asked for.
    assert_eq!(last_run(&root, "quay").requests, 2 + i64::try_from(pushed.len()).unwrap() + 1);
}
