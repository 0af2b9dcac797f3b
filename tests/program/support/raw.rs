//! A server below HTTP's manners, for what no honest one sends: bodies without an end, made while they are on their way,
//! and counted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use url::Url;

/// What a server sends after `HTTP/1.1 `.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    /// An answer with headers, each with its line end, and a body.
    Whole { status: u16, headers: String, body: Vec<u8> },
    /// A 200 with these headers whose body begins so, and goes on with this piece for ever, a pause before each.
    Endless { headers: String, begin: Vec<u8>, piece: Vec<u8>, every: Duration },
}

impl Raw {
    /// JSON, of this type.
    pub(crate) fn json(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole { status: 200, headers: format!("content-type: {media_type}\r\n"), body: body.into() }
    }
}

type RawAnswer = dyn Fn(&str) -> Raw + Send + Sync;

/// A running server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct RawServer {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl RawServer {
    /// A server that answers each target, path and query, so.
    pub(crate) async fn start(answer: impl Fn(&str) -> Raw + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, asked) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (sends, asks, answer) =
            (sent.clone(), asked.clone(), Arc::<RawAnswer>::from(Box::new(answer) as Box<RawAnswer>));
        let accepting = tokio::spawn(async move {
            // The connections end with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (sends, asks, answer) = (sends.clone(), asks.clone(), answer.clone());
                connections.spawn(async move { serve(stream, &*answer, &sends, &asks).await });
            }
        });
        Self { address, sent, asked, accepting: accepting.abort_handle() }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    /// Bytes of endless bodies that the other side's system has taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// The targets asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Ends when the client has gone, or an endless body was begun.
async fn serve(stream: TcpStream, answer: &RawAnswer, sent: &AtomicU64, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        stream.read_line(&mut first).await.ok()?;
        let target = first.split(' ').nth(1)?.to_owned();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            if line.trim().is_empty() {
                break;
            }
        }
        asked.lock().unwrap().push(target.clone());
        match answer(&target) {
            Raw::Whole { status, headers, body } => {
                let is_head = first.starts_with("HEAD");
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(if is_head { &[] } else { &body }).await.ok()?;
            }
            Raw::Endless { headers, begin, piece, every } => {
                let head = format!("HTTP/1.1 200 X\r\n{headers}connection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&begin).await.ok()?;
                loop {
                    if !every.is_zero() {
                        sleep(every).await;
                    }
                    stream.write_all(&piece).await.ok()?;
                    sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
                }
            }
        }
    }
}
