//! The server processes: the fake registry without login or with tokens, with 1000 names per page; and a server with prepared
//! responses, for benchmarks in which the fake registry would be too slow.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fake_registry::{CatalogOrder, FakeContents, FakeEndpoint, FakeRegistry, RepositoryNames, Script, TagPaging};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::BenchError;
use crate::contenders::PAGE;

/// The content of a server, and its latency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) repositories: u64,
    pub(crate) shape: NameSpread,
    /// Whether names are in the order of docker-registry instead of byte order.
    pub(crate) path_order: bool,
    pub(crate) latency_ms: u64,
    /// The number of tags per repository. Each has its own image.
    pub(crate) tags: u32,
    pub(crate) server: Kind,
}

impl Content {
    /// Names of similar teams in byte order, without latency and without tags.
    pub(crate) fn of(repositories: u64) -> Self {
        Self { repositories, shape: NameSpread::Even, path_order: false, latency_ms: 0, tags: 0, server: Kind::Open }
    }
}

/// How names are distributed over namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NameSpread {
    /// All namespaces have about the same size.
    Even,
    /// Nine of ten names are in one namespace.
    Skewed,
}

/// The kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The fake registry without login.
    Open,
    /// The fake registry in the manner of docker-registry, with tokens for one or several repositories.
    Tokens,
    /// Prepared responses with names and tags, without delay.
    Canned,
}

pub(crate) fn names(content: Content) -> RepositoryNames {
    let count = usize::try_from(content.repositories).unwrap_or(usize::MAX);
    match content.shape {
        NameSpread::Even => RepositoryNames::generated(count, 1),
        NameSpread::Skewed => {
            let scattered = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
            let name = |at: usize| match at % 10 {
                0 => format!("{:010x}/app", scattered(at)),
                _ => format!("platform/jobs/{:010x}", scattered(at)),
            };
            (0..count).map(name).collect::<Vec<_>>().as_slice().into()
        }
    }
}

/// The number of requests and connections so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) pings: u64,
    pub(crate) tokens: u64,
    pub(crate) catalog: u64,
    pub(crate) tags: u64,
    /// Only GET requests.
    pub(crate) manifests: u64,
    pub(crate) heads: u64,
    pub(crate) blobs: u64,
    pub(crate) other: u64,
    pub(crate) connections: usize,
    pub(crate) most_in_flight: usize,
}

impl Seen {
    /// The number of all requests.
    pub(crate) fn requests(&self) -> u64 {
        let Self { pings, tokens, catalog, tags, manifests, heads, blobs, other, .. } = self;
        pings + tokens + catalog + tags + manifests + heads + blobs + other
    }
}

/// Prints the URL of the server, and then the counts for each line of standard input. Stops when standard input ends.
#[allow(clippy::print_stdout)] // the protocol between this process and its parent
pub(crate) async fn serve(content: &str) -> Result<(), BenchError> {
    let content: Content = serde_json::from_str(content)?;
    if content.server == Kind::Canned {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/", listener.local_addr()?);
        return serve_canned(listener, content).await;
    }
    let heads = Arc::new(AtomicU64::new(0));
    let registry = FakeRegistry::start(script(content, heads.clone())).await?;
    println!("{}", registry.url());
    let tell = move || {
        for line in std::io::stdin().lines() {
            line?;
            let heads = heads.load(Ordering::Relaxed);
            let seen = Seen {
                pings: registry.count(FakeEndpoint::Ping),
                tokens: registry.count(FakeEndpoint::Token),
                catalog: registry.count(FakeEndpoint::Catalog),
                tags: registry.count(FakeEndpoint::Tags),
                manifests: registry.count(FakeEndpoint::Manifest) - heads,
                heads,
                blobs: registry.count(FakeEndpoint::Blob),
                other: registry.count(FakeEndpoint::Other),
                connections: registry.connections(),
                most_in_flight: registry.most_in_flight(),
            };
            println!("{}", serde_json::to_string(&seen)?);
        }
        Ok(())
    };
    tokio::task::spawn_blocking(tell).await?
}

fn script(content: Content, heads: Arc<AtomicU64>) -> Script {
    let of_kind = match content.server {
        Kind::Tokens => Script::distribution_like(names(content)),
        Kind::Open | Kind::Canned => Script::open(names(content)),
    };
    let script = Script {
        latency: Duration::from_millis(content.latency_ms),
        order: if content.path_order { CatalogOrder::Path } else { CatalogOrder::Bytewise },
        record: false,
        contents: FakeContents::uniform(content.tags),
        tag_pages: TagPaging::Last { max: PAGE },
        ..of_kind
    };
    // The function only counts; it chooses no misbehaviour.
    script.with_faults(move |request, _| {
        if request.method.as_str() == "HEAD" {
            heads.fetch_add(1, Ordering::Relaxed);
        }
        None
    })
}

/// The complete response for each path and query.
type Answers = HashMap<String, Vec<u8>>;

async fn serve_canned(listener: TcpListener, content: Content) -> Result<(), BenchError> {
    let answers = Arc::new(canned(content));
    let accepting = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(answer_all(stream, answers.clone()));
        }
    };
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        accepted = accepting => accepted,
        ended = ended => Ok(ended?.map(drop)?),
    }
}

fn canned(content: Content) -> Answers {
    let answer = |headers: &str, body: &str| {
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        format!("{head}{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let names = names(content);
    let names: Vec<&str> = names.iter().collect();
    let tags: Vec<String> = (0..content.tags).map(|number| format!("\"v{number}\"")).collect();
    let mut answers = Answers::from([("/v2/".to_owned(), answer("", "{}"))]);
    let mut target = format!("/v2/_catalog?n={PAGE}");
    let last = names.len().div_ceil(PAGE);
    for (page, number) in names.chunks(PAGE).zip(1..) {
        let mut body = String::new();
        for name in page {
            write!(body, ",\"{name}\"").expect("writing to a string cannot fail");
        }
        let next = format!("/v2/_catalog?n={PAGE}&last={}", page[page.len() - 1].replace('/', "%2F"));
        let link = if number == last { String::new() } else { format!("Link: <{next}>; rel=\"next\"\r\n") };
        answers.insert(target, answer(&link, &format!("{{\"repositories\":[{}]}}", &body[1..])));
        target = next;
    }
    // After a full last page, stocktake requests one more page.
    answers.insert(target, answer("", "{\"repositories\":[]}"));
    for name in names {
        let body = format!("{{\"name\":\"{name}\",\"tags\":[{}]}}", tags.join(","));
        answers.insert(format!("/v2/{name}/tags/list?n={PAGE}"), answer("", &body));
    }
    answers
}

/// Answers the requests of one connection. No request has a body.
async fn answer_all(stream: TcpStream, answers: Arc<Answers>) -> Result<(), BenchError> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut target) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if line.trim_end().is_empty() {
            let unknown = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answers.get(&target).map_or(&unknown[..], Vec::as_slice)).await?;
        } else if let Some(asked) = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) {
            asked.clone_into(&mut target);
        }
    }
}
