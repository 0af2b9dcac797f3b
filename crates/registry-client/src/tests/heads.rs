//! HEAD is the cheap way to resolve a tag: if anything is wrong with its answer, a GET decides.

use futures::future::join_all;

use super::*;
use fake_registry::{FakeEndpoint, Misbehaviour, SeenRequest};

const TAGS: u32 = 40;

fn tag(number: u32) -> String {
    format!("v{number}")
}

/// An open server whose repository `a` has tags, and whose HEADs fail.
async fn rig(head: impl Fn(&SeenRequest) -> Option<Misbehaviour> + Send + Sync + 'static) -> Rig {
    let script = Script { contents: fake_registry::FakeContents::uniform(TAGS), ..Script::open(["a"]) };
    let script = script.with_faults(move |seen, _| if seen.method == "HEAD" { head(seen) } else { None });
    Rig::with(script, |settings| {
        settings.auth = Auth::None;
        settings.timeout = Duration::from_millis(500);
    })
    .await
}

fn heads(rig: &Rig) -> usize {
    rig.server.requests_to(FakeEndpoint::Manifest).iter().filter(|seen| seen.method == "HEAD").count()
}

async fn assert_resolves(rig: &Rig, number: u32, what: &str) {
    let place = RepositoryRef::alone("a");
    let resolved = rig.client.resolve(&place, &tag(number)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let manifest = rig.client.manifest(&place, &resolved.digest).await.expect("a manifest");
    assert_eq!((manifest.digest, Some(manifest.size)), (resolved.digest, resolved.size), "{what}");
}

#[tokio::test]
async fn whatever_goes_wrong_with_head_a_get_decides_and_head_is_left_alone() {
    let html = Misbehaviour::status(200).header("content-type", "text/html");
    let statuses = [400, 401, 403, 404, 405, 406, 408, 410, 418, 500, 501, 502, 503, 504].map(Misbehaviour::status);
    for goes in statuses.into_iter().chain([html, Misbehaviour::status(204), Misbehaviour::Drop, Misbehaviour::Hang]) {
        let what = format!("{goes:?}");
        let rig = rig(move |_| Some(goes.clone())).await;
        for number in 0..3 {
            assert_resolves(&rig, number, &what).await;
        }
        assert_eq!(heads(&rig), 1, "{what}");
    }
}

#[tokio::test]
async fn a_head_refused_by_redirecting_elsewhere_is_decided_by_get() {
    let away = Misbehaviour::status(302).header("location", "https://login.example.test/");
    let rig = rig(move |_| Some(away.clone())).await;
    assert_resolves(&rig, 0, "redirected").await;
    assert_eq!(heads(&rig), 1);
}

#[tokio::test]
async fn where_head_meets_silence_one_request_waits_for_it_and_not_all() {
    let rig = rig(|_| Some(Misbehaviour::Hang)).await;
    let place = RepositoryRef::alone("a");
    let tags: Vec<_> = (0..16).map(tag).collect();
    let all = join_all(tags.iter().map(|tag| rig.client.resolve(&place, tag))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(heads(&rig), 1);
}

#[tokio::test]
async fn a_head_that_failed_once_is_tried_again_after_a_while() {
    let failed = std::sync::atomic::AtomicBool::new(false);
    let rig = rig(move |_| {
        let first = !failed.swap(true, std::sync::atomic::Ordering::SeqCst);
        first.then(|| Misbehaviour::status(502))
    });
    let rig = rig.await;
    for number in 0..TAGS {
        rig.client.resolve(&RepositoryRef::alone("a"), &tag(number)).await.expect("resolved");
    }
    // The one that failed, and those after sixteen tags without.
    assert_eq!(heads(&rig), 1 + 23);
}

#[tokio::test]
async fn a_tag_that_is_gone_teaches_nothing_of_head() {
    let rig = rig(|_| None).await;
    let place = RepositoryRef::alone("a");
    for _ in 0..3 {
        assert_eq!(rig.client.resolve(&place, "never").await.expect_err("gone").fault(), Fault::Gone);
    }
    rig.client.resolve(&place, "v0").await.expect("resolved");
    assert_eq!(heads(&rig), 4);
}

#[tokio::test]
async fn a_rate_limit_of_head_is_one_and_no_get_follows() {
    let rig = rig(|_| Some(Misbehaviour::status(429))).await;
    let error = rig.client.resolve(&RepositoryRef::alone("a"), "v0").await.expect_err("limited");
    assert_eq!(error.fault(), Fault::RateLimited);
    assert_eq!(heads(&rig) as u64, rig.server.count(FakeEndpoint::Manifest));
}

#[tokio::test]
async fn what_a_get_repeats_is_the_error() {
    for (status, fault) in
        [(401, Fault::Denied), (403, Fault::Denied), (500, Fault::ServerError), (406, Fault::Protocol)]
    {
        let script = Script { contents: fake_registry::FakeContents::uniform(1), ..Script::open(["a"]) }.with_faults(
            move |seen, _| (seen.endpoint == FakeEndpoint::Manifest).then(|| Misbehaviour::status(status)),
        );
        let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
        let error = rig.client.resolve(&RepositoryRef::alone("a"), "v0").await.expect_err("an error");
        assert_eq!((error.fault(), error.step()), (fault, Step::Manifest("a:v0".into())), "{status}");
    }
}

#[tokio::test]
async fn a_head_refused_with_401_costs_a_login_nothing() {
    for script in [Script::distribution_like(["a"]), Script::basic(["a"]), Script::quay_like(["a"])] {
        let shape = format!("{script:?}");
        let script = Script { contents: fake_registry::FakeContents::uniform(3), ..script }
            .with_faults(|seen, _| (seen.method == "HEAD").then(|| Misbehaviour::status(401)));
        let rig = Rig::new(script).await;
        rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
        for number in 0..3 {
            assert_resolves(&rig, number, &shape).await;
        }
        assert!(heads(&rig) <= 2, "{} of {shape}", heads(&rig));
        assert!(matches!(rig.client.standing(), LoginStatus::Accepted), "{shape}");
    }
}
