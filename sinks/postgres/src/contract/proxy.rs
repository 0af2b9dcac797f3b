//! A proxy between a client and the server that stops at a chosen message of the client: it cuts the connection there, or
//! gives no more answers. It reads the protocol, so it knows the statements; it does not know TLS.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Where and how the proxy stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyStop {
    /// The server does not get the message; the connection ends.
    CutBefore,
    /// The server does what the message says; the connection ends without its answer.
    CutAfter,
    /// The server does not get the message, and no connection gets an answer any more.
    Hold,
    /// The server does what the message says, and no connection gets an answer any more.
    HoldAfter,
}

type Choose = dyn Fn(usize, &str) -> Option<ProxyStop> + Send + Sync;

/// A running proxy; it ends when dropped.
pub struct TestProxy {
    address: SocketAddr,
    shared: Arc<ProxyState>,
    accepting: JoinHandle<()>,
}

impl std::fmt::Debug for TestProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestProxy").field("address", &self.address).finish_non_exhaustive()
    }
}

struct ProxyState {
    socket: PathBuf,
    choose: Mutex<Option<Arc<Choose>>>,
    steps: Mutex<Vec<String>>,
    is_holding: Mutex<bool>,
    stopped: Notify,
}

impl TestProxy {
    /// Starts it on loopback, before the socket of a server on port 5432 in this directory.
    ///
    /// # Panics
    /// If there is no port.
    pub async fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(ProxyState {
            socket: directory.join(".s.PGSQL.5432"),
            choose: Mutex::new(None),
            steps: Mutex::default(),
            is_holding: Mutex::new(false),
            stopped: Notify::new(),
        });
        let state = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move {
                    // An end of either side is the end of both.
                    let _ = state.serve(client).await;
                });
            }
        });
        Self { address, shared, accepting }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops where this function says so: of the number of the message, from 0, and of its text. Counts from here on.
    pub fn stop_at(&self, choose: impl Fn(usize, &str) -> Option<ProxyStop> + Send + Sync + 'static) {
        self.go_on();
        *self.shared.choose.lock() = Some(Arc::new(choose));
    }

    /// Stops no more.
    pub fn go_on(&self) {
        *self.shared.choose.lock() = None;
        *self.shared.is_holding.lock() = false;
        self.shared.steps.lock().clear();
    }

    /// The messages since then: statements as they are, and `(rows)`, `(end of rows)` of a `COPY`.
    pub fn steps(&self) -> Vec<String> {
        self.shared.steps.lock().clone()
    }

    /// Waits until it stops.
    pub async fn stopped(&self) {
        self.shared.stopped.notified().await;
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ProxyState {
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        if *self.is_holding.lock() {
            return hold(client).await;
        }
        let (from_server, mut to_server) = UnixStream::connect(&self.socket).await?.into_split();
        let (mut from_client, to_client) = client.into_split();
        let answers = Arc::new(AnswerGate::default());
        let answering = tokio::spawn(answer(from_server, to_client, answers.clone()));
        let asked = self.ask(&mut from_client, &mut to_server, &answers).await;
        if *self.is_holding.lock() {
            // Until the client goes away.
            let _ = from_client.read_to_end(&mut Vec::new()).await;
        }
        answering.abort();
        asked
    }

    /// Forwards messages until the client ends, or the place to stop.
    async fn ask(
        &self,
        client: &mut tcp::OwnedReadHalf,
        server: &mut OwnedWriteHalf,
        answers: &AnswerGate,
    ) -> io::Result<()> {
        let mut is_startup = true;
        let mut ending = None;
        loop {
            let message = message(client, is_startup).await?;
            let asks_for = if is_startup { None } else { step(&message) };
            is_startup = false;
            if let (Some(text), None) = (asks_for, ending) {
                match self.stop(text) {
                    Some(ProxyStop::CutBefore) => {
                        self.stopped.notify_one();
                        return Ok(());
                    }
                    Some(ProxyStop::Hold) => {
                        *self.is_holding.lock() = true;
                        answers.close();
                        self.stopped.notify_one();
                        return Ok(());
                    }
                    stop @ Some(ProxyStop::CutAfter | ProxyStop::HoldAfter) => {
                        answers.close();
                        ending = stop;
                    }
                    None => {}
                }
            }
            server.write_all(&message).await?;
            // The server answers to a query, to a synchronization, and to nothing while rows are copied.
            if let Some(stop) = ending
                && matches!(message[0], b'Q' | b'S' | b'd')
            {
                if message[0] != b'd' {
                    answers.ready.notified().await;
                }
                *self.is_holding.lock() = stop == ProxyStop::HoldAfter;
                self.stopped.notify_one();
                return Ok(());
            }
        }
    }

    fn stop(&self, text: String) -> Option<ProxyStop> {
        let mut steps = self.steps.lock();
        let choose = self.choose.lock().clone();
        let stop = choose.and_then(|choose| choose(steps.len(), &text));
        steps.push(text);
        if stop.is_some() {
            // Once is enough: what comes next is the repair.
            *self.choose.lock() = None;
        }
        stop
    }
}

async fn hold(mut client: TcpStream) -> io::Result<()> {
    client.read_to_end(&mut Vec::new()).await.map(drop)
}

/// One whole message of the client.
async fn message(client: &mut tcp::OwnedReadHalf, is_startup: bool) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    if !is_startup {
        message.push(client.read_u8().await?);
    }
    let length = client.read_u32().await?;
    message.extend_from_slice(&length.to_be_bytes());
    let head = message.len();
    message.resize(head + length as usize - 4, 0);
    client.read_exact(&mut message[head..]).await?;
    Ok(message)
}

/// What a message asks for; none of those that only accompany another.
fn step(message: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    match message[0] {
        b'Q' => Some(text(&message[5..])),
        // The name of the statement is before its text.
        b'P' => {
            let name = message[5..].iter().position(|byte| *byte == 0)?;
            Some(text(&message[5 + name + 1..]))
        }
        b'd' => Some("(rows)".to_owned()),
        b'c' => Some("(end of rows)".to_owned()),
        _ => None,
    }
}

/// Whether answers are passed on, and when the server is ready for another question.
#[derive(Default)]
struct AnswerGate {
    is_closed: Mutex<bool>,
    ready: Notify,
}

impl AnswerGate {
    fn close(&self) {
        *self.is_closed.lock() = true;
    }
}

async fn answer(mut server: OwnedReadHalf, mut client: tcp::OwnedWriteHalf, gate: Arc<AnswerGate>) -> io::Result<()> {
    loop {
        let kind = server.read_u8().await?;
        let length = server.read_u32().await?;
        let mut message = vec![kind];
        message.extend_from_slice(&length.to_be_bytes());
        message.resize(1 + length as usize, 0);
        server.read_exact(&mut message[5..]).await?;
        let is_closed = *gate.is_closed.lock();
        if is_closed && kind == b'Z' {
            gate.ready.notify_one();
        }
        if !is_closed {
            client.write_all(&message).await?;
        }
    }
}
