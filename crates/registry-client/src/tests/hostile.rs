//! Hostile servers: loops, echoes, compression bombs and answers that only look like the end of a catalog.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use fake_registry::{Authorization, FakeEndpoint, Misbehaviour, SeenRequest};

async fn anonymous(script: Script) -> Rig {
    Rig::with(script, |settings| settings.auth = Auth::None).await
}

/// Every request to the catalog gets this answer.
fn catalog(goes: Misbehaviour) -> Script {
    Script::open(["a"]).with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Catalog).then(|| goes.clone()))
}

/// The `Authorization` of the request, without the scheme.
fn sent(seen: &SeenRequest) -> String {
    seen.header("authorization").and_then(|sent| sent.split_once(' ')).unwrap_or_default().1.to_owned()
}

/// A registry that answers requests with a token like this.
fn to_tokens(answer: impl Fn(&str) -> Misbehaviour + Send + Sync + 'static) -> Script {
    Script::quay_like(["a"])
        .with_faults(move |seen, _| (seen.authorization == Authorization::Bearer).then(|| answer(&sent(seen))))
}

/// Checks that no text of a walk has the password or a credential that was sent.
fn nothing_told(rig: &Rig, walked: &Walked) {
    let error = walked.error.as_ref().map(|error| format!("{error} {error:?} {}", error.remedy()));
    let shown = format!("{error:?} {:?}", walked.pages);
    let basic = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    let secrets = rig.server.requests().iter().map(sent).chain([PASSWORD.to_owned(), basic]).collect::<Vec<_>>();
    assert!(rig.server.count(FakeEndpoint::Token) > 0, "there was something to tell");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        // The first part of all tokens is the same, and not secret.
        let part = &secret[secret.char_indices().rev().nth(secret.chars().count().min(60) - 1).expect("long").0..];
        assert!(!shown.contains(part) && !shown.contains(&secret[..secret.len() / 2]), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_challenge_with_ever_new_scopes_ends_in_denied() {
    let script = Script::distribution_like(["a"]).with_faults(|seen, nth| {
        let challenge = format!("Bearer realm=\"/token\",service=\"fake\",scope=\"repository:x{nth}:pull\"");
        (seen.endpoint == FakeEndpoint::Catalog)
            .then(|| Misbehaviour::status(401).header("www-authenticate", &challenge))
    });
    let rig = Rig::new(script).await;
    let error = tokio::time::timeout(Duration::from_secs(20), rig.error()).await.expect("an end");
    assert_eq!((error.fault(), error.step()), (Fault::Denied, Step::Page(1)));
    assert!(rig.server.count(FakeEndpoint::Catalog) < 12, "{} requests", rig.server.count(FakeEndpoint::Catalog));
}

#[tokio::test]
async fn an_invalid_name_does_not_tell_what_was_sent() {
    let rig = Rig::new(to_tokens(|token| {
        Misbehaviour::status(200).body(json!({"repositories": [token, format!("{token}!"), PASSWORD, "A"]}).to_string())
    }))
    .await;
    let walked = rig.walk().await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    nothing_told(&rig, &walked);
    assert_eq!(walked.pages[0].invalid, ["[secret]", "[secret]!", "[secret]", "A"]);
}

#[tokio::test]
async fn a_refusal_tells_neither_the_token_nor_the_password_that_another_request_carried() {
    let rig = Rig::new(to_tokens(|token| Misbehaviour::status(403).body(format!("{token} for {PASSWORD}")))).await;
    nothing_told(&rig, &rig.walk().await);
}

#[tokio::test]
async fn a_challenge_does_not_tell_what_was_sent() {
    for challenge in [
        "Bearer realm=\"/token\",scope=\"X\"",
        "Bearer realm=\"/token\",scope=\"a:X:pull\",service=\"X\"",
        "Bearer realm=\"http://X.example/\",scope=\"y\"",
    ] {
        for status in [401, 403] {
            let rig = Rig::new(to_tokens(move |token| {
                Misbehaviour::status(status).header("www-authenticate", &challenge.replace('X', token))
            }))
            .await;
            nothing_told(&rig, &rig.walk().await);
        }
    }
}

#[tokio::test]
async fn a_redirect_does_not_tell_what_was_sent() {
    for location in ["http://X.example/", "http://X/", "X://example/", "/X"] {
        let rig = Rig::new(to_tokens(move |token| {
            Misbehaviour::status(302).header("location", &location.replace('X', token))
        }))
        .await;
        let walked = rig.walk().await;
        assert!(walked.error.is_some(), "{location}");
        nothing_told(&rig, &walked);
        // A host is written in lower case.
        let token = sent(rig.server.requests_to(FakeEndpoint::Catalog).last().expect("a request")).to_ascii_lowercase();
        assert!(!token.is_empty() && !walked.error.expect("an error").to_string().contains(&token));
    }
}

#[tokio::test]
async fn a_token_that_is_no_ascii_is_not_shown_either() {
    let fixed = secret_file("hunter2-ü");
    let script = catalog(Misbehaviour::status(403).body("you sent hunter2-ü"));
    let rig =
        Rig::with(script, |settings| settings.auth = Auth::Bearer(SecretSource::File(fixed.path().to_owned()))).await;
    let error = rig.error().await.to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_status_other_than_200_is_never_zero_repositories() {
    for status in [201, 202, 203, 204, 205, 206, 226, 300, 304, 305, 399] {
        let rig = anonymous(catalog(Misbehaviour::status(status).body(r#"{"repositories":[]}"#))).await;
        let error = rig.error().await;
        assert_eq!(error.step(), Step::Page(1), "{status}: {error}");
    }
}

#[tokio::test]
async fn bombs_of_brackets_and_headers_are_errors() {
    let deep = |open: &str| open.repeat(1 << 20 >> open.len());
    let names = |rest: &str| Misbehaviour::status(200).body(format!("{{\"repositories\":{rest}"));
    let mut headers = Misbehaviour::status(200).body(r#"{"repositories":[]}"#);
    for number in 0..2000 {
        headers = headers.header(&format!("x-{number}"), "x");
    }
    for goes in [
        Misbehaviour::status(200).body(deep("[")),
        Misbehaviour::status(200).body(format!("{{\"x\":{}", deep("["))),
        names(&deep("[")),
        names(&format!("[],\"x\":{}", deep("{\"x\":"))),
        Misbehaviour::status(400).body(deep("[")),
        Misbehaviour::status(400).body(format!("{{\"errors\":{}", deep("["))),
        headers,
    ] {
        let error = anonymous(catalog(goes)).await.error().await;
        assert!(matches!(error.fault(), Fault::Protocol | Fault::Unreachable), "{error}");
        assert_eq!(error.step(), Step::Page(1));
    }
    let token = Script::quay_like(["a"]).with_faults(move |seen, _| {
        (seen.endpoint == FakeEndpoint::Token)
            .then(|| Misbehaviour::status(200).body(format!("{{\"x\":{}", "[".repeat(100_000))))
    });
    let error = Rig::new(token).await.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Token));
}

#[tokio::test]
async fn an_encoding_in_two_headers_or_lists_is_an_error() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let page = gzip(br#"{"repositories":[]}"#);
    let twice = Misbehaviour::status(200).header("content-encoding", "gzip").header("content-encoding", "gzip");
    for goes in [
        twice.body(gzip(&page)),
        Misbehaviour::status(200).header("content-encoding", "gzip, gzip").body(gzip(&page)),
        Misbehaviour::status(200).header("content-encoding", "gzip").body([&page[..], b"garbage"].concat()),
        Misbehaviour::status(200).body(page.clone()),
    ] {
        let error = anonymous(catalog(goes)).await.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::Protocol, Step::Page(1)), "{error}");
    }
}
