//! Tags, manifests and configurations of one repository.

use std::sync::Arc;

use base64::Engine as _;

use super::*;
use fake_registry::{FakeEndpoint, HeadBehaviour, LinkStyle, ManifestRules, Misbehaviour, OverMax, TagPaging};

fn stocked() -> fake_registry::FakeContents {
    fake_registry::FakeContents::uniform(3)
}

#[tokio::test]
async fn tags_manifest_and_configuration_of_every_shape_of_server() {
    let names = ["acme/app", "acme/web"];
    for script in [
        Script::open(names),
        Script::basic(names),
        Script::distribution_like(names),
        Script::quay_like(names),
        Script::harbor_like(names),
        Script::pulp_like(names),
    ] {
        let shape = format!("{script:?}");
        let rig = Rig::new(Script { contents: stocked(), ..script }).await;
        let place = RepositoryRef::alone("acme/app");
        let tags = rig.client.tags(&place).await.unwrap_or_else(|error| panic!("{error:?} of {shape}"));
        assert_eq!(tags.names.iter().collect::<Vec<_>>(), ["v0", "v1", "v2"], "{shape}");
        let resolved = rig.client.resolve(&place, "v1").await.expect("resolved");
        let manifest = rig.client.manifest(&place, &resolved.digest).await.expect("a manifest");
        assert_eq!((resolved.digest, resolved.size), (manifest.digest.clone(), Some(manifest.size)), "{shape}");
        assert_eq!(rig.client.manifest(&place, "v1").await.expect("a manifest"), manifest, "{shape}");
        let config = rig.client.config(&place, manifest.config.as_ref().expect("a config")).await.expect("read");
        assert_eq!(config.labels["org.example.salt"], "acme/app:v1");
        assert_eq!(config.platform.os.as_deref(), Some("linux"));
        let stats = rig.client.stats();
        assert_eq!((stats.head_requests, stats.manifest_requests, stats.blob_requests), (1, 2, 1), "{shape}");
        let tokens = rig.server.count(FakeEndpoint::Token);
        assert_eq!((stats.token_requests, stats.requests), (tokens, 1 + tokens + 5), "{shape}");
        assert!(tokens <= 1, "{shape}");
    }
}

fn at(
    endpoint: FakeEndpoint,
    goes: Misbehaviour,
) -> impl Fn(&fake_registry::SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static {
    move |seen, _| (seen.endpoint == endpoint).then(|| goes.clone())
}

/// An open server with one repository, `a`.
async fn of_one(fill: impl FnOnce(&mut fake_registry::Holding)) -> Rig {
    let contents = fake_registry::FakeContents::default().with("a", fill);
    Rig::with(Script { contents, ..Script::open(["a"]) }, |settings| settings.auth = Auth::None).await
}

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

fn names(tags: &Tags) -> Vec<&str> {
    tags.names.iter().collect()
}

#[tokio::test]
async fn fifteen_hundred_tags_come_page_by_page_each_once() {
    let rig =
        Rig::new(Script { contents: fake_registry::FakeContents::uniform(1500), ..Script::quay_like(["a/b__c/d"]) })
            .await;
    let tags = rig.client.tags(&RepositoryRef::alone("a/b__c/d")).await.expect("tags");
    assert!(tags.names.iter().map(str::to_owned).eq((0..1500).map(|number| format!("v{number}"))));
    let pages = rig.server.requests_to(FakeEndpoint::Tags);
    // The last page is full: what follows its last tag is asked for as well.
    assert_eq!(pages.len(), 16);
    assert_eq!(pages[0].raw_query(), "n=1000");
    assert_eq!(pages[1].raw_query(), "last=v99&n=100");
    assert_eq!(rig.client.stats().requests, 16 + 2);
}

#[tokio::test]
async fn invalid_tags_are_listed_apart_and_repeated_tags_once() {
    let tags = ["\"b\"", "\"a\"", "\"b\"", "\"../x\"", "\"\\u001b[2J\"", "\"V1.0-RC_2\"", "\"_\""];
    let long = |length| format!("\"{}\"", "t".repeat(length));
    let body = format!("{{\"name\":\"a\",\"tags\":[{},{},{}]}}", tags.join(","), long(128), long(129));
    let rig =
        anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Tags, Misbehaviour::status(200).body(body)))).await;
    let tags = rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
    assert_eq!(names(&tags), ["b", "a", "V1.0-RC_2", "_", &"t".repeat(128)]);
    assert_eq!((tags.invalid_count, tags.invalid[0].as_str(), tags.invalid[1].as_str()), (3, "../x", "\\u{1b}[2J"));
}

#[tokio::test]
async fn null_tags_and_no_tags_are_empty_and_an_unreadable_list_is_an_error() {
    for body in [r#"{"name":"a","tags":null}"#, r#"{"name":"a","tags":[]}"#] {
        let rig =
            anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Tags, Misbehaviour::status(200).body(body))))
                .await;
        assert!(rig.client.tags(&RepositoryRef::alone("a")).await.expect("tags").names.is_empty());
    }
    for body in ["", "<html>", "{}", r#"{"tags":{}}"#, r#"{"tags":[1]}"#, r#"{"tags":["a""#, r#"{"repositories":[]}"#] {
        let rig =
            anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Tags, Misbehaviour::status(200).body(body))))
                .await;
        let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("no tags");
        assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Tags("a".into())), "{body}");
    }
}

#[tokio::test]
async fn a_short_or_empty_page_of_tags_is_not_the_last() {
    let script = Script::open(["a"]).with_faults(|seen, nth| {
        let next = |path: &str| format!("<{path}?page={nth}>; rel=\"next\"");
        let page = |tags: &str| Misbehaviour::status(200).body(format!("{{\"name\":\"a\",\"tags\":{tags}}}"));
        let goes = match nth {
            1 => page("[\"b\"]").header("link", &next("/v2/a/tags/list")),
            2 => page("null").header("link", &next("list")),
            _ => page("[\"b\",\"a\"]"),
        };
        (seen.endpoint == FakeEndpoint::Tags).then_some(goes)
    });
    let tags = anonymous(script).await.client.tags(&RepositoryRef::alone("a")).await.expect("tags");
    assert_eq!(names(&tags), ["b", "a"]);
}

#[tokio::test]
async fn a_page_size_for_tags_that_is_refused_is_not_asked_for_again() {
    let script = Script {
        contents: fake_registry::FakeContents::uniform(60),
        tag_pages: TagPaging::Last { max: 50 },
        over_max: OverMax::Refuse,
        ..Script::open(["a", "b"])
    };
    let rig = anonymous(script).await;
    for (repository, requests) in [("a", 4), ("b", 6)] {
        assert_eq!(rig.client.tags(&RepositoryRef::alone(repository)).await.expect("tags").names.len(), 60);
        assert_eq!(rig.server.count(FakeEndpoint::Tags), requests);
    }
    let asked: Vec<_> =
        rig.server.requests_to(FakeEndpoint::Tags).iter().map(|seen| seen.raw_query().to_owned()).collect();
    assert_eq!(asked, ["n=1000", "n=100", "", "last=v49&n=50", "", "last=v49&n=50"]);
}

fn paged(link: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Script {
    Script {
        contents: fake_registry::FakeContents::uniform(25),
        tag_pages: TagPaging::Last { max: 10 },
        over_max: OverMax::Clamp,
        link: LinkStyle::Written(Arc::new(link)),
        ..Script::open(["key/a"])
    }
}

#[tokio::test]
async fn a_tag_link_elsewhere_is_refused_and_a_dropped_prefix_repaired_on_request() {
    let thief = FakeRegistry::start(Script::open(["key/a"])).await.expect("a port");
    let elsewhere = thief.url().join("/v2/key/a/tags/list").expect("a URL");
    let rig = anonymous(paged(move |_| vec![format!("<{elsewhere}>; rel=next")])).await;
    let error = rig.client.tags(&RepositoryRef::alone("key/a")).await.expect_err("refused");
    assert_eq!(error.fault(), Fault::Untrusted);
    assert!(thief.requests().is_empty());
    // Artifactory's.
    let dropped = |target: &str| vec![format!("<{}>; rel=\"next\"", target.replace("/v2/key/", "/v2/"))];
    let rig = anonymous(paged(dropped)).await;
    let error = rig.client.tags(&RepositoryRef::alone("key/a")).await.expect_err("astray");
    assert_eq!(error.fault(), Fault::Protocol);
    assert!(error.remedy().contains("pagination: repair"), "{}", error.remedy());
    let rig = Rig::with(paged(dropped), |settings| {
        settings.auth = Auth::None;
        settings.pagination = Pagination::Repair;
    });
    let rig = rig.await;
    assert_eq!(rig.client.tags(&RepositoryRef::alone("key/a")).await.expect("tags").names.len(), 25);
}

#[tokio::test]
async fn tags_that_go_in_circles_are_an_error() {
    for circle in ["</v2/key/a/tags/list?n=1000>; rel=next", "</v2/key/a/tags/list?x=1>; rel=next"] {
        let rig = anonymous(paged(move |_| vec![circle.to_owned()])).await;
        let error = rig.client.tags(&RepositoryRef::alone("key/a")).await.expect_err("endless");
        assert_eq!(error.fault(), Fault::Endless, "{circle}");
        assert!(rig.server.count(FakeEndpoint::Tags) <= 3);
    }
}

#[tokio::test]
async fn each_failure_of_one_repository_is_told_apart() {
    for (goes, fault) in [
        (Misbehaviour::status(401), Fault::Denied),
        (Misbehaviour::status(403), Fault::Denied),
        (Misbehaviour::status(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#), Fault::Gone),
        (Misbehaviour::status(500), Fault::ServerError),
        (Misbehaviour::status(429), Fault::RateLimited),
        (Misbehaviour::status(418), Fault::Protocol),
        (Misbehaviour::Drop, Fault::Unreachable),
    ] {
        let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Tags, goes.clone()))).await;
        let error = rig.client.tags(&RepositoryRef::alone("a")).await.expect_err("a failure");
        assert_eq!((error.fault(), error.step()), (fault, Step::Tags("a".into())), "{goes:?}");
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test]
async fn manifests_are_asked_for_so_that_the_registry_does_not_convert_them() {
    let contents = fake_registry::FakeContents::default().with("a", |held| {
        let children = [held.image("linux/amd64", "x"), held.image("linux/arm64/v8", "x")];
        let index = held.index(fake_registry::DOCKER_LIST, &children);
        held.tag_as("latest", &index);
    });
    let rig = Rig::new(Script { contents, ..Script::quay_like(["a"]) }).await;
    let place = RepositoryRef::alone("a");
    let index = rig.client.manifest(&place, "latest").await.expect("an index");
    assert_eq!(index.media_type, fake_registry::DOCKER_LIST);
    for child in &index.children {
        let image = rig.client.manifest(&place, &child.descriptor.digest).await.expect("an image");
        assert_eq!((&image.digest, Some(image.size)), (&child.descriptor.digest, child.descriptor.size));
    }
}

#[tokio::test]
async fn what_is_there_and_was_not_asked_for_is_no_answer_that_it_is_gone() {
    let message = "OCI artifact found, but accept header does not support OCI artifacts";
    let body = format!(r#"{{"errors":[{{"code":"MANIFEST_UNKNOWN","message":"{message}"}}]}}"#);
    let rig =
        anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, Misbehaviour::status(404).body(body))))
            .await;
    let error = rig.client.manifest(&RepositoryRef::alone("a"), "sbom").await.expect_err("another type");
    assert_eq!((error.fault(), error.leads_to()), (Fault::Unsupported, None), "{error:?}");
}

#[tokio::test]
async fn a_signed_manifest_is_known_by_the_digest_of_what_was_signed() {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let signed = "{\n   \"schemaVersion\": 1,\n   \"fsLayers\": []\n}";
    let header = format!("{{\"formatLength\":{},\"formatTail\":\"Cn0\"}}", signed.len() - 2);
    let signature = format!(",\n   \"signatures\": [{{\"protected\": \"{}\"}}]\n}}", URL_SAFE_NO_PAD.encode(header));
    let body = signed[..signed.len() - 2].to_owned() + &signature;
    let pretty = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let of_signed = fake_registry::sha256(signed.as_bytes());
    let place = RepositoryRef::alone("a");
    for told in [None, Some(of_signed.clone()), Some(fake_registry::sha256(body.as_bytes()))] {
        let goes = Misbehaviour::status(200).header("content-type", pretty).body(body.clone());
        let goes = told.iter().fold(goes, |goes, digest| goes.header("docker-content-digest", digest));
        let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, goes))).await;
        let manifest = rig.client.manifest(&place, "old").await.expect("a manifest");
        assert_eq!((&manifest.digest, manifest.media_type.as_str()), (&told.unwrap_or(of_signed.clone()), pretty));
        assert_eq!(manifest.size, i64::try_from(body.len()).expect("small"));
    }
    let other = Misbehaviour::status(200).header("docker-content-digest", &fake_registry::sha256(b"other")).body(body);
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, other))).await;
    assert_eq!(rig.client.manifest(&place, "old").await.expect_err("corrupt").fault(), Fault::Corrupt);
}

#[tokio::test]
async fn where_a_tag_leads_is_known_although_its_manifest_cannot_be_read_if_the_registry_told_it() {
    let body = r#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let told = fake_registry::sha256(body.as_bytes());
    for (told, digest) in [(Some(told.as_str()), Some(told.as_str())), (None, None)] {
        let goes = Misbehaviour::status(200).header("content-type", fake_registry::OCI_IMAGE).body(body);
        let goes = told.iter().fold(goes, |goes, digest| goes.header("docker-content-digest", digest));
        let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, goes))).await;
        let error = rig.client.manifest(&RepositoryRef::alone("a"), "latest").await.expect_err("an image or an index");
        assert_eq!(error.fault(), Fault::Corrupt);
        assert_eq!(error.leads_to().map(|resolved| resolved.digest.as_str()), digest);
    }
}

#[tokio::test]
async fn content_that_was_deleted_meanwhile_is_gone() {
    let rig = of_one(|held| held.tag("lost", &fake_registry::sha256(b"lost"))).await;
    let place = RepositoryRef::alone("a");
    let digest = fake_registry::sha256(b"lost");
    let lost = Descriptor { digest: digest.clone(), size: Some(4), media_type: String::new() };
    for error in [
        rig.client.resolve(&place, "lost").await.expect_err("gone"),
        rig.client.manifest(&place, "never").await.expect_err("gone"),
        rig.client.manifest(&place, &digest).await.expect_err("gone"),
        rig.client.config(&place, &lost).await.expect_err("gone"),
    ] {
        assert_eq!(error.fault(), Fault::Gone, "{error:?}");
    }
    let expired = Misbehaviour::status(404).body(r#"{"errors":[{"code":"TAG_EXPIRED"}]}"#);
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, expired))).await;
    let error = rig.client.manifest(&place, "old").await.expect_err("gone");
    assert_eq!((error.fault(), error.step()), (Fault::Gone, Step::Manifest("a:old".into())));
    assert!(error.to_string().contains("TAG_EXPIRED"), "{error}");
}

#[tokio::test]
async fn without_a_digest_header_or_head_the_digest_comes_from_the_manifest() {
    for (rules, heads) in [
        (ManifestRules { digest_header: false, ..ManifestRules::default() }, 1),
        (ManifestRules { head: HeadBehaviour::NotAllowed, ..ManifestRules::default() }, 1),
        (ManifestRules { head: HeadBehaviour::NotFound, ..ManifestRules::default() }, 1),
    ] {
        let rig = anonymous(Script { contents: stocked(), manifests: rules, ..Script::open(["a"]) }).await;
        for tag in ["v0", "v1"] {
            let resolved = rig.client.resolve(&RepositoryRef::alone("a"), tag).await.expect("resolved");
            let manifest = rig.client.manifest(&RepositoryRef::alone("a"), &resolved.digest).await.expect("a manifest");
            assert_eq!((manifest.digest, Some(manifest.size)), (resolved.digest, resolved.size));
        }
        assert_eq!(rig.client.stats().head_requests, heads);
    }
}

#[tokio::test]
async fn content_that_does_not_match_its_digest_is_corrupt() {
    let mut digests = Vec::new();
    let rig = of_one(|held| {
        let whole = held.image("linux/amd64", "whole");
        for tag in ["torn", "swapped"] {
            let image = held.image("linux/amd64", tag);
            held.tag_as(tag, &image);
            digests.push(image["digest"].as_str().expect("a digest").to_owned());
            held.corrupt(&image, if tag == "torn" { "{\"schemaVersion\":2" } else { "{}" });
        }
        held.tag_as("whole", &whole);
    });
    let rig = rig.await;
    let place = RepositoryRef::alone("a");
    for reference in ["torn", "swapped", &digests[0], &digests[1]] {
        let error = rig.client.manifest(&place, reference).await.expect_err("corrupt");
        assert_eq!(error.fault(), Fault::Corrupt, "{error:?}");
    }
    let manifest = rig.client.manifest(&place, "whole").await.expect("a manifest");
    for (header, value) in [("docker-content-digest", "sha256:no"), ("docker-content-digest", digests[0].as_str())] {
        let body = serde_json::json!({"config": {"digest": digests[0], "size": 1}}).to_string();
        let wrong = Misbehaviour::status(200).header(header, value).body(body);
        let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Manifest, wrong))).await;
        for error in [rig.client.manifest(&place, "x").await, rig.client.manifest(&place, &manifest.digest).await] {
            assert_eq!(error.expect_err("corrupt").fault(), Fault::Corrupt, "{value}");
        }
    }
    let wrong = Misbehaviour::status(200).body("{}");
    let rig = anonymous(Script::open(["a"]).with_faults(at(FakeEndpoint::Blob, wrong))).await;
    let error = rig.client.config(&place, &manifest.config.expect("a config")).await.expect_err("corrupt");
    assert_eq!(error.fault(), Fault::Corrupt);
    assert!(error.remedy().contains("storage"), "{}", error.remedy());
}

#[tokio::test]
async fn what_head_says_amiss_a_get_says_aright() {
    for (name, value) in [("content-type", "text/html"), ("docker-content-digest", "\"0815\"")] {
        let script = Script { contents: stocked(), ..Script::open(["a"]) }.with_faults(move |seen, _| {
            let head = seen.method == "HEAD";
            let digest = format!("sha256:{:0>64}", "a");
            let goes = Misbehaviour::status(200).header(name, value);
            head.then(|| if name == "content-type" { goes.header("docker-content-digest", &digest) } else { goes })
        });
        let rig = anonymous(script).await;
        let place = RepositoryRef::alone("a");
        let resolved = rig.client.resolve(&place, "v1").await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(resolved.digest, rig.client.manifest(&place, "v1").await.expect("a manifest").digest);
    }
}
