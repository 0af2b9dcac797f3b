//! Ping, challenge and scope.

use super::*;
use fake_registry::{AnonymousCatalog, Authorization, FakeEndpoint, Grants, Misbehaviour};

#[tokio::test]
async fn the_client_pings_before_listing_and_logs_in_when_the_catalog_is_anonymously_empty() {
    let rig = Rig::new(Script::quay_like(["b/c", "a"])).await;
    assert_eq!(rig.names().await, ["b/c", "a"]);
    let requests = rig.server.requests();
    assert_eq!(requests[0].endpoint, FakeEndpoint::Ping);
    assert_eq!(requests[0].authorization, Authorization::None);
    let last = requests.last().expect("requests");
    assert_eq!((last.endpoint, last.authorization), (FakeEndpoint::Catalog, Authorization::Bearer));
    assert_eq!(rig.server.tokens_issued(), 1);
}

#[tokio::test]
async fn an_anonymous_catalog_is_never_accepted_with_credentials() {
    // Neither the ping nor the catalog asks for a login: the credentials are sent anyway, and only then the page is
    // used.
    let rig = Rig::new(Script::open(["a"])).await;
    assert_eq!(rig.names().await, ["a"]);
    let last = rig.server.requests().pop().expect("requests");
    assert_eq!(last.authorization, Authorization::Basic);
    // Without credentials, the anonymous answer is used.
    let rig = Rig::with(Script::open(["a"]), |settings| settings.auth = Auth::Token(None)).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.client.stats(), Stats { pages: 1, requests: 2, retries: 0, token_requests: 0, ..Stats::default() });
}

#[tokio::test]
async fn a_catalog_401_without_a_challenge_uses_the_pings() {
    let script = Script { anonymous_catalog: AnonymousCatalog::Unchallenged, ..Script::quay_like(["a"]) };
    assert_eq!(Rig::new(script).await.names().await, ["a"]);
}

#[tokio::test]
async fn the_catalog_may_want_basic_while_the_ping_wants_bearer() {
    let rig = Rig::new(Script::harbor_like(["a"])).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.server.count(FakeEndpoint::Token), 0);
    let with_scope =
        Rig::with(Script::harbor_like(["a"]), |settings| settings.scope = vec!["repository:a:pull".into()]);
    assert_eq!(with_scope.await.names().await, ["a"]);
}

#[tokio::test]
async fn basic_alone_is_answered_with_basic() {
    let rig = Rig::new(Script::basic(["a"])).await;
    assert_eq!(rig.names().await, ["a"]);
    let rig = Rig::with(Script::basic(["a"]), |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Basic(login);
    });
    let rig = rig.await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.client.stats().requests, 2);
}

#[tokio::test]
async fn a_relative_realm_and_several_challenge_headers_are_read() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.realm = Some("/token?tenant=x%2Fy".into()));
    let rig = Rig::new(script).await;
    assert_eq!(rig.names().await, ["a"]);
    let token = rig.server.requests_to(FakeEndpoint::Token).remove(0);
    assert!(token.raw_query().starts_with("tenant=x%2Fy&service=registry.example&scope="), "{}", token.raw_query());
    let script = Script::distribution_like(["a"]).with_faults(|seen, _| {
        let gitea = Misbehaviour::status(401)
            .header("www-authenticate", "Basic")
            .header("www-authenticate", "bearer realm=/token, service=registry.example, scope=\"registry:catalog:*\"");
        (seen.authorization == Authorization::None && seen.endpoint != FakeEndpoint::Token).then_some(gitea)
    });
    assert_eq!(Rig::new(script).await.names().await, ["a"]);
}

#[tokio::test]
async fn the_authorization_header_is_exactly_bearer_and_the_token() {
    let rig = Rig::new(Script::distribution_like(["a"])).await;
    rig.names().await;
    let last = rig.server.requests().pop().expect("requests");
    let sent = last.header("authorization").expect("authorized");
    assert_eq!(sent.split(' ').count(), 2);
    assert!(sent.starts_with("Bearer ey"), "{sent}");
}

#[tokio::test]
async fn the_scope_ladder_climbs_from_a_refused_scope() {
    // Quay answers 400 to the catalog scope: none is next.
    let rig = Rig::with(Script::quay_like(["a"]), |settings| settings.scope = vec!["registry:catalog:*".into()]).await;
    assert_eq!(rig.names().await, ["a"]);
    let scopes: Vec<_> = rig.server.requests_to(FakeEndpoint::Token).iter().map(|seen| seen.query("scope")).collect();
    assert_eq!(scopes, [Some("registry:catalog:*".into()), None]);
    // distribution grants the repository's scope and still wants the catalog's.
    let rig = Rig::with(Script::distribution_like(["a"]), |settings| settings.scope = vec!["repository:a:pull".into()]);
    let rig = rig.await;
    assert_eq!(rig.names().await, ["a"]);
    let scopes: Vec<_> = rig.server.requests_to(FakeEndpoint::Token).iter().map(|seen| seen.query("scope")).collect();
    assert_eq!(scopes, [Some("repository:a:pull".into()), Some("registry:catalog:*".into())]);
    // Without a configured scope, the challenge's is the first and only one.
    let rig = Rig::new(Script::distribution_like(["a"])).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.server.count(FakeEndpoint::Token), 1);
}

#[tokio::test]
async fn scopes_as_the_guide_writes_them_work_or_are_climbed_over() {
    for scope in ["repository:org/*:pull", "repository:org/a:pull,repository:org/b:pull", "repository:org/a:pull"] {
        let rig = Rig::with(Script::quay_like(["a"]), |settings| settings.scope = vec![scope.into()]).await;
        assert_eq!(rig.names().await, ["a"], "{scope}");
    }
}

#[tokio::test]
async fn each_step_of_the_scope_ladder_is_tried_once_and_then_the_last_refusal_is_reported() {
    let refuse_all = |seen: &fake_registry::SeenRequest, _| {
        let body = r#"{"errors":[{"code":"DENIED","message":"Unable to decode repository and actions"}]}"#;
        (seen.endpoint == FakeEndpoint::Token).then(|| Misbehaviour::status(400).body(body))
    };
    let script = Script::distribution_like(["a"]).with_faults(refuse_all);
    let rig = Rig::with(script, |settings| settings.scope = vec!["repository:x:pull".into()]).await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Denied, Step::Token));
    assert!(error.to_string().contains("Unable to decode"), "{error}");
    assert!(error.remedy().contains("repository:ORG/REPO:pull"), "{}", error.remedy());
    assert_eq!(rig.server.count(FakeEndpoint::Token), 2);
}

#[tokio::test]
async fn the_same_401_after_a_fresh_token_is_denied() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.grants = Grants::Nothing);
    let rig = Rig::new(script).await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Denied, Step::Page(1)));
    assert!(error.remedy().contains("the scope `registry:catalog:*`"), "{}", error.remedy());
    assert_eq!(rig.server.count(FakeEndpoint::Token), 1);
    assert_eq!(rig.server.count(FakeEndpoint::Catalog), 2);
}

#[tokio::test]
async fn a_wrong_service_is_named_with_both_values() {
    let rig = Rig::with(Script::quay_like(["a"]), |settings| settings.service = Some("quay".into())).await;
    let error = rig.error().await;
    assert_eq!(error.fault(), Fault::Denied);
    assert!(error.remedy().contains("`quay`"), "{}", error.remedy());
}

#[tokio::test]
async fn status_404_405_unsupported_and_403_are_never_zero_repositories() {
    let unsupported = r#"{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#;
    for (status, body, fault) in [
        (404, "404 page not found", Fault::Unsupported),
        (405, unsupported, Fault::Unsupported),
        (401, unsupported, Fault::Denied),
        (400, unsupported, Fault::Unsupported),
        (403, r#"{"errors":[{"code":"DENIED"}]}"#, Fault::Denied),
        (204, "", Fault::Protocol),
        (418, "", Fault::Protocol),
    ] {
        let script = Script::open(["a"]).with_faults(move |seen, _| {
            (seen.endpoint == FakeEndpoint::Catalog).then(|| Misbehaviour::status(status).body(body))
        });
        let rig = Rig::with(script, |settings| settings.auth = Auth::None).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (fault, Step::Page(1)), "{status}: {error}");
    }
    let script = Script::open(["a"])
        .with_faults(|seen, _| (seen.endpoint == FakeEndpoint::Ping).then(|| Misbehaviour::status(404)));
    let error = Rig::new(script).await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Unsupported, Step::Ping));
}

#[tokio::test]
async fn a_registry_that_wants_a_login_is_denied_without_one() {
    for auth in [Auth::None, Auth::Token(None)] {
        let rig = Rig::with(Script::distribution_like(["a"]), |settings| settings.auth = auth).await;
        let error = rig.error().await;
        assert_eq!(error.fault(), Fault::Denied);
        assert!(error.remedy().contains("wants a login"), "{}", error.remedy());
    }
}

#[tokio::test]
async fn anonymous_tokens_are_got_where_no_credentials_are_configured() {
    // As Docker Hub does: the catalog needs a token that anonymous callers get as well.
    let script = Script::distribution_like(["a"]).with_token(|token| token.anonymous = true);
    let script = script.with_faults(|seen, _| {
        let page = Misbehaviour::status(200).body(r#"{"repositories":["a"]}"#);
        (seen.endpoint == FakeEndpoint::Catalog && seen.authorization == Authorization::Bearer).then_some(page)
    });
    let rig = Rig::with(script, |settings| settings.auth = Auth::Token(None)).await;
    assert_eq!(rig.names().await, ["a"]);
    assert_eq!(rig.server.requests_to(FakeEndpoint::Token)[0].authorization, Authorization::None);
}

#[tokio::test]
async fn basic_straight_to_quay_is_told_to_use_tokens() {
    let script = Script::quay_like(["a"]).with_faults(|seen, _| {
        let quay = Misbehaviour::status(401).header("content-type", "text/html");
        (seen.authorization == Authorization::Basic && seen.endpoint != FakeEndpoint::Token)
            .then(|| quay.body(r#"{"error": "Invalid bearer token format"}"#))
    });
    let rig = Rig::with(script, |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Basic(login);
    });
    let error = rig.await.error().await;
    assert_eq!(error.fault(), Fault::Denied);
    assert!(error.remedy().contains("auth: token"), "{}", error.remedy());
}

#[tokio::test]
async fn a_fixed_token_is_sent_as_it_is() {
    let file = secret_file("made-elsewhere\n");
    let source = SecretSource::File(file.path().to_owned());
    let rig = Rig::with(Script::open(["a"]), |settings| settings.auth = Auth::Bearer(source.clone())).await;
    assert_eq!(rig.names().await, ["a"]);
    assert!(rig.server.requests().iter().all(|seen| seen.header("authorization") == Some("Bearer made-elsewhere")));
    let rig = Rig::with(Script::distribution_like(["a"]), |settings| settings.auth = Auth::Bearer(source)).await;
    let error = rig.error().await;
    assert_eq!(error.fault(), Fault::CredentialsRejected);
    assert!(error.remedy().contains("new token"), "{}", error.remedy());
}
