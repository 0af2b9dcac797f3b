//! A 404 is the answer of the registry, or of a proxy in front of it that does not know the content.

use super::*;
use fake_registry::{FakeEndpoint, ManifestRules, Misbehaviour, SeenRequest, sha256};

const STRAYS: [(&str, &str); 6] = [
    ("text/plain; charset=utf-8", "404 page not found\n"),
    ("text/html", "<html><head><title>404 Not Found</title></head><center>nginx</center></html>"),
    ("application/json", r#"{"message":"no Route matched with those values"}"#),
    ("application/json", r#"{"errors":[]}"#),
    ("application/json", r#"{"errors":[{"code":"NO_ROUTE"}]}"#),
    ("text/plain", ""),
];
const OF_REPOSITORIES: [FakeEndpoint; 3] = [FakeEndpoint::Tags, FakeEndpoint::Manifest, FakeEndpoint::Blob];

/// An open server with the repository `a`, some of whose requests fail.
async fn rig(faults: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static) -> Rig {
    let script =
        Script { contents: fake_registry::FakeContents::uniform(1), ..Script::open(["a"]) }.with_faults(faults);
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

fn stray(status: u16, (media_type, body): (&str, &str)) -> Misbehaviour {
    Misbehaviour::status(status)
        .header("content-type", media_type)
        .header("docker-distribution-api-version", "registry/2.0")
        .body(body)
}

/// Sends a request to an endpoint.
async fn ask(rig: &Rig, endpoint: FakeEndpoint) -> Result<(), RegistryError> {
    let place = RepositoryRef::alone("a");
    match endpoint {
        FakeEndpoint::Tags => rig.client.tags(&place).await.map(drop),
        FakeEndpoint::Manifest => rig.client.manifest(&place, "v0").await.map(drop),
        FakeEndpoint::Blob => {
            let manifest = rig.client.manifest(&place, "v0").await.expect("a manifest");
            rig.client.config(&place, &manifest.config.expect("a config")).await.map(drop)
        }
        other => unreachable!("{other:?} is not of a repository"),
    }
}

#[tokio::test]
async fn a_404_that_is_not_the_registrys_is_asked_again_and_then_an_error_of_that_repository() {
    for endpoint in OF_REPOSITORIES {
        for (status, answer) in STRAYS.map(|answer| (404, answer)).into_iter().chain([(410, STRAYS[0])]) {
            let rig =
                rig(move |seen, nth| (seen.endpoint == endpoint && nth == 1).then(|| stray(status, answer))).await;
            ask(&rig, endpoint).await.unwrap_or_else(|error| panic!("{endpoint:?} {answer:?}: {error:?}"));
            assert_eq!(rig.server.count(endpoint), 2, "{endpoint:?} {answer:?}");

            let rig = self::rig(move |seen, _| (seen.endpoint == endpoint).then(|| stray(status, answer))).await;
            let error = ask(&rig, endpoint).await.expect_err("an error");
            assert_eq!(error.fault(), Fault::ServerError, "{endpoint:?} {answer:?}");
            assert!(error.step().is_of_one_repository() && error.remedy().contains("proxy"), "{}", error.remedy());
            assert_eq!(rig.server.count(endpoint), 4, "{endpoint:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_404_with_a_registrys_code_is_an_answer_at_once() {
    // The specification's, Harbor's and Quay's.
    for code in ["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND", "TAG_EXPIRED"] {
        for endpoint in OF_REPOSITORIES {
            let goes = Misbehaviour::status(404).body(format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#));
            let rig = rig(move |seen, _| (seen.endpoint == endpoint).then(|| goes.clone())).await;
            let error = ask(&rig, endpoint).await.expect_err("gone");
            assert_eq!((error.fault(), rig.server.count(endpoint)), (Fault::Gone, 1), "{code} {endpoint:?}");
        }
    }
}

#[tokio::test]
async fn the_storage_that_blobs_are_redirected_to_says_in_its_own_words_what_is_gone() {
    let lost = Descriptor { digest: sha256(b"lost"), size: Some(4), media_type: String::new() };
    for (body, fault, requests) in [
        ("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>", Fault::Gone, 1),
        ("\u{feff}<?xml version=\"1.0\"?><Error><Code>BlobNotFound</Code></Error>", Fault::Gone, 1),
        ("<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code></Error>", Fault::Unreachable, 4),
        ("404 page not found", Fault::Unreachable, 4),
    ] {
        let storage = FakeRegistry::start(
            Script::open(["a"]).with_faults(move |_, _| Some(Misbehaviour::status(404).body(body))),
        );
        let storage = storage.await.expect("a port");
        let blobs_at = Some(format!("{}{{path}}", storage.url().as_str().trim_end_matches('/')));
        let manifests = ManifestRules { blobs_at, ..ManifestRules::default() };
        let script = Script { manifests, contents: fake_registry::FakeContents::uniform(1), ..Script::open(["a"]) };
        let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
        let error = rig.client.config(&RepositoryRef::alone("a"), &lost).await.expect_err("an error");
        assert_eq!((error.fault(), storage.count(FakeEndpoint::Blob)), (fault, requests), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn a_registry_that_says_404_in_words_of_its_own_costs_two_requests_each_in_the_end() {
    let rig = rig(|seen, _| {
        let missing = seen.endpoint == FakeEndpoint::Tags && seen.path() != "/v2/a/tags/list";
        missing.then(|| stray(404, STRAYS[0]))
    });
    let rig = rig.await;
    let gone = async |count: u64| {
        let before = rig.server.count(FakeEndpoint::Tags);
        for _ in 0..count {
            let error = rig.client.tags(&RepositoryRef::alone("b")).await.expect_err("an error");
            assert_eq!(error.fault(), Fault::ServerError);
        }
        rig.server.count(FakeEndpoint::Tags) - before
    };
    assert_eq!((gone(8).await, gone(5).await), (8 * 4, 5 * 2));
    // Answers to first attempts do not show whether repetition helps.
    rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
    assert_eq!(gone(1).await, 2);
}

#[tokio::test]
async fn where_trying_again_has_helped_it_is_done_in_full_again() {
    let rig = rig(|seen, nth| {
        let helped = nth == 8 * 4 + 2;
        (seen.endpoint == FakeEndpoint::Tags && !helped).then(|| stray(404, STRAYS[0]))
    });
    let rig = rig.await;
    for _ in 0..8 {
        rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("an error");
    }
    rig.client.tags(&RepositoryRef::alone("a")).await.expect("the second try");
    let before = rig.server.count(FakeEndpoint::Tags);
    rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("an error");
    assert_eq!(rig.server.count(FakeEndpoint::Tags) - before, 4);
}

#[tokio::test]
async fn a_404_of_a_proxy_at_ping_catalog_or_token_is_asked_again() {
    for (endpoint, first) in [(FakeEndpoint::Ping, 1), (FakeEndpoint::Catalog, 2), (FakeEndpoint::Token, 1)] {
        let script = Script::distribution_like(["a"])
            .with_faults(move |seen, nth| (seen.endpoint == endpoint && nth == first).then(|| stray(404, STRAYS[0])));
        let rig = Rig::new(script).await;
        assert_eq!(rig.names().await, ["a"], "{endpoint:?}");
    }
    // If the 404 stays, there is no registry, or it has no catalog.
    for (endpoint, step) in [(FakeEndpoint::Ping, Step::Ping), (FakeEndpoint::Catalog, Step::Page(1))] {
        let rig = rig(move |seen, _| (seen.endpoint == endpoint).then(|| stray(404, STRAYS[0]))).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step(), rig.server.count(endpoint)), (Fault::Unsupported, step, 3));
        let known = Misbehaviour::status(404).body(r#"{"errors":[{"code":"UNSUPPORTED"}]}"#);
        let rig = self::rig(move |seen, _| (seen.endpoint == endpoint).then(|| known.clone())).await;
        assert_eq!((rig.error().await.fault(), rig.server.count(endpoint)), (Fault::Unsupported, 1));
    }
}
