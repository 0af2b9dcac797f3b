//! Tokens.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use fake_registry::{FakeEndpoint, Misbehaviour, Stated, TokenFields, TokenMethod};

#[tokio::test]
async fn awkward_credentials_survive_by_get_and_by_post() {
    // The shapes' password is `p:a/ss%2B+wörd`, the user has a `+`.
    assert!(PASSWORD.contains(':') && PASSWORD.contains('%') && !PASSWORD.is_ascii() && USERNAME.contains('+'));
    for method in [TokenMethod::GetOnly, TokenMethod::PostOnly] {
        let script = Script::distribution_like(["a"]).with_token(|token| token.method = method);
        assert_eq!(Rig::new(script).await.names().await, ["a"], "{method:?}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_by_post_only_where_get_is_refused() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::Both);
    let rig = Rig::new(script).await;
    rig.names().await;
    let methods = |rig: &Rig| -> Vec<_> {
        rig.server.requests_to(FakeEndpoint::Token).iter().map(|seen| seen.method.to_string()).collect()
    };
    assert_eq!(methods(&rig), ["GET"]);
    let script =
        Script::distribution_like(numbered(1).as_slice()).with_token(|token| token.method = TokenMethod::PostOnly);
    let rig = Rig::new(script).await;
    rig.names().await;
    assert_eq!(methods(&rig), ["GET", "POST"]);
    let post = rig.server.requests_to(FakeEndpoint::Token).remove(1);
    assert_eq!(post.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(post.raw_query(), "", "nothing but the form");
    // Once known, GET is not tried again.
    rig.server.revoke_tokens();
    rig.names().await;
    assert_eq!(methods(&rig), ["GET", "POST", "POST"]);
}

#[tokio::test]
async fn a_refused_password_grant_is_a_refused_password() {
    let script = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    let script = script.with_faults(|seen, _| {
        let body = r#"{"error":"invalid_grant","error_description":"wrong password"}"#;
        (seen.method == "POST").then(|| Misbehaviour::status(400).body(body))
    });
    let rig = Rig::with(script, |settings| settings.scope = vec!["repository:a:pull".into()]).await;
    assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    assert_eq!(rig.server.count(FakeEndpoint::Token), 2, "one GET, one POST, no further scope");
}

#[tokio::test]
async fn an_answer_without_a_token_is_an_error() {
    for (fields, good) in [(TokenFields::Token, true), (TokenFields::AccessToken, true), (TokenFields::Neither, false)]
    {
        let script = Script::distribution_like(["a"]).with_token(|token| token.fields = fields);
        let walked = Rig::new(script).await.walk().await;
        assert_eq!(walked.error.is_none(), good, "{fields:?}");
        if let Some(error) = walked.error {
            assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Token));
        }
    }
}

#[tokio::test]
async fn odd_lifetimes_and_issue_times_do_no_harm() {
    for odd in [json!(null), json!("300"), json!(299.5), json!(0), json!(-1), json!(1e300), json!([])] {
        let script = Script {
            page_max: 10,
            over_max: fake_registry::OverMax::Clamp,
            ..Script::distribution_like(numbered(95).as_slice())
        };
        let script = script.with_token(|token| {
            token.expires_in = Stated::As(odd.clone());
            token.issued_at = Stated::As(json!("1999-01-01T00:00:00.000000001Z"));
        });
        let rig = Rig::new(script).await;
        assert_eq!(rig.names().await.len(), 95);
        assert_eq!(rig.server.tokens_issued(), 1, "{odd}: not a token per page");
    }
}

/// 40 pages of 5 names at 25 ms: the walk takes a second, and its tokens are valid for less.
fn slow(lifetime_ms: u64) -> Script {
    let script =
        Script { page_max: 5, over_max: fake_registry::OverMax::Clamp, ..Script::quay_like(numbered(200).as_slice()) };
    Script { latency: Duration::from_millis(25), ..script }.with_token(|token| {
        token.lifetime = Duration::from_millis(lifetime_ms);
        token.fields = TokenFields::Both;
    })
}

#[tokio::test]
async fn a_token_is_refreshed_in_mid_walk_ahead_of_expiry() {
    let script = slow(2000).with_token(|token| token.expires_in = Stated::As(json!(0.5)));
    let rig = Rig::new(script).await;
    assert_eq!(rig.names().await, numbered(200));
    assert!((2..=6).contains(&rig.server.tokens_issued()), "{}", rig.server.tokens_issued());
    let refused = rig.server.requests_to(FakeEndpoint::Catalog).iter().filter(|seen| seen.status == Some(401)).count();
    assert_eq!(refused, 0, "renewed before the registry had to say so");
}

#[tokio::test]
async fn a_401_refreshes_the_token_once_and_repeats_the_same_page_with_the_same_headers() {
    // The server's tokens expire earlier than the server says.
    let script = slow(400).with_token(|token| token.expires_in = Stated::As(json!(3600)));
    let rig = Rig::new(script).await;
    assert_eq!(rig.names().await, numbered(200));
    let catalog = rig.server.requests_to(FakeEndpoint::Catalog);
    let refused: Vec<_> = (0..catalog.len()).filter(|&at| catalog[at].status == Some(401)).collect();
    assert!(!refused.is_empty());
    for at in refused {
        let (first, again) = (&catalog[at], &catalog[at + 1]);
        assert_eq!(first.target, again.target);
        assert_eq!(again.status, Some(200));
        assert_ne!(first.header("authorization"), again.header("authorization"));
        let rest = |seen: &fake_registry::SeenRequest| {
            let mut headers = seen.headers.clone();
            headers.remove("authorization");
            headers
        };
        assert_eq!(rest(first), rest(again));
    }
}

#[tokio::test]
async fn a_failed_early_refresh_keeps_the_valid_token_in_mid_walk() {
    let script = slow(60_000).with_token(|token| token.expires_in = Stated::As(json!(2)));
    let script = script
        .with_faults(|seen, nth| (seen.endpoint == FakeEndpoint::Token && nth > 1).then(|| Misbehaviour::status(503)));
    let rig = Rig::new(script).await;
    assert_eq!(rig.names().await, numbered(200));
    assert_eq!(rig.server.tokens_issued(), 1);
}

#[tokio::test]
async fn keep_fresh_renews_tokens_so_that_pages_do_not_wait() {
    let rig = Rig::new(slow(1000).with_token(|token| token.expires_in = Stated::As(json!(0.4)))).await;
    assert_eq!(rig.names().await, numbered(200));
    assert!(rig.server.tokens_issued() >= 2);
    assert!(matches!(rig.client.token(), TokenState::Valid { .. }));
}

#[tokio::test]
async fn concurrent_walks_share_one_token_and_pages_do_not_ask_for_one() {
    let rig =
        Rig::new(Script { latency: Duration::from_millis(5), ..Script::quay_like(numbered(1000).as_slice()) }).await;
    let walks = futures::future::join_all((0..8).map(|_| walk(&rig.client))).await;
    assert!(walks.iter().all(|walked| walked.names().len() == 1000));
    assert_eq!(rig.server.tokens_issued(), 1);
}

#[tokio::test]
async fn scopes_too_many_for_one_request_are_told() {
    let rig = Rig::with(Script::quay_like(["a"]), |settings| {
        settings.scope = (0..100).map(|number| format!("repository:organisation/repository-{number}:pull")).collect();
    });
    let error = rig.await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Denied, Step::Token));
    let rig = Rig::with(Script::quay_like(["a"]), |settings| {
        settings.scope = (0..50).map(|number| format!("repository:organisation/repository-{number}:pull")).collect();
    });
    let rig = rig.await;
    assert_eq!(rig.names().await, ["a"]);
    let token = rig.server.requests_to(FakeEndpoint::Token).remove(0);
    assert_eq!(token.query_all("scope").len(), 50);
    assert!(token.target.len() < 4096);
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again() {
    let script = Script::quay_like(["a"]).with_token(|token| token.password = "another".into());
    let rig = Rig::new(script).await;
    for _ in 0..3 {
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::CredentialsRejected, Step::Token));
        assert!(error.remedy().contains("rotate the secret"), "{}", error.remedy());
    }
    assert_eq!(rig.server.count(FakeEndpoint::Token), 1);
    assert_eq!(rig.client.token(), TokenState::Rejected);
    let rig = Rig::with(Script::basic(["a"]), |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Basic(PasswordLogin { username: "nobody".into(), ..login });
    });
    let rig = rig.await;
    assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    assert_eq!(rig.client.stats().requests, 1);
}

#[tokio::test]
async fn credentials_refused_in_mid_walk_are_not_tried_again_either() {
    let script = slow(60_000).with_token(|token| token.expires_in = Stated::As(json!(0.4)));
    let script = script
        .with_faults(|seen, nth| (seen.endpoint == FakeEndpoint::Token && nth > 1).then(|| Misbehaviour::status(401)));
    let rig = Rig::new(script).await;
    let walked = rig.walk().await;
    assert!(walked.pages.len() > 1, "the living token was used until it died");
    assert_eq!(walked.error.expect("an error").fault(), Fault::CredentialsRejected);
    assert_eq!(rig.server.count(FakeEndpoint::Token), 2);
}

#[tokio::test]
async fn a_quay_user_without_a_plus_is_asked_whether_a_robot_was_meant() {
    let script = Script::quay_like(["a"]).with_token(|token| token.realm = Some("/v2/auth".into()));
    let script = script.with_faults(|seen, _| (seen.path() == "/v2/auth").then(|| Misbehaviour::status(401)));
    let rig = Rig::with(script, |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Token(Some(PasswordLogin { username: "acme/inventory".into(), ..login }));
    });
    assert!(rig.await.error().await.remedy().contains("org+robot"));
}

#[tokio::test]
async fn failures_of_the_token_endpoint_are_told_apart() {
    let html = "<html>Bad gateway</html>";
    for (goes, fault, tries) in [
        (Misbehaviour::status(401), Fault::CredentialsRejected, 1),
        (Misbehaviour::status(403), Fault::CredentialsRejected, 1),
        (Misbehaviour::status(502).body(html), Fault::ServerError, 4),
        (Misbehaviour::status(200).body(html), Fault::Protocol, 1),
        (Misbehaviour::status(302).header("location", "https://elsewhere.test/"), Fault::Untrusted, 1),
        (Misbehaviour::status(302).header("location", "/token"), Fault::Untrusted, 2),
        (Misbehaviour::status(418), Fault::Protocol, 1),
        (Misbehaviour::Drop, Fault::Unreachable, 4),
        (Misbehaviour::Hang, Fault::Unreachable, 4),
        (Misbehaviour::status(200).body(vec![b' '; 2 << 20]), Fault::Protocol, 1),
    ] {
        let name = format!("{goes:?}").chars().take(60).collect::<String>();
        let script = Script::quay_like(["a"])
            .with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Token).then(|| goes.clone()));
        let rig = Rig::with(script, |settings| settings.timeout = Duration::from_millis(250)).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (fault, Step::Token), "{name}: {error}");
        assert_eq!(rig.server.count(FakeEndpoint::Token), tries, "{name}");
    }
}

#[tokio::test]
async fn the_secret_is_read_anew_at_every_login_and_its_absence_is_told() {
    static ROTATED: AtomicBool = AtomicBool::new(false);
    let rig = Rig::with(Script::quay_like(["a"]), |settings| {
        let password = SecretSource::File("/nonexistent/password".into());
        settings.auth = Auth::Token(Some(PasswordLogin { username: USERNAME.into(), password }));
    });
    let error = rig.await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::SecretUnreadable, Step::Token));
    // The password is changed on both sides while the client is in use.
    let script = Script::quay_like(["a"]).with_faults(|seen, _| {
        let old = seen.header("authorization") != Some("Basic YWNtZStpbnZlbnRvcnk6bmV3");
        let token = || Misbehaviour::status(200).body(r#"{"token":"t"}"#);
        match (seen.endpoint, ROTATED.load(Ordering::Relaxed)) {
            (FakeEndpoint::Token, true) if old => Some(Misbehaviour::status(401)),
            (FakeEndpoint::Token, true) => Some(token()),
            (FakeEndpoint::Catalog, true) if seen.header("authorization") == Some("Bearer t") => {
                Some(Misbehaviour::status(200).body(r#"{"repositories":["a"]}"#))
            }
            _ => None,
        }
    });
    let rig = Rig::new(script).await;
    assert_eq!(rig.names().await, ["a"]);
    std::fs::write(rig.secret.path(), "new\n").expect("written");
    ROTATED.store(true, Ordering::Relaxed);
    rig.server.revoke_tokens();
    assert_eq!(rig.names().await, ["a"]);
}
