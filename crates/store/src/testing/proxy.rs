//! A proxy before a server of buckets, to which a test says what happens to each request. One request a connection.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A request as the proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRequest {
    /// Counted from 0, in the order of their arrival.
    pub number: usize,
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// Whether an object is created only if there is none.
    pub is_conditional: bool,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketFate {
    /// The server answers.
    Pass,
    /// The server does it, and its answer is lost.
    LoseAnswer,
    /// The server does not see it, and the connection ends.
    Drop,
    /// No answer ever comes.
    Hang,
    /// Another answer: status and body.
    Answer(u16, String),
}

type Decide = dyn Fn(&BucketRequest) -> BucketFate + Send + Sync;
type After = dyn Fn(&BucketRequest) + Send + Sync;

/// A proxy; it ends with this value.
pub struct BucketProxy {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl fmt::Debug for BucketProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a proxy on port {}", self.port)
    }
}

struct Before {
    upstream: u16,
    requests: AtomicUsize,
    ended: Arc<AtomicBool>,
    decide: Box<Decide>,
    after: Box<After>,
}

impl BucketProxy {
    /// A proxy before the server on this port. `after` is told of a request once the server has answered, before the answer
    /// goes on.
    pub fn start(
        upstream: u16,
        decide: impl Fn(&BucketRequest) -> BucketFate + Send + Sync + 'static,
        after: impl Fn(&BucketRequest) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its port").port();
        let ended = Arc::new(AtomicBool::new(false));
        let (decide, after) = (Box::new(decide), Box::new(after));
        let before =
            Arc::new(Before { upstream, requests: AtomicUsize::new(0), ended: Arc::clone(&ended), decide, after });
        thread::spawn(move || {
            for client in listener.incoming() {
                if before.ended.load(Ordering::SeqCst) {
                    break;
                }
                let (before, Ok(client)) = (Arc::clone(&before), client) else { continue };
                // What a client that went away makes fail is no matter of the proxy.
                thread::spawn(move || drop(before.serve(&client)));
            }
        });
        Self { port, ended }
    }

    /// The scheme, host and port of the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for BucketProxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Before {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let (mut head, mut length, mut is_conditional) = (Vec::new(), 0, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            is_conditional |= lower.starts_with("if-none-match:");
            if !lower.starts_with("connection:") {
                head.extend_from_slice(line.as_bytes());
            }
        }
        head.extend_from_slice(b"connection: close\r\n\r\n");
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let request = BucketRequest { number, method, target, is_conditional };
        match (self.decide)(&request) {
            BucketFate::Pass => {
                let answer = self.ask(&head, &body)?;
                (self.after)(&request);
                (&mut &*client).write_all(&answer)
            }
            BucketFate::LoseAnswer => {
                self.ask(&head, &body)?;
                (self.after)(&request);
                client.shutdown(Shutdown::Both)
            }
            BucketFate::Drop => client.shutdown(Shutdown::Both),
            BucketFate::Hang => {
                // Until the client gives up, or the test ends.
                client.set_read_timeout(Some(Duration::from_millis(50)))?;
                while !self.ended.load(Ordering::SeqCst) && !matches!((&mut &*client).read(&mut [0]), Ok(0)) {}
                Ok(())
            }
            BucketFate::Answer(status, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Scripted\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                (&mut &*client).write_all(answer.as_bytes())
            }
        }
    }

    fn ask(&self, head: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(("127.0.0.1", self.upstream))?;
        server.write_all(head)?;
        server.write_all(body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
