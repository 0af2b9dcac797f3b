//! The part of the matrix of rules that is about refused logins and token services.

use serde_json::json;

use super::faults::fires;
use super::*;
use fake_registry::Misbehaviour;
use fake_registry::tls::{own, serve_response};

/// A Quay whose token service answers so.
async fn quay(goes: Misbehaviour) -> CheckRig {
    let script = Script::quay_like(["a"]).with_token(|token| token.realm = Some("/v2/auth".into()));
    let script = script.with_faults(move |seen, _| (seen.path() == "/v2/auth").then(|| goes.clone()));
    CheckRig::of(script).await
}

async fn refused(message: &str, rule: &str, username: &str) {
    let body = json!({"errors": [{"code": "UNAUTHORIZED", "detail": {}, "message": message}]});
    let rig = quay(Misbehaviour::status(401).body(body.to_string())).await.named(username);
    let report = fires(rule, CheckStep::Login, Severity::Authentication, rig).await;
    let told = report.diagnoses().next().expect("a diagnosis");
    assert!(told.evidence.iter().any(|fact| fact.seen.contains(message)), "{told:?}");
}

#[tokio::test]
async fn each_refusal_of_quay_has_its_rule() {
    for (message, rule, username) in [
        ("OAuth access token has expired", "token_as_password", "$oauthtoken"),
        ("Could not find robot", "token_as_password", "$oauthtoken"),
        ("Could not find robot with username: org+gone and supplied password.", "robot_unknown", "org+gone"),
        ("Invalid Username or Password", "user_password", "alice"),
        ("Client login with unencrypted passwords is disabled.", "encrypted_password", "alice"),
        ("Signature has expired", "secret_expired", "org+robot"),
        ("This user has been disabled. Please contact your administrator.", "account_disabled", "org+robot"),
        ("Too many login attempts.", "login_locked", "alice"),
    ] {
        refused(message, rule, username).await;
    }
}

#[tokio::test]
async fn a_configured_token_of_another_form() {
    let refused = Misbehaviour::status(401).body(r#"{"error": "Invalid bearer token format"}"#);
    let rig = CheckRig::of(Script::open(["a"]).with_faults(move |_, _| Some(refused.clone()))).await;
    let rig = rig.with(|settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Bearer(login.password);
    });
    fires("token_form", CheckStep::Login, Severity::Authentication, rig).await;
}

#[tokio::test]
async fn a_token_service_that_is_none_fails_or_has_moved() {
    let wrong = quay(Misbehaviour::status(404).body("<html>")).await;
    fires("token_service", CheckStep::Login, Severity::Failed, wrong).await;
    let fails = quay(Misbehaviour::status(501)).await;
    fires("token_service_fails", CheckStep::Login, Severity::Failed, fails).await;
    let moved = quay(Misbehaviour::status(302).header("location", "https://sso.example.test/")).await;
    let report = fires("token_service_moved", CheckStep::Login, Severity::Failed, moved).await;
    assert!(report.diagnoses().next().expect("a diagnosis").cause.contains("https://sso.example.test/"));
    assert_eq!(report.exchanges.iter().filter(|exchange| exchange.url.contains("/v2/auth")).count(), 1);
}

#[tokio::test]
async fn a_registry_that_believes_that_it_is_reached_over_http() {
    let challenge = "Bearer realm=\"http://127.0.0.1/service/token\",service=\"harbor-registry\"";
    let response = format!("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n");
    let file = secret_file(&own().certificate);
    let rig = CheckRig::nowhere().with(|settings| {
        settings.url = serve_response(response);
        settings.ca_file = Some(file.path().to_owned());
    });
    let report = fires("realm_plaintext", CheckStep::Login, Severity::Failed, rig).await;
    let told = report.diagnoses().next().expect("a diagnosis");
    assert!(told.cause.contains("reached over http") && told.remedy.contains("X-Forwarded-Proto"), "{told:?}");
}
