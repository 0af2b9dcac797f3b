//! The listener and its pages, over real sockets.

mod answers;
mod fixtures;
mod hygiene;
mod page;
mod page_states;
mod routes;
mod secured;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::listener::ListenerLimits;
use super::{Listener, ListenerHandle, RunAccepted, RunRefused, WebBackend, WebSettings};
use crate::status::Status;

const LIMITS: ListenerLimits = ListenerLimits {
    connections: 64,
    handshake: Duration::from_secs(5),
    request: Duration::from_secs(5),
    response: Duration::from_secs(5),
    life: Duration::from_mins(5),
    stop: Duration::from_secs(3),
};

/// A backend with fixed answers.
#[derive(Debug)]
struct FixedBackend {
    metrics: String,
    health: Result<(), String>,
    readiness: Result<(), String>,
    remark: Option<String>,
    panics: bool,
}

impl Default for FixedBackend {
    fn default() -> Self {
        let metrics = "# TYPE a gauge\na 1\n".to_owned();
        Self { metrics, health: Ok(()), readiness: Ok(()), remark: None, panics: false }
    }
}

#[async_trait]
impl WebBackend for FixedBackend {
    fn status(&self) -> Status {
        assert!(!self.panics, "as the test wants");
        fixtures::three()
    }

    fn metrics(&self, text: &mut String) {
        assert!(!self.panics, "as the test wants");
        text.push_str(&self.metrics);
    }

    fn is_healthy(&self) -> Result<(), String> {
        assert!(!self.panics, "as the test wants");
        self.health.clone()
    }

    fn is_ready(&self) -> Result<(), String> {
        self.readiness.clone()
    }

    fn remark(&self) -> Option<String> {
        self.remark.clone()
    }

    async fn run(&self, registry: &str, accepts_loss: bool) -> Result<RunAccepted, RunRefused> {
        assert!(!self.panics, "as the test wants");
        match registry {
            "shrunken" if accepts_loss => Ok(RunAccepted::Started),
            "quay" => Ok(RunAccepted::Started),
            "harbor" => Ok(RunAccepted::Queued),
            "busy" => Ok(RunAccepted::AlreadyRunning),
            _ => Err(RunRefused::NoSuchRegistry),
        }
    }
}

/// A listener on a free port of loopback, and the task that serves.
struct TestListener {
    address: SocketAddr,
    handle: ListenerHandle,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl TestListener {
    async fn new(backend: FixedBackend) -> Self {
        Self::with(backend, settings(), LIMITS).await
    }

    async fn with(backend: FixedBackend, settings: WebSettings, limits: ListenerLimits) -> Self {
        let listener = Listener::bind_with(&settings, limits).await.expect("a port");
        let (address, handle, stop) = (listener.local_addr(), listener.handle(), CancellationToken::new());
        let serving = tokio::spawn(listener.serve(Arc::new(backend), stop.clone()));
        Self { address, handle, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends these bytes, and reads until the server closes the connection.
    async fn raw(&self, request: &str) -> TestResponse {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        TestResponse::read(&mut stream).await
    }

    /// Sends a request with these further header lines, each with its line end.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> TestResponse {
        self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.ask("GET", path, "").await
    }
}

impl Drop for TestListener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Default settings with a free port on loopback.
fn settings() -> WebSettings {
    WebSettings { listen: "127.0.0.1:0".parse().expect("an address"), ..WebSettings::default() }
}

#[derive(Debug)]
struct TestResponse {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl TestResponse {
    /// Reads until the end; the status is 0 if there is no response.
    async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::new();
        // A connection that is reset has ended.
        let _ = stream.read_to_end(&mut bytes).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}
