//! Registries that refuse a page because of its size, whatever they answer.

use futures::future::join_all;

use super::*;
use fake_registry::{FakeContents, FakeEndpoint, Misbehaviour, SeenRequest};

fn stocked(count: usize) -> Script {
    Script { contents: FakeContents::uniform(2), ..Script::open(numbered(count).as_slice()) }
}

/// Refuses pages of more than `most` names at one endpoint; none: every request with a size.
fn refuses(
    endpoint: FakeEndpoint,
    most: Option<u32>,
    goes: Misbehaviour,
) -> impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static {
    move |seen, _| {
        let size = seen.query("n").and_then(|n| n.parse::<u32>().ok());
        (seen.endpoint == endpoint && size.is_some_and(|n| most.is_none_or(|most| n > most))).then(|| goes.clone())
    }
}

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

fn sizes(rig: &Rig, endpoint: FakeEndpoint) -> Vec<Option<String>> {
    rig.server.requests_to(endpoint).iter().map(|seen| seen.query("n")).collect()
}

const STATUSES: [u16; 9] = [400, 406, 409, 413, 414, 416, 422, 431, 499];

#[tokio::test]
async fn a_first_page_that_is_refused_is_asked_for_in_steps_down_and_the_size_is_remembered() {
    for status in STATUSES {
        for (most, steps) in [(Some(100), 1), (None, 2)] {
            let goes = Misbehaviour::status(status).body(r#"{"errors":[{"code":"TOO_MANY_TAGS_REQUESTED"}]}"#);
            let rig = anonymous(stocked(4).with_faults(refuses(FakeEndpoint::Tags, most, goes.clone()))).await;
            for name in numbered(4) {
                assert_eq!(rig.client.tags(&RepositoryRef::alone(&name)).await.expect("tags").names.len(), 2);
            }
            assert_eq!(rig.server.count(FakeEndpoint::Tags), 4 + steps, "{status}: learned by the first");
            let rig = anonymous(stocked(4).with_faults(refuses(FakeEndpoint::Catalog, most, goes))).await;
            assert_eq!(rig.names().await, numbered(4));
            assert_eq!(rig.server.count(FakeEndpoint::Catalog), 1 + steps, "{status}");
        }
    }
}

#[tokio::test]
async fn many_repositories_at_once_learn_the_size_in_a_few_requests() {
    let goes = Misbehaviour::status(413);
    let rig = anonymous(stocked(40).with_faults(refuses(FakeEndpoint::Tags, Some(100), goes))).await;
    let places: Vec<_> = numbered(40).iter().map(|name| RepositoryRef::alone(name)).collect();
    let all = join_all(places.iter().map(|place| rig.client.tags(place))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    // Those that were in flight, and the first, which goes alone.
    let refused = rig.server.requests_to(FakeEndpoint::Tags).iter().filter(|seen| seen.status == Some(413)).count();
    assert!(refused <= 40 && rig.server.count(FakeEndpoint::Tags) <= 80, "{refused}");
    let before = rig.server.count(FakeEndpoint::Tags);
    rig.client.tags(&places[0]).await.expect("tags");
    assert_eq!(rig.server.count(FakeEndpoint::Tags), before + 1);
}

#[tokio::test]
async fn a_limit_that_the_registry_states_is_used() {
    let body = r#"{"errors":[{"code":"TAG_LIMIT_EXCEEDED"}]}"#;
    for (limit, wanted) in [("50", "50"), (" 7 ", "7"), ("0", "100"), ("x", "100"), ("5000", "100")] {
        let goes = Misbehaviour::status(422).header("oci-tag-limit", limit).body(body);
        let most = wanted.parse().expect("a number");
        let rig = anonymous(stocked(2).with_faults(refuses(FakeEndpoint::Tags, Some(most), goes))).await;
        for name in numbered(2) {
            rig.client.tags(&RepositoryRef::alone(&name)).await.expect("tags");
        }
        let wanted = Some(wanted.to_owned());
        assert_eq!(sizes(&rig, FakeEndpoint::Tags), [Some("1000".into()), wanted.clone(), wanted], "{limit}");
    }
}

#[tokio::test]
async fn a_refusal_that_stays_without_a_size_is_reported_with_its_first_answer() {
    for endpoint in [FakeEndpoint::Tags, FakeEndpoint::Catalog] {
        let script = stocked(12).with_faults(move |seen, nth| {
            let body = format!(r#"{{"errors":[{{"code":"NO","message":"answer {nth}"}}]}}"#);
            (seen.endpoint == endpoint).then(|| Misbehaviour::status(422).body(body))
        });
        let rig = anonymous(script).await;
        let error = match endpoint {
            FakeEndpoint::Catalog => rig.error().await,
            _ => rig.client.tags(&RepositoryRef::alone("team/app-000000")).await.expect_err("refused"),
        };
        assert!(error.to_string().contains("422 `NO: answer 1`"), "{error}");
        assert_eq!(sizes(&rig, endpoint), [Some("1000".into()), Some("100".into()), None]);
        if endpoint == FakeEndpoint::Tags {
            for name in numbered(12) {
                rig.client.tags(&RepositoryRef::alone(&name)).await.expect_err("refused");
            }
            // After eight repositories in vain, the size is taken for innocent.
            assert_eq!(rig.server.count(endpoint), 8 * 3 + 5);
            assert_eq!(sizes(&rig, endpoint).last(), Some(&Some("1000".into())), "nothing is lowered");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_about_the_size_is_final() {
    for status in [401, 403, 404, 405, 407, 410] {
        let script = stocked(1).with_faults(move |seen, _| {
            let body = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;
            (seen.endpoint == FakeEndpoint::Tags).then(|| Misbehaviour::status(status).body(body))
        });
        let rig = anonymous(script).await;
        rig.client.tags(&RepositoryRef::alone("team/app-000000")).await.expect_err("refused");
        assert_eq!(rig.server.count(FakeEndpoint::Tags), 1, "{status}");
    }
}
