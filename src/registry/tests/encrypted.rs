//! TLS: whom the client trusts. Keys and certificates are made for each run of these tests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::*;

/// The name of the server's certificate.
const NAME: &str = "registry.tests";

/// A key and its self-signed certificate for 127.0.0.1.
pub(crate) struct Pair {
    /// In PEM.
    pub(crate) certificate: String,
    /// In PEM.
    key: String,
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

/// Answers every request over TLS with one page, on threads that end with the test's process.
pub(crate) fn serve() -> url::Url {
    serve_as(own())
}

/// The same, with this certificate.
pub(crate) fn serve_as(pair: &Pair) -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut connection = ServerConnection::new(config.clone()).expect("a connection");
            std::thread::spawn(move || {
                let mut tls = Stream::new(&mut connection, &mut stream);
                let page = r#"{"repositories":["a"]}"#;
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
                while tls.read(&mut [0; 4096]).is_ok_and(|read| read > 0) && tls.write_all(answer.as_bytes()).is_ok() {}
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
