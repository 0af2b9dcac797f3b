//! Manifests and configurations of hostile servers: bounds, redirects, paths.

use std::sync::{Arc, OnceLock};

use super::*;
use fake_registry::{Authorization, FakeEndpoint, ManifestRules, Misbehaviour};

use crate::problem::chain::chain;

fn descriptor(bytes: &[u8]) -> Descriptor {
    let size = i64::try_from(bytes.len()).expect("small");
    Descriptor { digest: fake_registry::sha256(bytes), size: Some(size), media_type: String::new() }
}

async fn goes(goes: Misbehaviour) -> Rig {
    let fault = move |seen: &fake_registry::SeenRequest, _| (seen.endpoint != FakeEndpoint::Ping).then(|| goes.clone());
    Rig::with(Script::open(["a"]).with_faults(fault), |settings| settings.auth = Auth::None).await
}

#[tokio::test]
async fn manifests_and_configurations_are_bounded_plain_and_packed() {
    let bomb = {
        use flate2::Compression;
        use flate2::write::GzEncoder;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; 9 << 20]).expect("in memory");
        encoder.finish().expect("in memory")
    };
    for answer in [
        Misbehaviour::status(200).header("content-encoding", "gzip").body(bomb),
        Misbehaviour::status(200).body(vec![b' '; (8 << 20) + 1]),
        Misbehaviour::status(200).header("content-encoding", "br").body("x"),
    ] {
        let rig = goes(answer).await;
        let place = RepositoryRef::alone("a");
        let errors = [
            rig.client.manifest(&place, "x").await.expect_err("too large"),
            rig.client.config(&place, &descriptor(b"")).await.expect_err("too large"),
        ];
        assert!(errors.iter().all(|error| error.fault() == Fault::Protocol), "{errors:?}");
        assert_eq!(rig.client.stats().retries, 0);
    }
    let rig = goes(Misbehaviour::status(200).body(vec![b' '; (4 << 20) + 1])).await;
    let error = rig.client.manifest(&RepositoryRef::alone("a"), "x").await.expect_err("too large");
    assert_eq!(error.fault(), Fault::Protocol);
}

#[tokio::test]
async fn bombs_of_brackets_are_no_manifests_and_no_configurations() {
    let brackets = "[".repeat(1 << 20);
    for body in [brackets.clone(), format!("{{\"config\":{brackets}"), format!("{{\"annotations\":{{\"a\":{brackets}")]
    {
        let digest = descriptor(body.as_bytes());
        let rig = goes(Misbehaviour::status(200).body(body)).await;
        let place = RepositoryRef::alone("a");
        assert_eq!(rig.client.manifest(&place, "x").await.expect_err("rubbish").fault(), Fault::Corrupt);
        // Its digest is right, so this is what was pushed: another request would return the same.
        let config = rig.client.config(&place, &digest).await.expect("bytes with the right digest");
        assert!(config.oddities.has(Odd::ConfigUnreadable) && !config.has_labels(), "{config:?}");
    }
}

#[tokio::test]
async fn an_encoding_that_is_no_compression_does_not_matter_and_others_are_named() {
    let bytes = "{\"os\":\"linux\"}";
    let place = RepositoryRef::alone("a");
    for encoding in ["aws-chunked", "none", "utf-8"] {
        let rig = goes(Misbehaviour::status(200).header("content-encoding", encoding).body(bytes)).await;
        let config = rig.client.config(&place, &descriptor(bytes.as_bytes())).await;
        assert_eq!(config.expect(encoding).platform.os.as_deref(), Some("linux"));
    }
    let rig = goes(Misbehaviour::status(200).header("content-encoding", "br").body(bytes)).await;
    let error = rig.client.config(&place, &descriptor(bytes.as_bytes())).await.expect_err("not asked for");
    assert!(chain(&error).contains("`br`"), "{}", chain(&error));
}

/// A registry whose blobs are on another host, its client, and the descriptor of its one configuration.
async fn with_storage(location: &str) -> (Rig, Descriptor) {
    let mut blob = None;
    let contents =
        fake_registry::FakeContents::default().with("a", |held| blob = Some(held.blob("{\"os\":\"linux\"}")));
    let manifests = ManifestRules { blobs_at: Some(location.to_owned()), ..ManifestRules::default() };
    let rig = Rig::new(Script { contents, manifests, ..Script::distribution_like(["a"]) }).await;
    let digest = blob.expect("a digest");
    (rig, Descriptor { digest, size: Some(14), media_type: String::new() })
}

#[tokio::test]
async fn a_blob_is_fetched_from_another_origin_without_credentials() {
    let contents = fake_registry::FakeContents::default().with("a", |held| {
        held.blob("{\"os\":\"linux\"}");
    });
    let storage = FakeRegistry::start(Script { contents, ..Script::open(["a"]) }).await.expect("a port");
    let location = format!("{}{{path}}?signature=x%2Fy", storage.url().as_str().trim_end_matches('/'));
    let (rig, config) = with_storage(&location).await;
    let read = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect("a configuration");
    assert_eq!(read.platform.os.as_deref(), Some("linux"));
    let asked = storage.requests();
    assert_eq!((asked.len(), asked[0].authorization), (1, Authorization::None));
    assert_eq!(asked[0].raw_query(), "signature=x%2Fy");
    assert_eq!(rig.server.requests_to(FakeEndpoint::Blob)[0].authorization, Authorization::Bearer);
}

#[tokio::test]
async fn credentials_do_not_come_back_from_another_origin_either() {
    let back = Arc::new(OnceLock::<String>::new());
    let way = back.clone();
    let detour = Script::open(["a"]).with_faults(move |_, _| {
        Some(Misbehaviour::status(307).header("location", way.get().expect("set before it is asked")))
    });
    let detour = FakeRegistry::start(detour).await.expect("a port");
    let (rig, config) = with_storage(detour.url().join("/x").expect("a URL").as_str()).await;
    back.set(rig.server.url().join("/v2/a/blobs/back").expect("a URL").into()).expect("set once");
    rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("refused");
    let asked = rig.server.requests_to(FakeEndpoint::Blob);
    assert_eq!(
        asked.iter().map(|seen| seen.authorization).collect::<Vec<_>>(),
        [Authorization::Bearer, Authorization::None]
    );
}

#[tokio::test]
async fn odd_redirects_of_blobs_are_not_followed() {
    for location in ["file:///etc/passwd", "http://user:secret@127.0.0.1:1/x", "ftp://127.0.0.1/x", ""] {
        let (rig, config) = with_storage(location).await;
        let error = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("refused");
        assert_eq!((error.fault(), rig.server.count(FakeEndpoint::Blob)), (Fault::Untrusted, 1), "{location}");
    }
    let (rig, config) = with_storage("{path}").await;
    let error = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("a circle");
    assert_eq!((error.fault(), rig.server.count(FakeEndpoint::Blob)), (Fault::Protocol, 1));
}

#[tokio::test]
async fn a_blob_is_not_fetched_from_within_the_network_or_a_metadata_service() {
    for host in [
        "169.254.169.254",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "10.0.0.1:9000",
        "192.168.0.1",
        "100.64.0.1",
        "[fe80::1]",
        "[64:ff9b::a00:1]",
    ] {
        let (rig, config) = with_storage(&format!("http://{host}/latest/meta-data")).await;
        let error = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("refused");
        assert_eq!((error.fault(), rig.client.stats().retries), (Fault::Untrusted, 0), "{host}");
        assert!(error.remedy().contains("write `allow_hosts: ["), "{}", error.remedy());
        assert_eq!(rig.meter.refused(), [SafetyRule::Address], "{host}");
    }
}

#[tokio::test]
async fn what_a_foreign_host_says_is_not_shown() {
    let text = "INTERNAL-DATA of the intranet";
    for (status, code, fault) in [
        (403, "", Fault::Unreachable),
        (404, "", Fault::Unreachable),
        (404, "<Error><Code>NoSuchKey</Code><Message>INTERNAL</Message></Error>", Fault::Gone),
        (403, "<Error><Code>AccessDenied</Code><Message>INTERNAL</Message></Error>", Fault::Unreachable),
        (403, r#"{"errors":[{"code":"DENIED","message":"INTERNAL"}]}"#, Fault::Unreachable),
        (429, "", Fault::RateLimited),
        (500, "", Fault::Unreachable),
    ] {
        let storage = Script::open(["a"]).with_faults(move |_, _| {
            Some(Misbehaviour::status(status).body(if code.is_empty() { text } else { code }))
        });
        let storage = FakeRegistry::start(storage).await.expect("a port");
        let (rig, config) = with_storage(storage.url().join("/bucket").expect("a URL").as_str()).await;
        let error = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("refused");
        assert_eq!(error.fault(), fault, "{error:?}");
        let told = format!("{error} {error:?} {} {}", error.remedy(), chain(&error));
        assert!(!told.contains("INTERNAL") && told.contains(&status.to_string()), "{told}");
    }
}

#[tokio::test]
async fn a_storage_that_fails_is_not_taken_for_the_registry() {
    let storage =
        Script::open(["a"]).with_faults(|_, _| Some(Misbehaviour::status(403).body("<Error>AccessDenied</Error>")));
    let storage = FakeRegistry::start(storage).await.expect("a port");
    let (rig, config) = with_storage(storage.url().join("/bucket").expect("a URL").as_str()).await;
    let error = rig.client.config(&RepositoryRef::alone("a"), &config).await.expect_err("refused");
    assert_eq!(error.fault(), Fault::Unreachable, "{error:?}");
    assert!(error.remedy().contains("127.0.0.1"), "{}", error.remedy());
    assert_eq!((storage.requests().len(), rig.server.count(FakeEndpoint::Token)), (1, 1));
}

#[tokio::test]
async fn nothing_against_the_grammar_becomes_a_path() {
    let rig = goes(Misbehaviour::status(200)).await;
    for repository in ["", "../x", "a/../b", "a?b", "a#b", "A", "a%2fb", "a b", "a\0"] {
        let error = rig.client.tags(&RepositoryRef::alone(repository)).await.expect_err("refused");
        assert_eq!(error.fault(), Fault::Protocol, "{repository:?}");
    }
    let place = RepositoryRef::alone("a");
    for reference in ["", "..", "../x", "a/b", "a?b", "sha256:..", "sha256:../x", "x:y/z", &"t".repeat(129)] {
        rig.client.resolve(&place, reference).await.expect_err("refused");
        rig.client.manifest(&place, reference).await.expect_err("refused");
        let config = Descriptor { digest: reference.to_owned(), size: Some(0), media_type: String::new() };
        rig.client.config(&place, &config).await.expect_err("refused");
    }
    assert!(rig.server.requests().is_empty());
}
