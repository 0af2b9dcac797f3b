//! TLS: whom the client trusts, and what it shows of itself. Keys and certificates are made for each run of these tests.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use super::*;

/// The name of the server's certificate.
const NAME: &str = "registry.tests";

/// A key and its self-signed certificate for 127.0.0.1.
pub(crate) struct Pair {
    /// In PEM.
    pub(crate) certificate: String,
    /// In PEM.
    pub(crate) key: String,
}

/// The server's own: one for all tests of this process.
pub(crate) fn own() -> &'static Pair {
    static OWN: OnceLock<Pair> = OnceLock::new();
    OWN.get_or_init(|| Pair::new(NAME))
}

impl Pair {
    /// A new one of this name, made with the `openssl` command: a key in the repository would be everybody's.
    pub(crate) fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("key.pem");
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
            // As a certificate authority, rustls would refuse it as a server's own certificate.
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&file)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("these tests make a key with openssl: sudo apt-get install openssl");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let certificate = String::from_utf8(output.stdout).expect("PEM is text");
        Self { certificate, key: std::fs::read_to_string(&file).expect("openssl wrote the key") }
    }

    /// The same, as if made in 2020 for two days. No signature fits it any more, but that is looked at later.
    pub(crate) fn expired(&self) -> Self {
        let mut der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM").to_vec();
        // The years of both times: tag and length of a UTCTime, two digits.
        let times: Vec<_> = (0..der.len() - 15).filter(|&at| der[at..].starts_with(&[0x17, 13])).collect();
        assert_eq!(times.len(), 2, "a beginning and an end");
        for at in times {
            der[at + 2..at + 4].copy_from_slice(b"20");
        }
        let base64 = STANDARD.encode(der);
        let lines: Vec<_> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        Self { certificate, key: self.key.clone() }
    }
}

/// Answers everybody.
pub(crate) fn serve() -> url::Url {
    serve_as(own())
}

/// The same, with this certificate.
pub(crate) fn serve_as(pair: &Pair) -> url::Url {
    serve_with(pair, None)
}

fn serve_those(known: Option<&Pair>) -> url::Url {
    serve_with(own(), known)
}

/// Answers every request over TLS with one page, on threads that end with the test's process; where a pair is given, only
/// to those who show its certificate.
fn serve_with(own: &Pair, known: Option<&Pair>) -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
    let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match known {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let mut roots = RootCertStore::empty();
            let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM");
            roots.add(certificate).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a pair"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut connection = ServerConnection::new(config.clone()).expect("a connection");
            std::thread::spawn(move || {
                let mut tls = Stream::new(&mut connection, &mut stream);
                let page = r#"{"repositories":["a"]}"#;
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
                while tls.read(&mut [0; 4096]).is_ok_and(|read| read > 0) && tls.write_all(answer.as_bytes()).is_ok() {}
                // Closed with something unread, the connection would be reset, and why it ended be lost.
                let _ = stream.shutdown(Shutdown::Write);
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
            });
        }
    });
    url
}

async fn outcome(change: impl FnOnce(&mut Settings)) -> Walked {
    let mut settings = settings(serve(), Auth::None);
    change(&mut settings);
    walk(&Client::with(settings, QUICK, Bounds::default()).expect("a client")).await
}

#[tokio::test]
async fn an_unknown_issuer_or_one_with_another_key_is_refused_at_once_and_ca_file_is_the_remedy() {
    for name in ["elsewhere", NAME] {
        let file = secret_file(&Pair::new(name).certificate);
        let trusting = Settings { ca_file: Some(file.path().to_owned()), ..settings(serve(), Auth::None) };
        let client = Client::with(trusting, QUICK, Bounds::default()).expect("a client");
        let error = walk(&client).await.error.expect("refused");
        assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Ping), "{error:?}");
        assert!(error.remedy().contains("ca_file"), "{}", error.remedy());
        assert_eq!(client.stats().retries, 0);
    }
}

#[tokio::test]
async fn a_certificate_of_ca_file_is_trusted() {
    let file = secret_file(&own().certificate);
    let walked = outcome(|settings| settings.ca_file = Some(file.path().to_owned())).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
    assert_eq!(walked.names(), ["a"]);
}

#[tokio::test]
async fn insecure_tls_trusts_anybody() {
    let walked = outcome(|settings| settings.insecure_tls = true).await;
    assert!(walked.error.is_none(), "{:?}", walked.error);
}

/// A pair in files, for a client to show.
struct Shown {
    certificate: NamedTempFile,
    key: NamedTempFile,
}

impl Shown {
    fn of(certificate: &str, key: &str) -> Self {
        Self { certificate: secret_file(certificate), key: secret_file(key) }
    }

    fn settings(&self) -> ClientCertificate {
        ClientCertificate { certificate: self.certificate.path().into(), key: self.key.path().into() }
    }
}

#[tokio::test]
async fn a_server_that_wants_to_know_us_is_shown_our_certificate() {
    let (known, stranger) = (Pair::new("inventory"), Pair::new("stranger"));
    let authority = secret_file(&own().certificate);
    for (pair, welcome) in [(Some(&known), true), (Some(&stranger), false), (None, false)] {
        for insecure_tls in [false, true] {
            let shown = pair.map(|pair| Shown::of(&pair.certificate, &pair.key));
            let mut settings = settings(serve_those(Some(&known)), Auth::None);
            settings.client_certificate = shown.as_ref().map(Shown::settings);
            settings.insecure_tls = insecure_tls;
            settings.ca_file = (!insecure_tls).then(|| authority.path().to_owned());
            let walked = walk(&Client::with(settings, QUICK, Bounds::default()).expect("a client")).await;
            match walked.error {
                None => assert!(welcome && walked.names() == ["a"]),
                Some(error) => {
                    assert!(!welcome && error.fault() == Fault::Tls, "{error:?}");
                    assert!(error.remedy().contains("client_cert_file"), "{}", error.remedy());
                }
            }
        }
    }
}

#[test]
fn a_client_certificate_that_cannot_be_used_says_which_file_and_why() {
    let (pair, other) = (Pair::new("inventory"), Pair::new("other"));
    let (certificate, key) = (pair.certificate.as_str(), pair.key.as_str());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let torn = "-----BEGIN CERTIFICATE-----\nhunter2";
    for (certificate, key, said, remedy) in [
        (key, key, "there are no certificates in CERT", "`client_cert_file` is to hold PEM"),
        ("", key, "there are no certificates in CERT", "`client_cert_file` is to hold PEM"),
        (torn, key, "read the certificates in CERT", "`client_cert_file` is to hold PEM"),
        (certificate, "", "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, encrypted, "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, certificate, "there is no unencrypted private key in PEM in KEY", "`openssl pkey"),
        (certificate, &other.key, "the key in KEY is not the one of the first certificate in CERT", "begin with"),
    ] {
        let shown = Shown::of(certificate, key);
        assert_refused(shown.settings(), said, remedy, &shown);
    }
    let shown = Shown::of(certificate, key);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(shown.key.path(), open).expect("a mode");
    assert_refused(shown.settings(), "KEY can be read by its group or by others", "client_key_file", &shown);
    let missing = ClientCertificate { certificate: "/nonexistent/cert".into(), ..shown.settings() };
    assert_refused(missing, "read the secret file /nonexistent/cert", "client_cert_file", &shown);
}

#[track_caller]
fn assert_refused(own: ClientCertificate, said: &str, remedy: &str, shown: &Shown) {
    let url = "https://r.example".parse().expect("a URL");
    let settings = Settings { client_certificate: Some(own), insecure_tls: true, ..settings(url, Auth::None) };
    let error = Client::new(settings).expect_err("refused");
    assert_eq!((error.fault(), error.step()), (Fault::Tls, Step::Setup));
    let source = std::error::Error::source(&error).expect("a source").to_string();
    let source = source.replace(&shown.certificate.path().display().to_string(), "CERT");
    let source = source.replace(&shown.key.path().display().to_string(), "KEY");
    assert!(source.contains(said), "{source}");
    assert!(error.remedy().contains(remedy), "{}", error.remedy());
    assert!(!format!("{error:?} {source}").contains("hunter2"), "{error:?}");
}
