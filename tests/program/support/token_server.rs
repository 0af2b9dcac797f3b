//! The token server that docker-registry trusts in the tests: RS256, by the distribution token specification.
//!
//! It runs on a thread of its own, so that a test may block while it waits for the program under test.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use fake_registry::{PASSWORD, USERNAME};
use stocktake::clock;

/// A running token server; it stops when dropped.
#[derive(Debug)]
pub(super) struct TokenServer {
    address: SocketAddr,
    issued: Arc<AtomicU64>,
    password: Arc<Mutex<String>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TokenServer {
    /// The audience of its tokens.
    pub(super) const SERVICE: &str = "registry.tests";
    /// The issuer of its tokens.
    pub(super) const ISSUER: &str = "tests";

    /// Starts a server whose tokens say that they live for `lifetime`, and whose `exp` is `early` before that.
    pub(super) fn start(lifetime: Duration, early: Duration) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        listener.set_nonblocking(true).expect("tokio's listeners do not block");
        let issued = Arc::new(AtomicU64::new(0));
        let password = Arc::new(Mutex::new(PASSWORD.to_owned()));
        let server = Arc::new(Issuer { lifetime, early, issued: issued.clone(), password: password.clone() });
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener of this runtime");
                tokio::select! {
                    () = accept(listener, server) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, issued, password, stop: Some(stop), thread: Some(thread) }
    }

    /// Where tokens are to be had.
    pub(super) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The certificate to trust, in PEM.
    pub(super) fn certificate() -> &'static str {
        &key().certificate
    }

    /// From now on only this password is accepted; tokens that were issued live on.
    pub(super) fn change_password(&self, password: &str) {
        password.clone_into(&mut self.password.lock().expect("no holder panics"));
    }

    /// How many tokens were issued.
    pub(super) fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, issuer: Arc<Issuer>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let issuer = issuer.clone();
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let answer = issuer.answer(&request);
                async { Ok::<_, Infallible>(answer) }
            });
            // An error is a client that went away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

struct Issuer {
    lifetime: Duration,
    early: Duration,
    issued: Arc<AtomicU64>,
    password: Arc<Mutex<String>>,
}

impl Issuer {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let password = self.password.lock().expect("no holder panics").clone();
        let basic = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{password}")));
        let (status, body) = if request.uri().path() != "/token" {
            (StatusCode::NOT_FOUND, json!({"details": "no such page"}))
        } else if request.method() != Method::GET {
            (StatusCode::METHOD_NOT_ALLOWED, json!({"details": "GET only"}))
        } else if request.headers().get(AUTHORIZATION).is_none_or(|given| given.as_bytes() != basic.as_bytes()) {
            (StatusCode::UNAUTHORIZED, json!({"details": "incorrect username or password"}))
        } else {
            (StatusCode::OK, self.token(request.uri().query().unwrap_or_default()))
        };
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        response
    }

    fn token(&self, query: &str) -> Value {
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let scopes = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "scope");
        let scopes: Vec<_> = scopes.map(|(_, value)| value.into_owned()).collect();
        let access: Vec<_> = scopes.iter().flat_map(|scope| scope.split(' ')).filter_map(grant).collect();
        // As Quay does it: a token is for whatever it was asked for, and the registry refuses it.
        let service = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "service");
        let audience = service.map_or_else(|| TokenServer::SERVICE.to_owned(), |(_, service)| service.into_owned());
        let now = clock::now();
        // Rounded up: no token ends before it says.
        let expires = (now + self.lifetime - self.early + Duration::from_millis(999)).timestamp();
        let claims = json!({
            "iss": TokenServer::ISSUER, "aud": audience, "sub": USERNAME, "jti": number.to_string(),
            "iat": now.timestamp(), "nbf": now.timestamp(), "exp": expires, "access": access,
        });
        json!({
            "token": key().sign(&claims),
            "expires_in": self.lifetime.as_secs(),
            "issued_at": now.to_rfc3339(),
        })
    }
}

fn grant(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    // No account may read what lies below `denied/`: the token comes without a word, as real servers give it.
    let actions: Vec<_> = actions.split(',').filter(|_| !name.starts_with("denied/")).collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

/// An RSA key and its self-signed certificate.
struct Key {
    pair: RsaKeyPair,
    /// In PEM.
    certificate: String,
    /// The token's first part: the algorithm, and the certificate by which docker-registry finds its way to the root.
    header: String,
}

/// One key for all tests of this process: making one takes a noticeable part of a second.
fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("key.pem");
        let file = file.to_str().expect("temporary paths are text");
        let certificate = openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            file,
            "-days",
            "2",
            "-subj",
            "/CN=tests",
        ]);
        let certificate = String::from_utf8(certificate).expect("PEM is text");
        let pair = openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", file, "-outform", "DER"]);
        let x5c: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
        let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [x5c]}).to_string();
        Key {
            pair: RsaKeyPair::from_pkcs8(&pair).expect("openssl makes sound keys"),
            certificate,
            header: URL_SAFE_NO_PAD.encode(header),
        }
    })
}

impl Key {
    fn sign(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("the length is right");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("these tests make a key with openssl: sudo apt-get install openssl");
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
