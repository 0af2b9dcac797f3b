//! A client that does only the necessary work: it keeps connections alive, parses responses, and reads repositories while the
//! catalog is still being listed. It retries nothing, verifies nothing and writes nothing.

use std::sync::Arc;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use url::Url;

use crate::BenchError;
use crate::contenders::{PAGE, ReadDepth, Task, authority};

#[derive(Deserialize)]
struct CatalogBody<'a> {
    #[serde(borrow)]
    repositories: Vec<&'a str>,
}

#[derive(Deserialize)]
struct TagsBody<'a> {
    #[serde(borrow)]
    tags: Vec<&'a str>,
}

#[derive(Deserialize)]
struct ManifestBody<'a> {
    #[serde(borrow)]
    config: DescriptorBody<'a>,
}

#[derive(Deserialize)]
struct DescriptorBody<'a> {
    digest: &'a str,
}

#[derive(Deserialize)]
struct ConfigBody<'a> {
    architecture: &'a str,
}

type NameQueue = Arc<Mutex<mpsc::UnboundedReceiver<String>>>;

/// Lists names, lists tags, or reads manifests, depending on the depth of the task. Returns the number of rows.
pub(crate) async fn floor(url: &Url, task: Task) -> Result<u64, BenchError> {
    let address = authority(url)?;
    if task.depth == ReadDepth::Repositories {
        return Connection::open(&address).await?.list(|_| Ok(())).await;
    }
    let (names, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    let mut workers = JoinSet::new();
    for _ in 1..task.connections {
        let (address, queue) = (address.clone(), queue.clone());
        workers.spawn(async move { Connection::open(&address).await?.read(&queue, task.depth).await });
    }
    workers.spawn(async move {
        let mut connection = Connection::open(&address).await?;
        connection.list(|name| Ok(names.send(name.to_owned())?)).await?;
        drop(names);
        connection.read(&queue, task.depth).await
    });
    let mut rows = 0;
    while let Some(read) = workers.join_next().await {
        rows += read??;
    }
    Ok(rows)
}

struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Ok(Self { address: address.to_owned(), stream, line: String::new(), body: Vec::new() })
    }

    /// Fetches a response. Returns the target of its `Link` header.
    async fn get(&mut self, target: &str) -> Result<Option<String>, BenchError> {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, application/vnd.oci.image.manifest.v1+json\r\n\r\n",
            self.address
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.line.clear();
        self.stream.read_line(&mut self.line).await?;
        if self.line.split(' ').nth(1) != Some("200") {
            return Err(format!("{target}: {}", self.line).into());
        }
        let (mut length, mut next) = (0, None);
        loop {
            self.line.clear();
            self.stream.read_line(&mut self.line).await?;
            let line = self.line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
                Some((name, value)) if name.eq_ignore_ascii_case("link") => {
                    next = value.split(['<', '>']).nth(1).map(str::to_owned);
                }
                _ => {}
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok(next)
    }

    /// Lists the complete catalog.
    async fn list(&mut self, mut each: impl FnMut(&str) -> Result<(), BenchError>) -> Result<u64, BenchError> {
        let (mut count, mut target) = (0, Some(format!("/v2/_catalog?n={PAGE}")));
        while let Some(page) = target {
            target = self.get(&page).await?;
            let catalog: CatalogBody<'_> = serde_json::from_slice(&self.body)?;
            count += catalog.repositories.len() as u64;
            catalog.repositories.into_iter().try_for_each(&mut each)?;
        }
        Ok(count)
    }

    /// Reads the repositories in the queue until the queue is closed.
    async fn read(&mut self, queue: &NameQueue, depth: ReadDepth) -> Result<u64, BenchError> {
        let mut rows = 0;
        loop {
            let next = queue.lock().await.recv().await;
            let Some(name) = next else { return Ok(rows) };
            self.get(&format!("/v2/{name}/tags/list?n={PAGE}")).await?;
            let tags = serde_json::from_slice::<TagsBody<'_>>(&self.body)?.tags;
            rows += tags.len() as u64;
            if depth == ReadDepth::Manifests {
                for tag in tags.into_iter().map(str::to_owned).collect::<Vec<_>>() {
                    self.get(&format!("/v2/{name}/manifests/{tag}")).await?;
                    let digest = serde_json::from_slice::<ManifestBody<'_>>(&self.body)?.config.digest;
                    let target = format!("/v2/{name}/blobs/{digest}");
                    self.get(&target).await?;
                    if serde_json::from_slice::<ConfigBody<'_>>(&self.body)?.architecture.is_empty() {
                        return Err(format!("{target} has no architecture").into());
                    }
                }
            }
        }
    }
}
