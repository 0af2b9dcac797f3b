//! What a token service answers instead of a token: each answer names the service, and its remedy is about the service.

use url::Url;

use super::*;
use crate::token::cache::TokenRequest;
use fake_registry::{FakeContents, FakeEndpoint, Misbehaviour};

fn token_fault(script: Script, goes: Misbehaviour) -> Script {
    script.with_faults(move |seen, _| (seen.endpoint == FakeEndpoint::Token).then(|| goes.clone()))
}

#[tokio::test]
async fn an_error_of_the_token_service_names_its_url_and_its_remedy_is_about_the_service() {
    let realm = "correct `realm` in the registry's settings";
    for (goes, fault, remedy) in [
        (Misbehaviour::status(404).body("<html>"), Fault::Protocol, realm),
        (Misbehaviour::status(404).body(r#"{"errors":[{"code":"NOT_FOUND"}]}"#), Fault::Protocol, realm),
        (Misbehaviour::status(405), Fault::Protocol, realm),
        (Misbehaviour::status(410), Fault::Protocol, realm),
        (Misbehaviour::status(418), Fault::Protocol, realm),
        (Misbehaviour::status(300), Fault::Protocol, realm),
        (Misbehaviour::status(200).body("<!doctype html>"), Fault::Protocol, realm),
        (Misbehaviour::status(200).body("{}"), Fault::Protocol, realm),
        (Misbehaviour::status(200).body("token"), Fault::Protocol, realm),
        (Misbehaviour::status(204), Fault::Protocol, realm),
        (Misbehaviour::status(502).body("<html>"), Fault::ServerError, "look at the logs of the token service"),
        (Misbehaviour::status(501), Fault::ServerError, "look at the logs of the token service"),
        (Misbehaviour::status(429), Fault::RateLimited, "`requests_per_second`"),
        (Misbehaviour::status(301), Fault::Untrusted, realm),
        (Misbehaviour::status(301).header("location", "/token"), Fault::Untrusted, realm),
    ] {
        let name = format!("{goes:?}");
        let rig = Rig::new(token_fault(Script::distribution_like(["a"]), goes)).await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (fault, Step::Token), "{name}: {error}");
        let url = rig.server.url().join("/token").expect("a URL");
        assert!(error.to_string().contains(url.as_str()), "{name}: {error}");
        assert!(error.remedy().contains(remedy), "{name}: {}", error.remedy());
        for wrong in ["pagination", "configure it as `url`", "check `url`"] {
            assert!(!error.remedy().contains(wrong), "{name}: {}", error.remedy());
        }
    }
}

#[tokio::test]
async fn a_realm_over_http_is_what_a_registry_names_that_is_not_told_of_https() {
    let file = secret_file(PASSWORD);
    for (host, is_own) in [("localhost:5000", true), ("localhost", true), ("sso.example.test", false)] {
        let registry = "https://localhost:5000".parse().expect("a URL");
        for realm_hosts in [Vec::new(), vec![host.to_owned()]] {
            let settings =
                RegistrySettings { realm_hosts, ..settings(Url::clone(&registry), Auth::Token(Some(login(&file)))) };
            let client = Client::build(settings, QUICK, ListBounds::default(), Arc::new(())).expect("a client");
            let wanted = TokenRequest {
                realm: format!("http://{host}/v2/token").parse().expect("a URL"),
                service: None,
                scopes: ScopeSet::default(),
            };
            let error = client.authorized().tokens.get(&Arc::new(wanted)).await.expect_err("refused");
            assert_eq!(error.fault(), Fault::Untrusted);
            assert!(error.to_string().ends_with(&format!("no token may be requested from http://{host}/v2/token")));
            assert!(error.remedy().contains("X-Forwarded-Proto: https"), "{}", error.remedy());
            assert!(!error.remedy().contains("realm_hosts"), "{}", error.remedy());
            assert_eq!(error.known_cause().expect("a cause").cause().contains("reached over http"), is_own);
        }
    }
}

#[tokio::test]
async fn a_refused_login_of_quay_has_the_remedy_of_its_text() {
    for (username, text, remedy) in [
        ("$oauthtoken", "OAuth access token has expired", "generate a new token for the application"),
        ("$oauthtoken", "Could not find robot", "generate a new token for the application"),
        ("$app", "Invalid token", "application token"),
        ("$token", "Invalid token", "use a robot account"),
        ("org+gone", "Could not find robot with username: org+gone and supplied password.", "has not been deleted"),
        ("alice", "Invalid Username or Password", "correct the user name or the password"),
        ("alice", "Please generate an encrypted password in the user admin panel", "encrypted password"),
        ("alice", "Too many login attempts.", "wait until"),
        ("org+robot", "This user has been disabled. Please contact your administrator.", "administrator to enable"),
        ("org+robot", "Signature has expired", "make a new password or token"),
        ("alice", "", "did you mean `org+robot`"),
        ("org+robot", "", "rotate the secret"),
    ] {
        let script = Script::quay_like(["a"]).with_token(|token| token.realm = Some("/v2/auth".into()));
        let body = format!(r#"{{"errors":[{{"code":"UNAUTHORIZED","detail":{{}},"message":"{text}"}}]}}"#);
        let script = script.with_faults(move |seen, _| {
            (seen.path() == "/v2/auth").then(|| Misbehaviour::status(401).body(body.clone()))
        });
        let rig = Rig::with(script, |settings| {
            let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
            settings.auth = Auth::Token(Some(PasswordLogin { username: username.into(), ..login }));
        });
        let error = rig.await.error().await;
        assert_eq!(error.fault(), Fault::CredentialsRejected, "{error}");
        assert!(error.remedy().contains(remedy), "{username}, {text}: {}", error.remedy());
    }
}

#[tokio::test]
async fn a_configured_token_is_not_called_basic_credentials() {
    let secret = secret_file("an-oauth-token");
    for (body, remedy) in [
        (r#"{"error": "Invalid bearer token format"}"#, "password of the user name `$oauthtoken`"),
        (r#"{"error": "Signature has expired"}"#, "make a new token"),
    ] {
        let script = Script::open(["a"]).with_faults(move |_, _| Some(Misbehaviour::status(401).body(body)));
        let source = SecretSource::File(secret.path().to_owned());
        let error = Rig::with(script, |settings| settings.auth = Auth::Bearer(source)).await.error().await;
        assert_eq!(error.fault(), Fault::CredentialsRejected);
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
        assert!(!format!("{:?}", error.known_cause()).contains("Basic"), "{error:?}");
    }
    let script = Script::open(["a"])
        .with_faults(|_, _| Some(Misbehaviour::status(401).body(r#"{"error": "Invalid bearer token format"}"#)));
    let basic = Rig::with(script, |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Basic(login);
    });
    assert_eq!(basic.await.error().await.known_cause(), Some(KnownCause::BasicOnApi));
}

#[tokio::test]
async fn a_repeated_scope_that_is_refused_is_asked_singly_at_once() {
    for status in [400, 413, 414, 422, 431, 500] {
        let script = Script { contents: FakeContents::uniform(2), ..Script::quay_like(numbered(80).as_slice()) };
        let script = script.with_faults(move |seen, _| {
            let several = seen.endpoint == FakeEndpoint::Token && seen.query_all("scope").len() > 1;
            several.then(|| Misbehaviour::status(status))
        });
        let rig = Rig::new(script).await;
        for place in RepositoryRef::together(numbered(80).into_iter().map(Arc::from)) {
            assert_eq!(rig.client.tags(&place).await.expect("tags").names.len(), 2, "{status}");
        }
        let groups = rig.server.requests_to(FakeEndpoint::Token);
        let groups = groups.iter().filter(|seen| seen.query_all("scope").len() > 1).count();
        assert_eq!((groups, rig.client.stats().retries), (3, 0), "{status}: remembered, and not repeated");
    }
}

#[tokio::test]
async fn several_configured_scopes_that_are_refused_together_are_asked_singly() {
    for status in [400, 422, 500] {
        let script = Script::distribution_like(["a"]).with_faults(move |seen, _| {
            let several = seen.endpoint == FakeEndpoint::Token && seen.query_all("scope").len() > 1;
            several.then(|| Misbehaviour::status(status))
        });
        let rig = Rig::with(script, |settings| {
            settings.scope = vec!["repository:a:pull".into(), "registry:catalog:*".into()];
        });
        let rig = rig.await;
        assert_eq!(rig.names().await, ["a"], "{status}");
        let tokens = rig.server.requests_to(FakeEndpoint::Token);
        assert_eq!(tokens[1].query_all("scope"), ["registry:catalog:*"]);
    }
}
