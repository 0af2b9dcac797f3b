//! The server processes: the fake registry, open or with tokens, a thousand names a page; and one that answers what it
//! has made beforehand, for where the fake would be what is measured.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fake_registry::{Contents, Endpoint, FakeRegistry, Order, Repositories, Script, TagPages};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::contenders::PAGE;

/// What a server holds, and how far away it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) repositories: u64,
    pub(crate) shape: Shape,
    /// In the order of docker-registry instead of byte order.
    pub(crate) path_order: bool,
    pub(crate) latency_ms: u64,
    /// Tags of each repository, each an image of its own.
    pub(crate) tags: u32,
    pub(crate) server: Kind,
}

impl Content {
    /// Evenly spread names in byte order, at no distance, and no tags.
    pub(crate) fn of(repositories: u64) -> Self {
        Self { repositories, shape: Shape::Even, path_order: false, latency_ms: 0, tags: 0, server: Kind::Open }
    }
}

/// How names are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// Teams of about the same size.
    Even,
    /// Nine in ten in one namespace.
    Skewed,
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The fake registry, to every client.
    Open,
    /// The fake registry as docker-registry with a token for each repository, or for several.
    Tokens,
    /// Answers made beforehand, names and tags alone, at once.
    Canned,
}

pub(crate) fn names(content: Content) -> Repositories {
    let count = usize::try_from(content.repositories).unwrap_or(usize::MAX);
    match content.shape {
        Shape::Even => Repositories::generated(count, 1),
        Shape::Skewed => {
            let scattered = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
            let name = |at: usize| match at % 10 {
                0 => format!("{:010x}/app", scattered(at)),
                _ => format!("platform/jobs/{:010x}", scattered(at)),
            };
            (0..count).map(name).collect::<Vec<_>>().as_slice().into()
        }
    }
}

/// What the server has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) pings: u64,
    pub(crate) tokens: u64,
    pub(crate) catalog: u64,
    pub(crate) tags: u64,
    /// GET alone.
    pub(crate) manifests: u64,
    pub(crate) heads: u64,
    pub(crate) blobs: u64,
    pub(crate) other: u64,
    pub(crate) connections: usize,
    pub(crate) most_in_flight: usize,
}

impl Seen {
    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        let Self { pings, tokens, catalog, tags, manifests, heads, blobs, other, .. } = self;
        pings + tokens + catalog + tags + manifests + heads + blobs + other
    }
}

/// Prints its URL, and what it has seen for each line of standard input; serves until that ends.
#[allow(clippy::print_stdout)] // the protocol between this process and its parent
pub(crate) async fn serve(content: &str) -> Result<(), Failure> {
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
                pings: registry.count(Endpoint::Ping),
                tokens: registry.count(Endpoint::Token),
                catalog: registry.count(Endpoint::Catalog),
                tags: registry.count(Endpoint::Tags),
                manifests: registry.count(Endpoint::Manifest) - heads,
                heads,
                blobs: registry.count(Endpoint::Blob),
                other: registry.count(Endpoint::Other),
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
        order: if content.path_order { Order::Path } else { Order::Bytewise },
        record: false,
        contents: Contents::uniform(content.tags),
        tag_pages: TagPages::Last { max: PAGE },
        ..of_kind
    };
    // No fault: it looks on.
    script.with_faults(move |request, _| {
        if request.method.as_str() == "HEAD" {
            heads.fetch_add(1, Ordering::Relaxed);
        }
        None
    })
}

/// The whole answer to each path and query.
type Answers = HashMap<String, Vec<u8>>;

async fn serve_canned(listener: TcpListener, content: Content) -> Result<(), Failure> {
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
    // After a full last page, stocktake asks whether there is more.
    answers.insert(target, answer("", "{\"repositories\":[]}"));
    for name in names {
        let body = format!("{{\"name\":\"{name}\",\"tags\":[{}]}}", tags.join(","));
        answers.insert(format!("/v2/{name}/tags/list?n={PAGE}"), answer("", &body));
    }
    answers
}

/// Requests of one connection, none of which has a body.
async fn answer_all(stream: TcpStream, answers: Arc<Answers>) -> Result<(), Failure> {
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
