//! Requests through proxies: small scripted ones, in front of a server with or without TLS.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

use fake_registry::openssl::Workshop;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::tls::client_config;
use crate::login::auth::Auth;
use crate::settings::RegistrySettings;
use crate::tests::settings;

/// What a proxy does with the head of a request.
#[derive(Clone)]
enum ProxyScript {
    /// Answers with these bytes and closes the connection.
    Answer(&'static str),
    /// Passes the bytes on to this port, after the answer to CONNECT.
    Tunnel(u16, &'static str),
    /// The same by SOCKS 5, with this user name and password.
    Socks(u16, Option<(&'static str, &'static str)>),
}

/// A proxy on loopback, and what it was sent first on each connection.
struct FakeProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl FakeProxy {
    async fn start(script: ProxyScript) -> Self {
        Self::with(script, None).await
    }

    /// A proxy that speaks TLS with this certificate.
    async fn secured(script: ProxyScript, workshop: &Workshop, name: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(workshop.read(&format!("{name}.crt")).as_bytes());
        let key = PrivateKeyDer::from_pem_slice(workshop.read(&format!("{name}.key")).as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM")).expect("a pair");
        Self::with(script, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn with(script: ProxyScript, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (seen, count) = (heads.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (script, seen, tls) = (script.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, script, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, script, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, connections }
    }

    fn environment(&self, scheme: &str, login: &str) -> Arc<ProxyEnvironment> {
        let value = format!("{scheme}://{login}{}", self.address);
        Arc::new(ProxyEnvironment::read(|name| matches!(name, "HTTPS_PROXY" | "HTTP_PROXY").then(|| value.clone())))
    }

    /// What the first connection began with.
    fn head(&self) -> String {
        self.heads.lock().first().cloned().unwrap_or_default()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: ProxyScript, seen: Arc<Mutex<Vec<String>>>) {
    if let ProxyScript::Socks(port, login) = script {
        let _ = socks(stream, port, login).await;
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    seen.lock().push(String::from_utf8_lossy(&head).into_owned());
    match script {
        ProxyScript::Answer(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        ProxyScript::Tunnel(port, answer) => {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.expect("the server");
            if head.starts_with(b"CONNECT ") {
                let _ = stream.write_all(answer.as_bytes()).await;
            } else {
                let _ = server.write_all(&head).await;
            }
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
        ProxyScript::Socks(..) => {}
    }
}

/// RFC 1928 and RFC 1929, as far as a client needs them.
async fn socks(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    port: u16,
    login: Option<(&str, &str)>,
) -> std::io::Result<()> {
    let (_, count) = (stream.read_u8().await?, stream.read_u8().await?);
    let mut methods = vec![0; usize::from(count)];
    stream.read_exact(&mut methods).await?;
    let wanted = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, wanted]).await?;
    if let Some((name, password)) = login {
        stream.read_u8().await?;
        let mut sent = Vec::new();
        for _ in 0..2 {
            let mut text = vec![0; usize::from(stream.read_u8().await?)];
            stream.read_exact(&mut text).await?;
            sent.push(text);
        }
        let welcome = sent == [name.as_bytes(), password.as_bytes()];
        stream.write_all(&[1, u8::from(!welcome)]).await?;
    }
    // A name: version, command, nothing, 3, its length, the name, the port.
    let mut request = [0; 5];
    stream.read_exact(&mut request).await?;
    let mut rest = vec![0; usize::from(request[4]) + 2];
    stream.read_exact(&mut rest).await?;
    assert_eq!((request[3], &rest[..rest.len() - 2]), (3, &b"registry.example"[..]), "the proxy looks the name up");
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    copy_bidirectional(&mut stream, &mut server).await?;
    Ok(())
}

/// Certificates of `registry.example`, of a proxy at 127.0.0.1, and of an unknown authority.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    for (name, names) in
        [("registry", "DNS:registry.example"), ("proxy", "IP:127.0.0.1"), ("other", "DNS:other.example")]
    {
        workshop.run(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.crt -days 2 \
             -subj /CN={name} -addext subjectAltName={names}"
        ));
    }
    let both = format!("{}{}", workshop.read("registry.crt"), workshop.read("proxy.crt"));
    workshop.write("both.pem", &both);
    workshop
}

/// A client that trusts these certificates and uses these proxies.
fn client(workshop: Option<&Workshop>, proxies: Arc<ProxyEnvironment>) -> WireClient {
    let settings = RegistrySettings {
        ca_file: workshop.map(|workshop| workshop.path("both.pem")),
        ..settings("http://registry.example".parse().expect("a URL"), Auth::None)
    };
    let tls = Arc::new(client_config(&settings).expect("a configuration"));
    let (limit, connect) = (ConnectionLimit::new(4), Duration::from_secs(5));
    WireSettings { tls, limit, most_idle: 4, connect }.client(Some(proxies), None)
}

/// The status and the body of an answer.
async fn get(client: &WireClient, url: &str) -> Result<(u16, String), Problem> {
    let url = url.parse().expect("a URL");
    let mut answer = client.send(&url, Request::new(Bytes::new())).await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk(&url).await? {
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n";

#[tokio::test]
async fn what_a_proxy_refuses_is_told_with_its_name_its_status_and_its_words_and_asked_once() {
    for (answer, login, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"corp\"\r\n\
             Content-Length: 4\r\n\r\nlogn",
            "",
            "refused: 407, it wants a user name and a password `logn`",
        ),
        (
            "HTTP/1.0 407 No\r\nProxy-Authenticate: Basic\r\nProxy-Authenticate: NTLM\r\n\r\n",
            "user:hunter2@",
            "refused: 407, it does not accept this user name and password",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 32\r\n\r\ngo away hunter2 dXNlcjpodW50ZXIy",
            "user:hunter2@",
            "refused: 403 `go away [secret] [secret]`; it does not let us through to registry.example:443",
        ),
        (
            "HTTP/1.1 407 No\r\nproxy-authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
            "",
            "refused: 407, it wants a login by Negotiate or NTLM; only Basic is supported",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html><b>blocked by</b> policy 4711</html>",
            "",
            "refused: 403 `blocked by policy 4711`; it does not let us through to registry.example:443",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "", "does not reach registry.example:443: 502"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "", "does not answer as a proxy"),
        ("", "", "closed the connection before it answered"),
    ] {
        let proxy = FakeProxy::start(ProxyScript::Answer(answer)).await;
        let client = client(None, proxy.environment("http", login));
        let problem = get(&client, "https://registry.example/v2/").await.expect_err("refused");
        let wanted = format!("the proxy of $HTTPS_PROXY, {}, {words}", proxy.address);
        assert_eq!(problem.to_string(), wanted);
        assert_eq!(proxy.connections.load(Ordering::Relaxed), 1);
        assert!(proxy.head().starts_with("CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n"));
        let sent = proxy.head().contains("Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n");
        assert_eq!(sent, !login.is_empty());
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    for (url, variable) in [("https://registry.example", "HTTPS_PROXY"), ("http://registry.example", "HTTP_PROXY")] {
        let environment = ProxyEnvironment::read(|name| (name == variable).then(|| free.to_string()));
        let problem = get(&client(None, Arc::new(environment)), url).await.expect_err("nobody there");
        assert_eq!(problem.to_string(), format!("cannot reach the proxy of ${variable}, {free}: connection refused"));
        let cause = problem.known_cause(&crate::problem::error::Step::Ping).expect("known");
        assert_eq!(cause.id(), "proxy_unreachable");
    }
}

#[tokio::test]
async fn through_a_tunnel_a_server_is_trusted_or_not_for_the_same_reasons() {
    let workshop = workshop();
    let server = |arguments: &str| workshop.serve(arguments);
    let good = server("-cert registry.crt -key registry.key");
    let proxy = FakeProxy::start(ProxyScript::Tunnel(good.port, ESTABLISHED)).await;
    let answered = get(&client(Some(&workshop), proxy.environment("http", "")), "https://registry.example/v2/").await;
    assert_eq!(answered.expect("an answer").0, 200);
    for (arguments, words) in [
        ("-cert other.crt -key other.key", "self-signed and not the one in `ca_file`"),
        ("-cert proxy.crt -key proxy.key", "its certificate is not for `registry.example`, but for `127.0.0.1`"),
        ("-cert registry.crt -key registry.key -tls1_2 -Verify 1", "it asks for a client certificate"),
        ("-cert registry.crt -key registry.key -tls1_1 -cipher ALL:@SECLEVEL=0", "its TLS is older than version 1.2"),
    ] {
        let server = server(arguments);
        let proxy = FakeProxy::start(ProxyScript::Tunnel(server.port, ESTABLISHED)).await;
        let client = client(Some(&workshop), proxy.environment("http", ""));
        let problem = get(&client, "https://registry.example/v2/").await.expect_err("not trusted");
        let told = problem.to_string();
        assert!(matches!(problem, Problem::Tls(_)) && told.contains(words), "{told}");
        assert!(told.starts_with("no trusted TLS connection to registry.example:443: "), "{told}");
    }
    // The server has not sent bytes that come before the handshake.
    let proxy = FakeProxy::start(ProxyScript::Answer("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")).await;
    let problem = get(&client(Some(&workshop), proxy.environment("http", "")), "https://registry.example/").await;
    assert!(problem.expect_err("nobody").to_string().ends_with("does not answer as a proxy"));
}

#[tokio::test]
async fn a_proxy_may_itself_speak_tls() {
    let workshop = workshop();
    let target = workshop.serve("-cert registry.crt -key registry.key");
    let tunnel = || ProxyScript::Tunnel(target.port, ESTABLISHED);
    let proxy = FakeProxy::secured(tunnel(), &workshop, "proxy").await;
    let client = client(Some(&workshop), proxy.environment("https", "user:hunter2@"));
    let answered = get(&client, "https://registry.example/v2/").await.expect("an answer");
    assert_eq!(answered.0, 200);
    assert!(proxy.head().starts_with("CONNECT registry.example:443 HTTP/1.1\r\n"), "{}", proxy.head());
    let other = FakeProxy::secured(tunnel(), &workshop, "other").await;
    let client = self::client(Some(&workshop), other.environment("https", "user:hunter2@"));
    let told = get(&client, "https://registry.example/").await.expect_err("not trusted").to_string();
    assert!(told.starts_with("no trusted TLS connection to the proxy of $HTTPS_PROXY, 127.0.0.1:"), "{told}");
    assert!(other.head().is_empty(), "its login is not sent to it");
}

#[tokio::test]
async fn plain_http_goes_through_a_proxy_whole_with_its_login() {
    let proxy = FakeProxy::start(ProxyScript::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")).await;
    let client = client(None, proxy.environment("http", "us%40er:hunter2@"));
    let answered = get(&client, "http://registry.example:5000/v2/?n=1").await.expect("an answer");
    assert_eq!(answered, (200, "{}".into()));
    let head = proxy.head();
    assert!(head.starts_with("GET http://registry.example:5000/v2/?n=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNAZXI6aHVudGVyMg==\r\n"), "{head}");
    // Never a host of this machine, whose requests have no login of a proxy.
    let direct = FakeProxy::start(ProxyScript::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")).await;
    get(&client, &format!("http://{}/", direct.address)).await.expect("an answer");
    assert!(direct.head().starts_with("GET / HTTP/1.1\r\n") && !direct.head().contains("roxy-"), "{}", direct.head());
}

#[tokio::test]
async fn a_proxy_may_speak_socks_5() {
    let workshop = workshop();
    let server = workshop.serve("-cert registry.crt -key registry.key");
    for (login, given, works) in [
        (None, "", true),
        (Some(("user", "hunter2")), "user:hunter2@", true),
        (Some(("user", "hunter2")), "user:other@", false),
        (Some(("user", "hunter2")), "", false),
    ] {
        let proxy = FakeProxy::start(ProxyScript::Socks(server.port, login)).await;
        for scheme in ["socks5", "socks5h"] {
            let client = client(Some(&workshop), proxy.environment(scheme, given));
            match get(&client, "https://registry.example/v2/").await {
                Ok((status, _)) => assert!(works && status == 200),
                Err(problem) => {
                    let told = problem.to_string();
                    assert!(!works && matches!(problem, Problem::Proxy(_)), "{told}");
                    assert!(told.starts_with("the proxy of $HTTPS_PROXY, 127.0.0.1:") && !told.contains("other@"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_says_when() {
    let none = || Arc::<ProxyEnvironment>::default();
    for (answer, words) in [
        ("", "closed the connection before it answered"),
        ("HTTP/1.1 200 OK\r\nContent-Len", "closed the connection before it answered"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "the answer of ADDRESS is not valid HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234", "the answer of ADDRESS was cut off after 4 bytes"),
    ] {
        let server = FakeProxy::start(ProxyScript::Answer(answer)).await;
        let problem = get(&client(None, none()), &format!("http://{}/", server.address)).await.expect_err("broken");
        let words = words.replace("ADDRESS", &server.address.to_string());
        let told = problem.to_string();
        assert!(matches!(problem, Problem::Network(_)) && told.ends_with(&words), "{told}");
    }
    let name = format!("http://{}.example:5000/", "a".repeat(64));
    let told = get(&client(None, none()), &name).await.expect_err("no name").to_string();
    assert_eq!(told, format!("cannot reach {}.example: no address is known for this name", "a".repeat(64)));
}
