//! Redirects of lists, manifests and tokens: followed where a registry may redirect, and without `Authorization` to
//! another host.

use super::*;
use fake_registry::tls::{own, serve_response};
use fake_registry::{Authorization, FakeContents, FakeEndpoint, Misbehaviour, SeenRequest, TagPaging};

/// Another host with the content, under another path, in pages of ten tags.
async fn back() -> FakeRegistry {
    back_with(|_, _| None).await
}

async fn back_with(faults: impl Fn(&SeenRequest, u64) -> Option<Misbehaviour> + Send + Sync + 'static) -> FakeRegistry {
    let script = Script {
        prefix: "/eu".into(),
        contents: FakeContents::uniform(25),
        tag_pages: TagPaging::Last { max: 10 },
        over_max: fake_registry::OverMax::Clamp,
        page_max: 10,
        ..Script::open(numbered(25).as_slice())
    };
    FakeRegistry::start(script.with_faults(faults)).await.expect("a port")
}

/// Redirects everything but the ping and tokens, with the request's query or without it.
fn front(script: Script, back: &FakeRegistry, status: u16, keeps_queries: bool) -> Script {
    let base = back.url().to_string();
    script.with_faults(move |seen, _| {
        if matches!(seen.endpoint, FakeEndpoint::Ping | FakeEndpoint::Token) {
            return None;
        }
        let path = if keeps_queries { &seen.target } else { seen.path() };
        Some(Misbehaviour::status(status).header("location", &format!("{base}{path}")))
    })
}

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

#[tokio::test]
async fn lists_and_manifests_follow_a_redirect_to_another_host_without_authorization() {
    for status in [301, 302, 303, 307, 308] {
        for login in [false, true] {
            let back = back().await;
            let script = if login { Script::quay_like(["a"]) } else { Script::open(["a"]) };
            let script = front(script, &back, status, true);
            let rig = if login { Rig::new(script).await } else { anonymous(script).await };
            assert_eq!(rig.names().await, numbered(25), "{status}");
            let place = RepositoryRef::alone("team/app-000003");
            assert_eq!(rig.client.tags(&place).await.expect("tags").names.len(), 25);
            let resolved = rig.client.resolve(&place, "v7").await.expect("resolved");
            let manifest = rig.client.manifest(&place, "v7").await.expect("a manifest");
            assert_eq!(manifest.digest, resolved.digest);
            let seen = back.requests();
            assert!(seen.iter().any(|seen| seen.method == "HEAD"));
            assert!(seen.iter().all(|seen| seen.authorization == Authorization::None), "{status}");
            // Each page is asked for at the registry, which decides anew.
            assert_eq!(rig.server.count(FakeEndpoint::Tags), 3);
            assert_eq!(rig.client.stats().retries, 0);
        }
    }
}

#[tokio::test]
async fn where_a_redirect_drops_the_query_pages_are_asked_for_where_the_first_came_from() {
    let back = back().await;
    let rig = anonymous(front(Script::open(["a"]), &back, 307, false)).await;
    let tags = rig.client.tags(&RepositoryRef::alone("team/app-000003")).await.expect("tags");
    assert_eq!((tags.names.len(), rig.server.count(FakeEndpoint::Tags)), (25, 1));
    assert_eq!(rig.names().await, numbered(25));
    assert_eq!(back.count(FakeEndpoint::Tags), 3);
}

#[tokio::test]
async fn a_page_at_another_host_gets_no_authorization_though_it_is_asked_for_directly() {
    let back = back().await;
    let rig = Rig::new(front(Script::quay_like(["a"]), &back, 307, false)).await;
    assert_eq!(rig.client.tags(&RepositoryRef::alone("team/app-000003")).await.expect("tags").names.len(), 25);
    assert!(back.requests().iter().all(|seen| seen.authorization == Authorization::None));
    let first = &rig.server.requests_to(FakeEndpoint::Tags)[0];
    assert_eq!(first.authorization, Authorization::Bearer);
}

#[tokio::test]
async fn what_is_missing_at_another_host_is_gone_and_a_refusal_there_is_not_ours() {
    let place = RepositoryRef::alone("gone/app");
    let back = back().await;
    let rig = Rig::new(front(Script::quay_like(["a"]), &back, 307, true)).await;
    assert_eq!(rig.client.tags(&place).await.expect_err("gone").fault(), Fault::Gone);
    assert_eq!(rig.client.manifest(&place, "v1").await.expect_err("gone").fault(), Fault::Gone);
    for (status, fault) in
        [(401, Fault::Denied), (403, Fault::Denied), (418, Fault::Protocol), (500, Fault::ServerError)]
    {
        let back = back_with(move |_, _| Some(Misbehaviour::status(status).body("INTERNAL words"))).await;
        let rig = Rig::new(front(Script::quay_like(["a"]), &back, 307, true)).await;
        for error in [
            rig.client.tags(&place).await.expect_err("an error"),
            rig.client.manifest(&place, "v1").await.expect_err("an error"),
            rig.error().await,
        ] {
            assert_eq!(error.fault(), fault, "{error:?}");
            let text = format!("{error} {error:?} {}", error.remedy());
            assert!(
                text.contains("127.0.0.1, to which the registry redirects") && !text.contains("INTERNAL"),
                "{text}"
            );
        }
        assert!(!matches!(rig.client.standing(), LoginStatus::Refused(_)));
    }
}

#[tokio::test]
async fn a_storage_that_has_lost_a_manifest_says_so_in_xml() {
    let key = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>secret</Message></Error>";
    let back = back_with(move |_, _| Some(Misbehaviour::status(404).body(key))).await;
    let rig = anonymous(front(Script::open(["a"]), &back, 307, true)).await;
    let error = rig.client.manifest(&RepositoryRef::alone("a"), "v1").await.expect_err("gone");
    assert_eq!((error.fault(), back.requests().len()), (Fault::Gone, 1));
    assert!(error.to_string().contains("404 `NoSuchKey`"), "{error}");
    let denied = "<Error><Code>SignatureDoesNotMatch</Code><Message>secret</Message></Error>";
    let back = back_with(move |_, _| Some(Misbehaviour::status(403).body(denied))).await;
    let rig = anonymous(front(Script::open(["a"]), &back, 307, true)).await;
    let error = rig.client.manifest(&RepositoryRef::alone("a"), "v1").await.expect_err("denied");
    assert!(error.to_string().ends_with("answers 403 `SignatureDoesNotMatch`"), "{error}");
}

#[tokio::test]
async fn the_registrys_own_error_in_xml_is_shown_with_its_message() {
    let slow =
        "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Reduce \u{1b}[1m your rate.</Message></Error>";
    let script = Script::open(["a"]).with_faults(move |seen, _| {
        (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(503).body(slow))
    });
    let error = anonymous(script).await.error().await;
    assert!(error.to_string().contains("503 `SlowDown: Reduce \\u{1b}[1m your rate.`"), "{error}");
}

#[tokio::test]
async fn a_page_for_people_at_another_host_is_no_answer_of_the_registry() {
    let sso = back_with(|_, _| Some(Misbehaviour::status(200).body("<!doctype html><title>Sign in</title>"))).await;
    let to = sso.url().join("/login").expect("a URL").to_string();
    for endpoint in [FakeEndpoint::Ping, FakeEndpoint::Catalog] {
        let to = to.clone();
        let script = Script::open(["a"]).with_faults(move |seen, _| {
            (seen.endpoint == endpoint).then(|| Misbehaviour::status(302).header("location", &format!("{to}?rd=x")))
        });
        let error = anonymous(script).await.error().await;
        assert_eq!(error.fault(), Fault::Untrusted, "{error:?}");
        assert!(error.to_string().contains("/login, which is a page for people"), "{error}");
        assert!(error.remedy().contains("login of its own"), "{}", error.remedy());
    }
}

#[tokio::test]
async fn a_ping_leaves_its_host_for_anonymous_callers_only() {
    let back = back().await;
    let to = format!("{}/v2/", back.url());
    let script = |script: Script| {
        let to = to.clone();
        script.with_faults(move |seen, _| {
            (seen.endpoint == FakeEndpoint::Ping).then(|| Misbehaviour::status(301).header("location", &to))
        })
    };
    assert_eq!(anonymous(script(Script::open(["a"]))).await.names().await, ["a"]);
    assert_eq!(back.requests().len(), 1);
    let error = Rig::new(script(Script::quay_like(["a"]))).await.error().await;
    assert_eq!((error.fault(), error.step(), back.requests().len()), (Fault::Untrusted, Step::Ping, 1));
    assert!(error.to_string().contains(&to), "{error}");
    assert!(error.remedy().contains(&format!("configure `url: {}`", back.url())), "{}", error.remedy());
}

#[tokio::test]
async fn redirects_are_counted_and_a_circle_is_seen() {
    let script = |circle: bool| {
        Script::open(["a"]).with_faults(move |seen, nth| {
            let to = if circle { "/v2/_catalog".to_owned() } else { format!("/v2/_catalog?moved={nth}") };
            (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(302).header("location", &to))
        })
    };
    for (circle, requests) in [(true, 2), (false, 6)] {
        let rig = anonymous(script(circle)).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), rig.server.count(FakeEndpoint::Catalog)), (Fault::Protocol, requests));
        assert!(error.remedy().contains("circle"), "{}", error.remedy());
    }
}

#[tokio::test]
async fn the_query_of_a_redirect_stays_byte_for_byte() {
    let query = "X-Sig=a'b|c^d&name*=UTF-8''x%2f%2F+%20{}";
    let mut config = None;
    let contents = FakeContents::default().with("a", |held| config = Some(held.blob("{\"os\":\"linux\"}")));
    let storage = FakeRegistry::start(Script { contents, ..Script::open(["a"]) }).await.expect("a port");
    let blobs_at = Some(format!("{}{{path}}?{}", storage.url().as_str().trim_end_matches('/'), query));
    let manifests = fake_registry::ManifestRules { blobs_at, ..Default::default() };
    let rig = anonymous(Script { manifests, contents: FakeContents::uniform(1), ..Script::open(["a"]) }).await;
    let config = Descriptor { digest: config.expect("a digest"), size: Some(14), media_type: String::new() };
    rig.client.config(&RepositoryRef::alone("a"), &config).await.expect("a configuration");
    assert_eq!(storage.requests()[0].raw_query(), query);
}

#[tokio::test]
async fn a_token_request_follows_redirects_within_its_origin_and_no_others() {
    let moved = |to: &'static str| {
        move |seen: &SeenRequest, _: u64| {
            let target = format!("{to}?{}", seen.raw_query());
            (seen.path() == "/old").then(|| Misbehaviour::status(301).header("location", &target))
        }
    };
    let script = |to| {
        let script = Script::distribution_like(["a"]).with_token(|token| token.realm = Some("/old".into()));
        script.with_faults(moved(to))
    };
    let rig = Rig::new(script("/token")).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.server.requests_to(FakeEndpoint::Token)[0].authorization, Authorization::Basic);

    let rig = Rig::new(script("https://sso.example.test/token/")).await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Untrusted, Step::Token));
    assert!(error.to_string().ends_with("/old redirects to https://sso.example.test/token/"), "{error}");
    assert!(error.remedy().contains("`realm` in the registry's settings"), "{}", error.remedy());
    assert_eq!(rig.meter.refused(), [SafetyRule::Redirect]);
}

#[tokio::test]
async fn no_redirect_leads_from_https_to_http() {
    let file = secret_file(&own().certificate);
    let plain = back().await;
    for to in [plain.url().join("/eu/v2/").expect("a URL").as_str(), "http://127.0.0.1:1/v2/"] {
        let response = format!("HTTP/1.1 307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        for auth in [Auth::None, Auth::Token(Some(login(&file)))] {
            let mut settings = settings(serve_response(response.clone()), auth);
            settings.ca_file = Some(file.path().to_owned());
            let client = Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
            let error = walk(&client).await.error.expect("an error");
            assert_eq!((error.fault(), error.step()), (Fault::Untrusted, Step::Ping), "{error}");
            assert!(error.to_string().ends_with(&format!("redirected to {to}")), "{error}");
            assert!(error.remedy().contains("X-Forwarded-Proto: https"), "{}", error.remedy());
        }
    }
    assert!(plain.requests().is_empty());
}
