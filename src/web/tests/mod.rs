//! The listener and its pages, over real sockets.

mod answers;
mod fixtures;
mod hygiene;
mod page;
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

use super::listener::Bounds;
use super::{Handle, Listener, NotRequested, Requested, Site, WebSettings};
use crate::status::Status;

const BOUNDS: Bounds = Bounds {
    connections: 64,
    handshake: Duration::from_secs(5),
    request: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    life: Duration::from_mins(5),
    stop: Duration::from_secs(3),
};

/// A site whose answers are known.
#[derive(Debug)]
struct Known {
    metrics: String,
    health: Result<(), String>,
    readiness: Result<(), String>,
    panics: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self { metrics: "# TYPE a gauge\na 1\n".to_owned(), health: Ok(()), readiness: Ok(()), panics: false }
    }
}

#[async_trait]
impl Site for Known {
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

    async fn run(&self, registry: &str) -> Result<Requested, NotRequested> {
        assert!(!self.panics, "as the test wants");
        match registry {
            "quay" => Ok(Requested::Started),
            "harbor" => Ok(Requested::Queued),
            "busy" => Ok(Requested::AlreadyRunning),
            _ => Err(NotRequested::NoSuchRegistry),
        }
    }
}

/// A listener on a free port of loopback, and the task that serves.
struct Rig {
    address: SocketAddr,
    handle: Handle,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Rig {
    async fn new(site: Known) -> Self {
        Self::with(site, settings(), BOUNDS).await
    }

    async fn with(site: Known, settings: WebSettings, bounds: Bounds) -> Self {
        let listener = Listener::bind_with(&settings, bounds).await.expect("a port");
        let (address, handle, stop) = (listener.local_addr(), listener.handle(), CancellationToken::new());
        let serving = tokio::spawn(listener.serve(Arc::new(site), stop.clone()));
        Self { address, handle, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends a request as it stands, and reads until the server closes.
    async fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        Answer::read(&mut stream).await
    }

    /// Asks with these further header lines, each with its end.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Anything with a port on loopback.
fn settings() -> WebSettings {
    WebSettings { listen: "127.0.0.1:0".parse().expect("an address"), ..WebSettings::default() }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Whatever comes until the end; status 0 where there is no answer in it.
    async fn read(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::new();
        // A connection that is reset has said what it had to say.
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
