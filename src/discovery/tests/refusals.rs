//! What APIs answer instead of a list, and what is made of it.

use super::*;
use crate::registry::Fault;

const QUAY: &str = "/api/v1/repository?namespace=acme&public=true";

async fn quay(answers: Vec<Misbehaviour>) -> DiscoveryRig {
    DiscoveryRig::new(answers.into_iter().map(|goes| (QUAY, goes)).collect()).await
}

async fn quay_error(goes: Misbehaviour) -> RegistryError {
    let rig = quay(vec![goes]).await;
    let error = rig.error(&rig.quay(&["acme"])).await;
    assert!(!format!("{error:?}{error}{}", error.remedy()).contains("hunter2"), "{error:?}");
    error
}

#[tokio::test]
async fn refusals_are_told_apart_and_say_what_the_login_needs() {
    for (goes, fault, remedy) in [
        (
            Misbehaviour::status(401).body(r#"{"error":"hunter2/Ü+% is no token"}"#),
            Fault::CredentialsRejected,
            "repo:read",
        ),
        (Misbehaviour::status(403).body(r#"{"error_message":"Unauthorized"}"#), Fault::Denied, "repo:read"),
        (Misbehaviour::status(404), Fault::Unsupported, "api_url"),
        (body("<!DOCTYPE html><html>hunter2/Ü+%"), Fault::Protocol, "api_url"),
        (body(r#"{"repositories":"hunter2/Ü+%"}"#), Fault::Protocol, "api_url"),
        (body(r#"{"repositories":[{"namespace":"acme"}]}"#), Fault::Protocol, "api_url"),
        (body("{}"), Fault::Protocol, "api_url"),
        (body("[]"), Fault::Protocol, "api_url"),
        (body(r#"{"repositories":["#), Fault::Protocol, "api_url"),
        (
            Misbehaviour::status(302).header("location", "https://login.example/hunter2/Ü+%"),
            Fault::Untrusted,
            "api_url",
        ),
        (
            body(r#"{"repositories":[]}"#).header("link", "<https://evil.example/>; rel=\"next\""),
            Fault::Untrusted,
            "url",
        ),
    ] {
        let what = format!("{goes:?}");
        let error = quay_error(goes).await;
        assert_eq!(error.fault(), fault, "{what} {error}");
        assert!(error.remedy().contains(remedy), "{what}: {}", error.remedy());
        assert!(error.to_string().starts_with("repositories of acme, page 1: "), "{error}");
    }
}

#[tokio::test]
async fn without_a_login_a_401_is_no_refused_password() {
    let rig =
        DiscoveryRig::new(vec![("/v2/namespaces/acme/repositories?page_size=100", Misbehaviour::status(401))]).await;
    let settings = DiscoverySettings::DockerHub { api: ApiSettings::default(), namespaces: owned(&["acme"]) };
    let error = rig.error(&settings).await;
    assert_eq!(error.fault(), Fault::Denied);
    assert!(error.remedy().contains("personal access token"), "{}", error.remedy());
}

#[tokio::test]
async fn a_refused_exchange_is_not_tried_again() {
    for status in [400, 401] {
        let rig = DiscoveryRig::new(vec![(
            "/v2/auth/token",
            Misbehaviour::status(status).body(r#"{"detail":"Incorrect: hunter2/Ü+%"}"#),
        )])
        .await;
        let api = ApiSettings { url: None, login: ApiLogin::Exchanged(rig.login()) };
        let error = rig.error(&DiscoverySettings::DockerHub { api, namespaces: owned(&["acme"]) }).await;
        assert_eq!(error.fault(), Fault::CredentialsRejected);
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(rig.targets(), ["/v2/auth/token"]);
    }
}

#[tokio::test]
async fn a_429_is_waited_out() {
    let busy = Misbehaviour::status(429).header("retry-after", "0");
    let rig = quay(vec![busy, body(r#"{"repositories":[{"namespace":"acme","name":"app"}]}"#)]).await;
    assert_eq!(rig.names(&rig.quay(&["acme"])).await, ["acme/app"]);
    assert_eq!(rig.targets(), [QUAY, QUAY]);
}

#[tokio::test]
async fn a_next_page_elsewhere_is_refused_before_it_is_asked() {
    let next = r#"{"next":"http://evil.example/v2/namespaces/acme/repositories?page=2","results":[]}"#;
    let rig = DiscoveryRig::new(vec![("/v2/namespaces/acme/repositories?page_size=100", body(next))]).await;
    let settings = DiscoverySettings::DockerHub { api: ApiSettings::default(), namespaces: owned(&["acme"]) };
    let walked = rig.walk(&settings).await;
    assert_eq!((walked.pages.len(), walked.error.expect("an error").fault()), (1, Fault::Untrusted));
    assert_eq!(rig.targets().len(), 1);
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends_in_an_error() {
    // The same key again: the same URL.
    let again = r#"{"repositories":[{"namespace":"acme","name":"app"}],"next_page":"k"}"#;
    let second = "/api/v1/repository?namespace=acme&public=true&next_page=k";
    let rig = DiscoveryRig::new(vec![(QUAY, body(again)), (second, body(again))]).await;
    let error = rig.error(&rig.quay(&["acme"])).await;
    assert_eq!(error.fault(), Fault::Endless);
    assert_eq!(rig.targets().len(), 2);

    // Another number, and the same page: a server that ignores `page`.
    let page = r#"[{"name":"library/nginx"}]"#;
    let rig = DiscoveryRig::new(vec![
        ("/api/v2.0/projects/library/repositories?page=1&page_size=100", body(page)),
        ("/api/v2.0/projects/library/repositories?page_size=100&page=2", body(page)),
        ("/api/v2.0/projects/library/repositories?page_size=100&page=3", body(page)),
    ])
    .await;
    let settings = DiscoverySettings::Harbor { api: ApiSettings::default(), projects: owned(&["library"]) };
    let error = rig.error(&settings).await;
    assert_eq!(error.fault(), Fault::Endless);
    assert_eq!(rig.targets().len(), 2);
}

#[tokio::test]
async fn names_against_the_grammar_are_counted_and_shown_without_secrets() {
    let names = r#"{"repositories":[{"namespace":"acme","name":"App"},{"namespace":"..","name":"etc\u001b[2J"},
        {"namespace":"acme","name":"hunter2/Ü+%"},{"namespace":"acme","name":"ok"}]}"#;
    let rig = quay(vec![body(names)]).await;
    let pages = rig.walk(&rig.quay(&["acme"])).await.pages;
    assert_eq!(pages[0].names.iter().collect::<Vec<_>>(), ["acme/ok"]);
    assert_eq!(pages[0].invalid_count, 3);
    assert_eq!(pages[0].invalid, ["acme/App", "../etc\\u{1b}[2J", "acme/[secret]"]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_said_before_anything_is_sent() {
    let rig = DiscoveryRig::new(Vec::new()).await;
    let api = ApiSettings { url: None, login: ApiLogin::Bearer(SecretSource::File("/nonexistent/token".into())) };
    let error = rig.error(&DiscoverySettings::Quay { api, namespaces: owned(&["acme"]) }).await;
    assert_eq!(error.fault(), Fault::SecretUnreadable);
    assert!(rig.targets().is_empty());
}
