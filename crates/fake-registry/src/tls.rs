//! A registry over TLS for tests, which answers every request with the same page. Its keys and certificates are generated in
//! each process, because a key in a source repository is not secret.

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

/// The name of the server's certificate.
pub const NAME: &str = "registry.tests";

/// A key and its self-signed certificate for 127.0.0.1.
#[derive(Debug)]
pub struct KeyPair {
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

/// The key pair of the server. It is generated once per process.
pub fn own() -> &'static KeyPair {
    static OWN: OnceLock<KeyPair> = OnceLock::new();
    OWN.get_or_init(|| KeyPair::new(NAME))
}

impl KeyPair {
    /// Generates a key pair for this name with the `openssl` command.
    ///
    /// # Panics
    /// If the command fails or does not exist.
    pub fn new(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("key.pem");
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"])
            // rustls refuses the certificate of a certificate authority as the certificate of a server.
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(&file)
            .stdin(Stdio::null())
            .output();
        let output = output.expect("these tests make a key with openssl: sudo apt-get install openssl");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let certificate = String::from_utf8(output.stdout).expect("PEM is text");
        Self { certificate, key: std::fs::read_to_string(&file).expect("openssl wrote the key") }
    }

    /// The same certificate with a validity of two days in 2020. Its signature is wrong, but clients verify that after the validity.
    #[must_use]
    pub fn expired(&self) -> Self {
        self.of_year(*b"20")
    }

    /// The same certificate, valid for two days in 2049.
    #[must_use]
    pub fn not_yet_valid(&self) -> Self {
        self.of_year(*b"49")
    }

    fn of_year(&self, year: [u8; 2]) -> Self {
        let mut der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM").to_vec();
        // The years of both times: tag and length of a UTCTime, two digits.
        let times: Vec<_> = (0..der.len() - 15).filter(|&at| der[at..].starts_with(&[0x17, 13])).collect();
        assert_eq!(times.len(), 2, "a beginning and an end");
        for at in times {
            der[at + 2..at + 4].copy_from_slice(&year);
        }
        let base64 = STANDARD.encode(der);
        let lines: Vec<_> =
            base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        Self { certificate, key: self.key.clone() }
    }
}

/// Starts a server with the key pair of the process.
pub fn serve() -> url::Url {
    serve_as(own())
}

/// Starts a server with this key pair.
pub fn serve_as(pair: &KeyPair) -> url::Url {
    serve_with(pair, None, page())
}

/// Starts a server with the key pair of the process, which answers every request with this response.
pub fn serve_response(response: String) -> url::Url {
    serve_with(own(), None, response)
}

fn page() -> String {
    let page = r#"{"repositories":["a"]}"#;
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len())
}

/// Starts a server that requires this client certificate.
pub fn serve_those(known: Option<&KeyPair>) -> url::Url {
    serve_with(own(), known, page())
}

/// Starts a server that answers every request with the same page. Its threads end with the process. If `known` is given, clients
/// must present its certificate.
fn serve_with(own: &KeyPair, known: Option<&KeyPair>, answer: String) -> url::Url {
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
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut tls = Stream::new(&mut connection, &mut stream);
                while tls.read(&mut [0; 4096]).is_ok_and(|read| read > 0) && tls.write_all(answer.as_bytes()).is_ok() {}
                // Closing a socket with unread data resets the connection, and the client would not receive the TLS alert.
                let _ = stream.shutdown(Shutdown::Write);
                while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
            });
        }
    });
    url
}
