//! Passwords and certificates, and how they are replaced while the listener serves.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_registry::tls::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::*;
use crate::web::{ClientCertificates, TlsSettings, TlsVersion, WebError};

const LONG: Duration = Duration::from_secs(20);

fn with_user(name: &str, password: &str) -> WebSettings {
    let hash = bcrypt::hash(password, 4).expect("a hash").parse().expect("a hash");
    WebSettings { users: [(name.to_owned(), hash)].into(), ..settings() }
}

fn login(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn with_users_every_route_requires_a_password() {
    let settings = WebSettings { allow_runs: true, ..with_user("ann", "good") };
    let listener = TestListener::with(FixedBackend::default(), settings, LIMITS).await;
    for path in ["/", "/metrics", "/healthz", "/readyz", "/none"] {
        for headers in [String::new(), login("ann", "bad"), login("bob", "good"), "Authorization: Basic\r\n".to_owned()]
        {
            let answer = listener.ask("GET", path, &headers).await;
            assert_eq!((answer.status, answer.text().as_str()), (401, "log in\n"), "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("basic realm=\"stocktake\", charset=\"utf-8\""));
        }
        let welcome = listener.ask("GET", path, &login("ann", "good")).await.status;
        assert_eq!(welcome, if path == "/none" { 404 } else { 200 }, "{path}");
    }
    let path = "/api/v1/registries/quay/run";
    assert_eq!(listener.ask("POST", path, "").await.status, 401);
    assert_eq!(listener.ask("POST", path, &login("ann", "good")).await.status, 202);
    let forged = format!("{}Sec-Fetch-Site: cross-site\r\n", login("ann", "good"));
    assert_eq!(listener.ask("POST", path, &forged).await.status, 403);
}

#[tokio::test]
async fn users_are_replaced_for_open_connections_too() {
    let listener = TestListener::with(FixedBackend::default(), with_user("ann", "good"), LIMITS).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{}\r\n", login("ann", "good"));
    let mut open = listener.connect().await;
    open.write_all(request.as_bytes()).await.expect("sent");
    assert!(open.read(&mut [0; 4096]).await.expect("an answer") > 0);
    listener.handle.replace(&with_user("bob", "better")).expect("the same address");
    // The connection is closed. If it was still open when this arrived, nothing reads it.
    let _ = open.write_all(request.as_bytes()).await;
    assert_eq!(timeout(LONG, TestResponse::read(&mut open)).await.expect("closed").status, 0);
    assert_eq!(listener.ask("GET", "/healthz", &login("ann", "good")).await.status, 401);
    assert_eq!(listener.ask("GET", "/healthz", &login("bob", "better")).await.status, 200);
}

#[tokio::test]
async fn settings_for_another_address_are_not_taken() {
    let listener = TestListener::new(FixedBackend::default()).await;
    let error = listener.handle.replace(&WebSettings::default()).expect_err("elsewhere");
    assert!(matches!(error, WebError::Elsewhere { .. }), "{error}");
    assert_eq!(listener.get("/healthz").await.status, 200);
}

/// A directory with a certificate and its key in two files.
struct KeyPairFiles(TempDir);

impl KeyPairFiles {
    fn new(name: &str) -> Self {
        let (made, pair) = (KeyPair::new(name), Self(tempfile::tempdir().expect("a directory")));
        std::fs::write(pair.certificate(), made.certificate).expect("written");
        std::fs::write(pair.key(), made.key).expect("written");
        for file in [pair.certificate(), pair.key()] {
            std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        }
        pair
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.0.path().join("certificate.pem")
    }

    fn key(&self) -> std::path::PathBuf {
        self.0.path().join("key.pem")
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.certificate()).expect("PEM")
    }

    fn settings(&self, clients: ClientCertificates) -> WebSettings {
        let (cert_file, key_file) = (self.certificate(), self.key());
        let (min_version, max_version) = (TlsVersion::Tls12, TlsVersion::Tls13);
        let tls = TlsSettings { cert_file, key_file, allow_readable: false, clients, min_version, max_version };
        WebSettings { tls: Some(tls), ..settings() }
    }

    fn copy_to(&self, other: &Self) {
        for (from, to) in [(self.certificate(), other.certificate()), (self.key(), other.key())] {
            std::fs::copy(from, to).expect("copied");
        }
    }
}

/// Asks for the health over TLS, trusting this certificate and showing that pair; the status, or 0.
async fn health_over_tls(
    listener: &TestListener,
    trusted: &KeyPairFiles,
    shown: Option<&KeyPairFiles>,
    login: &str,
) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_file(pair.key()).expect("PEM");
            builder.with_client_auth_cert(vec![pair.der()], key).expect("a pair")
        }
    };
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connected = TlsConnector::from(Arc::new(config)).connect(name, listener.connect().await).await;
    let Ok(mut stream) = connected else { return 0 };
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return 0;
    }
    TestResponse::read(&mut stream).await.status
}

#[tokio::test]
async fn tls_serves_clients_that_trust_the_certificate() {
    let (own, other) = (KeyPairFiles::new("own"), KeyPairFiles::new("other"));
    let users = with_user("ann", "good").users;
    let settings = WebSettings { users, ..own.settings(ClientCertificates::NotAsked) };
    let listener = TestListener::with(FixedBackend::default(), settings, LIMITS).await;
    assert_eq!(health_over_tls(&listener, &own, None, "").await, 401);
    assert_eq!(health_over_tls(&listener, &own, None, &login("ann", "good")).await, 200);
    assert_eq!(health_over_tls(&listener, &other, None, "").await, 0);
    assert_eq!(listener.get("/healthz").await.status, 0, "plain HTTP");
}

#[tokio::test]
async fn clients_present_certificates_where_that_is_required() {
    let (own, known, stranger) = (KeyPairFiles::new("own"), KeyPairFiles::new("known"), KeyPairFiles::new("stranger"));
    let ca_file = known.certificate();
    for (clients, without) in [
        (ClientCertificates::Required { ca_file: ca_file.clone() }, 0),
        (ClientCertificates::VerifiedIfGiven { ca_file }, 200),
    ] {
        let listener = TestListener::with(FixedBackend::default(), own.settings(clients), LIMITS).await;
        assert_eq!(health_over_tls(&listener, &own, Some(&known), "").await, 200);
        assert_eq!(health_over_tls(&listener, &own, Some(&stranger), "").await, 0);
        assert_eq!(health_over_tls(&listener, &own, None, "").await, without);
    }
}

#[tokio::test]
async fn a_changed_certificate_is_used_at_once_and_a_mismatched_pair_is_not() {
    let (files, first, second) = (KeyPairFiles::new("files"), KeyPairFiles::new("first"), KeyPairFiles::new("second"));
    first.copy_to(&files);
    let listener =
        TestListener::with(FixedBackend::default(), files.settings(ClientCertificates::NotAsked), LIMITS).await;
    assert_eq!(health_over_tls(&listener, &first, None, "").await, 200);
    // The certificate alone: its key is still on its way.
    std::fs::copy(second.certificate(), files.certificate()).expect("copied");
    assert_eq!(health_over_tls(&listener, &first, None, "").await, 200);
    second.copy_to(&files);
    assert_eq!(health_over_tls(&listener, &second, None, "").await, 200);
    assert_eq!(health_over_tls(&listener, &first, None, "").await, 0);
    std::fs::remove_file(files.key()).expect("removed");
    assert_eq!(health_over_tls(&listener, &second, None, "").await, 200);
}

#[tokio::test]
async fn a_reload_uses_other_files_and_unusable_files_change_nothing() {
    let (first, second) = (KeyPairFiles::new("first"), KeyPairFiles::new("second"));
    let listener =
        TestListener::with(FixedBackend::default(), first.settings(ClientCertificates::NotAsked), LIMITS).await;
    std::fs::write(second.key(), "no key").expect("written");
    let error = listener.handle.replace(&second.settings(ClientCertificates::NotAsked)).expect_err("no key");
    assert!(error.to_string().contains("no unencrypted private key") && error.remedy().contains("openssl"), "{error}");
    assert_eq!(health_over_tls(&listener, &first, None, "").await, 200);
    let third = KeyPairFiles::new("third");
    listener.handle.replace(&third.settings(ClientCertificates::NotAsked)).expect("a pair");
    assert_eq!(health_over_tls(&listener, &third, None, "").await, 200);
    listener.handle.replace(&settings()).expect("no TLS");
    assert_eq!(listener.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn unusable_files_are_named_with_the_reason() {
    let (pair, other) = (KeyPairFiles::new("own"), KeyPairFiles::new("other"));
    let none = Path::new("/nonexistent/x.pem");
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let tls = |cert_file: &Path, key_file: &Path, clients| {
        let mut settings = pair.settings(clients);
        let tls = settings.tls.as_mut().expect("TLS");
        (tls.cert_file, tls.key_file) = (cert_file.to_owned(), key_file.to_owned());
        settings
    };
    let (certificate, key) = (pair.certificate(), pair.key());
    let required = |ca_file: &Path| ClientCertificates::Required { ca_file: ca_file.to_owned() };
    for (settings, said) in [
        (tls(none, &key, ClientCertificates::NotAsked), "cannot read /nonexistent/x.pem"),
        (
            tls(&certificate, none, ClientCertificates::NotAsked),
            "cannot read /nonexistent/x.pem: there is no such file",
        ),
        (tls(&key, &key, ClientCertificates::NotAsked), "there are no certificates in PEM in"),
        (tls(empty.path(), &key, ClientCertificates::NotAsked), "there are no certificates in PEM in"),
        (tls(&certificate, &certificate, ClientCertificates::NotAsked), "there is no unencrypted private key"),
        (tls(&certificate, &other.key(), ClientCertificates::NotAsked), "cannot use the certificate in"),
        (tls(&certificate, &key, required(none)), "cannot read /nonexistent/x.pem"),
        (tls(&certificate, &key, required(empty.path())), "there are no certificates in PEM in"),
        (tls(&certificate, &key, required(Path::new("/dev/null"))), "cannot read /dev/null"),
    ] {
        let error = Listener::bind(&settings).await.expect_err(said);
        assert!(error.to_string().starts_with(said) && !error.remedy().is_empty(), "{error}");
    }
    let open = tempfile::NamedTempFile::new().expect("a file");
    std::fs::copy(&key, open.path()).expect("copied");
    let mode = |mode| std::fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(mode));
    let mut settings = tls(&certificate, open.path(), ClientCertificates::NotAsked);
    for (bits, allow_readable, accepted) in
        [(0o600, false, true), (0o640, false, true), (0o644, false, false), (0o644, true, true), (0o646, true, false)]
    {
        mode(bits).expect("a mode");
        settings.tls.as_mut().expect("TLS").allow_readable = allow_readable;
        match crate::web::certificates(&settings) {
            Ok(()) => assert!(accepted, "{bits:o}"),
            Err(error) => {
                assert!(!accepted && error.to_string().starts_with("the secret file"), "{bits:o}: {error}");
                assert_eq!(error.remedy().contains("`allow_readable: true` beside `key_file`"), !allow_readable);
            }
        }
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_begin_is_cut_off() {
    let own = KeyPairFiles::new("own");
    let limits = ListenerLimits { handshake: Duration::from_millis(300), ..LIMITS };
    let listener =
        TestListener::with(FixedBackend::default(), own.settings(ClientCertificates::NotAsked), limits).await;
    let began = Instant::now();
    assert_eq!(timeout(LONG, listener.raw("")).await.expect("cut off").status, 0);
    assert!(began.elapsed() >= limits.handshake);
    assert_eq!(health_over_tls(&listener, &own, None, "").await, 200);
}
