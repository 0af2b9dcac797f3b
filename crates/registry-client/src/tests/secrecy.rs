//! No password and no token in any log, error or `Debug`, at the most verbose level.

use crate::login::secret::Secret;
use crate::token::bearer::Token;
use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use fake_registry::{Authorization, FakeEndpoint, Misbehaviour, TokenMethod};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_password_nor_token_reaches_a_log_an_error_or_a_debug() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // While there is one subscriber alone, a thread that has none decides for all whether a message is wanted, and other
    // tests run beside this one.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    // One thread, so that the subscriber sees the tasks of client and server alike.
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = |seen: &fake_registry::SeenRequest, _: u64| {
        let sent = seen.header("authorization").unwrap_or_default().to_owned();
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"you sent {sent} and {PASSWORD}"}}]}}"#);
        (seen.authorization != Authorization::None).then(|| Misbehaviour::status(403).body(body))
    };
    let wrong_password = Script::quay_like(["a"]).with_token(|token| token.password = "another".into());
    let post = Script::distribution_like(["a"]).with_token(|token| token.method = TokenMethod::PostOnly);
    let rate_limited = Script::quay_like(["a"]).with_faults(|seen, nth| {
        (seen.endpoint == FakeEndpoint::Catalog && nth == 2).then(|| Misbehaviour::status(429))
    });
    let mut shown = Vec::new();
    let mut secrets = vec![PASSWORD.to_owned(), STANDARD.encode(format!("{USERNAME}:{PASSWORD}"))];
    for script in [
        Script::quay_like(["a"]),
        Script::distribution_like(["a"]),
        Script::harbor_like(["a"]),
        Script::basic(["a"]),
        post,
        wrong_password,
        rate_limited,
        Script::quay_like(["a"]).with_faults(echo),
        Script::harbor_like(["a"]).with_faults(echo),
    ] {
        let rig = Rig::new(script).await;
        let walked = rig.walk().await;
        shown.push(format!("{:?} {:?} {:?}", rig.client, rig.client.token(), walked.pages));
        if let Some(error) = &walked.error {
            shown.push(format!("{error} {error:?} {}", error.remedy()));
        }
        for seen in rig.server.requests() {
            let sent = seen.header("authorization").and_then(|sent| sent.split_once(' '));
            secrets.extend(sent.map(|(_, secret)| secret.to_owned()));
        }
    }
    secrets.sort();
    secrets.dedup();
    assert!(secrets.len() >= 6, "tokens were seen");

    let logged = String::from_utf8_lossy(&log.0.lock().expect("unpoisoned")).into_owned();
    assert!(logged.contains("token received") && logged.contains("trying again"), "the log was captured");
    for secret in &secrets {
        assert!(!logged.contains(secret.as_str()), "logged: {secret}");
        assert!(!shown.iter().any(|text| text.contains(secret.as_str())), "shown: {secret}");
    }
}

#[test]
fn debug_of_everything_that_holds_a_secret_is_redacted() {
    let secret = Secret::new("hunter2");
    let token =
        Token { secret: secret.clone(), received: tokio::time::Instant::now(), lifetime: Duration::from_secs(1) };
    let header = crate::login::header::header("Bearer", "hunter2").expect("a header");
    assert!(!format!("{secret:?} {token:?} {header:?}").contains("hunter2"));
}
