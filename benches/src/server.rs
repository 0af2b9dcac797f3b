//! The server process: the fake registry, open, a thousand names a page.

use std::io::{Read, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stocktake::fake::{Endpoint, FakeRegistry, Order, Repositories, Script};

use crate::Failure;

/// What a server holds, and how far away it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) repositories: u64,
    pub(crate) shape: Shape,
    /// In the order of docker-registry instead of byte order.
    pub(crate) path_order: bool,
    pub(crate) latency_ms: u64,
}

impl Content {
    /// Evenly spread names in byte order, at no distance.
    pub(crate) fn of(repositories: u64) -> Self {
        Self { repositories, shape: Shape::Even, path_order: false, latency_ms: 0 }
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

fn names(content: Content) -> Repositories {
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

/// What the server saw, told when it ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) pings: u64,
    pub(crate) catalog: u64,
    pub(crate) connections: usize,
    pub(crate) most_in_flight: usize,
}

/// Prints its URL, serves until standard input ends, prints what it saw.
#[allow(clippy::print_stdout)] // the protocol between this process and its parent
pub(crate) async fn serve(content: &str) -> Result<(), Failure> {
    let content: Content = serde_json::from_str(content)?;
    let latency = Duration::from_millis(content.latency_ms);
    let order = if content.path_order { Order::Path } else { Order::Bytewise };
    let script = Script { latency, order, record: false, ..Script::open(names(content)) };
    let registry = FakeRegistry::start(script).await?;
    println!("{}", registry.url());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    let seen = Seen {
        pings: registry.count(Endpoint::Ping),
        catalog: registry.count(Endpoint::Catalog),
        connections: registry.connections(),
        most_in_flight: registry.most_in_flight(),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
