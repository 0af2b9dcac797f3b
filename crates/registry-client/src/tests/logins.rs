//! Logins other than a user name and a password: identity tokens, what docker has stored, the output of programs.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::login::command::tests::Programs;
use fake_registry::{FakeAccess, FakeEndpoint, Misbehaviour, SeenRequest, TokenFields, TokenMethod};

/// Tokens by POST only, as services give them that support only `OAuth2`.
fn posting(script: Script) -> Script {
    script.with_token(|token| {
        token.method = TokenMethod::PostOnly;
        token.fields = TokenFields::AccessToken;
    })
}

#[tokio::test]
async fn an_identity_token_buys_tokens_by_post_alone() {
    let azure = "00000000-0000-0000-0000-000000000000";
    for through_user_name in [false, true] {
        let rig = Rig::with(posting(Script::distribution_like(["a"])), |settings| {
            let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
            settings.auth = if through_user_name {
                Auth::Token(Some(PasswordLogin { username: azure.into(), ..login }))
            } else {
                Auth::Identity(login.password)
            };
        });
        let rig = rig.await;
        assert_eq!(rig.names().await, ["a"]);
        let asked = rig.server.requests_to(FakeEndpoint::Token);
        assert_eq!(asked.len(), 1, "no GET first");
        assert_eq!((asked[0].method.as_str(), asked[0].raw_query()), ("POST", ""));
        assert_eq!(asked[0].header("authorization"), None, "the token alone says who asks");
    }
}

#[tokio::test]
async fn an_identity_token_refused_is_not_tried_again() {
    for (status, body) in [(401, "{}"), (400, r#"{"error":"invalid_grant"}"#)] {
        let script = posting(Script::distribution_like(["a"])).with_faults(move |seen, _| {
            (seen.endpoint == FakeEndpoint::Token).then(|| Misbehaviour::status(status).body(body))
        });
        let rig = Rig::with(script, |settings| {
            let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
            settings.auth = Auth::Identity(login.password);
        });
        let rig = rig.await;
        for _ in 0..2 {
            let error = rig.error().await;
            assert_eq!((error.fault(), error.step()), (Fault::CredentialsRejected, Step::Token), "{status}");
            assert!(error.remedy().contains("make a new token"), "{}", error.remedy());
        }
        assert_eq!(rig.server.count(FakeEndpoint::Token), 1, "{status}");
    }
}

#[tokio::test]
async fn an_identity_token_given_in_place_of_the_old_one_is_used_from_then_on() {
    // The second answer is the fake registry's own: it accepts the password only, and refuses the token that replaced
    // it.
    let script = posting(Script::distribution_like(["a"])).with_faults(|seen, nth| {
        let body = json!({"access_token": "worthless", "refresh_token": "next"}).to_string();
        (seen.endpoint == FakeEndpoint::Token && nth == 1).then(|| Misbehaviour::status(200).body(body))
    });
    let rig = Rig::with(script, |settings| {
        let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
        settings.auth = Auth::Identity(login.password);
    });
    let rig = rig.await;
    let _ = rig.walk().await;
    // First with `next`, which is refused, then at once with the stored one.
    let statuses =
        |rig: &Rig| -> Vec<_> { rig.server.requests_to(FakeEndpoint::Token).iter().map(|seen| seen.status).collect() };
    let walked = rig.walk().await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    assert_eq!(statuses(&rig), [Some(200), Some(401), Some(200)]);
}

#[tokio::test]
async fn an_identity_token_where_nobody_gives_tokens_is_told_so() {
    for script in [Script::basic(["a"]), Script::open(["a"])] {
        let rig = Rig::with(script, |settings| {
            let Auth::Token(Some(login)) = settings.auth.clone() else { unreachable!() };
            settings.auth = Auth::Identity(login.password);
        });
        let rig = rig.await;
        let error = rig.error().await;
        assert_eq!((error.fault(), error.step()), (Fault::SecretUnreadable, Step::Token), "{error}");
        assert!(error.remedy().contains("a user name and a password"), "{}", error.remedy());
        assert!(rig.server.requests().iter().all(|seen| seen.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn what_docker_has_stored_is_used_as_what_it_is() {
    let auth = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    let token = "made-elsewhere";
    for (entry, script) in [
        (json!({"auth": auth}), Script::quay_like(["a"])),
        (json!({"auth": auth}), Script::basic(["a"])),
        (json!({"username": USERNAME, "password": PASSWORD}), Script::harbor_like(["a"])),
        (json!({"identitytoken": PASSWORD}), posting(Script::distribution_like(["a"]))),
        (json!({"registrytoken": token}), Script::open(["a"])),
    ] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_owned();
        let rig = Rig::with(script, |settings| {
            let host = format!("127.0.0.1:{}", settings.url.port().expect("a port"));
            std::fs::write(&path, json!({"auths": {host: entry}}).to_string()).expect("written");
            settings.auth = Auth::Docker(DockerConfig { file: Some(path.clone()), ..DockerConfig::default() });
        });
        let rig = rig.await;
        assert_eq!(rig.names().await, ["a"], "{entry}");
        if entry["registrytoken"] == token {
            let sent = |seen: &SeenRequest| seen.header("authorization") == Some("Bearer made-elsewhere");
            assert!(rig.server.requests().iter().all(sent));
        }
    }
}

#[tokio::test]
async fn nothing_stored_is_an_error_before_any_request() {
    let file = secret_file(r#"{"auths":{"other.example":{"auth":"dTpw"}}}"#);
    let rig = Rig::with(Script::open(["a"]), |settings| {
        settings.auth = Auth::Docker(DockerConfig { file: Some(file.path().to_owned()), ..DockerConfig::default() });
    });
    let rig = rig.await;
    let error = rig.error().await;
    assert_eq!((error.fault(), error.step()), (Fault::SecretUnreadable, Step::Token));
    assert!(error.remedy().contains("docker login 127.0.0.1:"), "{}", error.remedy());
    assert_eq!(rig.client.stats().requests, 0);
}

/// A registry with Basic credentials that change after so many requests to the catalog.
fn expiring(after: u32) -> Script {
    let script =
        Script { page_max: 5, over_max: fake_registry::OverMax::Clamp, ..Script::basic(numbered(20).as_slice()) };
    let FakeAccess::Basic { .. } = &script.access else { unreachable!() };
    let pages = AtomicU32::new(0);
    script.with_faults(move |seen, _| {
        let sent = seen.header("authorization").and_then(|sent| sent.strip_prefix("Basic "))?;
        let sent = String::from_utf8(STANDARD.decode(sent).ok()?).ok()?;
        let good = if pages.load(Ordering::Relaxed) < after { "AWS:secret1" } else { "AWS:secret2" };
        if sent != good {
            return Some(Misbehaviour::status(401));
        }
        match seen.endpoint {
            FakeEndpoint::Catalog => {
                let number = pages.fetch_add(1, Ordering::Relaxed).min(3);
                let link = format!("</v2/_catalog?last={number}>; rel=\"next\"");
                let page = Misbehaviour::status(200).body(format!(r#"{{"repositories":["r{number}"]}}"#));
                Some(if number < 3 { page.header("link", &link) } else { page })
            }
            _ => Some(Misbehaviour::status(200)),
        }
    })
}

/// Logs in with a program that prints `secret1`, then `secret2` and so on, and that counts its runs in a file.
fn aws(programs: &Programs) -> Auth {
    let count = programs.path("runs").display().to_string();
    let program = programs.add("aws", &format!("echo >> {count}; echo secret$(wc -l < {count} | tr -d ' ')"));
    let command = SecretCommand::new(program.to_str().expect("text"), Vec::new());
    Auth::Basic(PasswordLogin { username: "AWS".into(), password: SecretSource::Command(command) })
}

fn runs(programs: &Programs) -> usize {
    std::fs::read_to_string(programs.path("runs")).map_or(0, |lines| lines.lines().count())
}

#[tokio::test]
async fn a_password_that_expires_in_mid_walk_is_asked_for_again_and_the_same_page_repeated() {
    let programs = Programs::new();
    let rig = Rig::with(expiring(2), |settings| settings.auth = aws(&programs)).await;
    assert_eq!(rig.names().await, ["r0", "r1", "r2", "r3"]);
    assert_eq!(runs(&programs), 2);
    let statuses: Vec<_> =
        rig.server.requests_to(FakeEndpoint::Catalog).iter().filter_map(|seen| seen.status).collect();
    // The last page is as full as the others: it is asked for once more.
    assert_eq!(statuses, [200, 200, 401, 200, 200, 200]);
}

#[tokio::test]
async fn a_password_of_a_program_refused_at_once_does_not_run_it_again() {
    let programs = Programs::new();
    let rig = Rig::with(expiring(0), |settings| settings.auth = aws(&programs)).await;
    for _ in 0..2 {
        assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    }
    assert_eq!((runs(&programs), rig.client.stats().requests), (1, 1));
}

#[tokio::test]
async fn a_program_is_run_again_once_and_not_in_a_loop() {
    let programs = Programs::new();
    // The first is accepted for the ping and one page; then none is.
    let script = Script::basic(["a"]).with_faults(|seen, nth| {
        let link = "</v2/_catalog?last=a>; rel=\"next\"";
        let page = || Misbehaviour::status(200).body(r#"{"repositories":["a"]}"#).header("link", link);
        match seen.endpoint {
            FakeEndpoint::Catalog => Some(if nth == 1 { page() } else { Misbehaviour::status(401) }),
            _ => Some(Misbehaviour::status(200)),
        }
    });
    let rig = Rig::with(script, |settings| settings.auth = aws(&programs)).await;
    assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    assert_eq!((runs(&programs), rig.server.count(FakeEndpoint::Catalog)), (2, 3));
    assert_eq!(rig.error().await.fault(), Fault::CredentialsRejected);
    assert_eq!(runs(&programs), 2);
}
