//! The server process: the fake registry, open, in byte order, a thousand names a page.

use std::io::{Read, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stocktake::fake::{Endpoint, FakeRegistry, Repositories, Script};

use crate::Failure;

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
pub(crate) async fn serve(repositories: &str, latency_ms: &str) -> Result<(), Failure> {
    let latency = Duration::from_millis(latency_ms.parse()?);
    let names = Repositories::generated(repositories.parse()?, 1);
    let registry = FakeRegistry::start(Script { latency, record: false, ..Script::open(names) }).await?;
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
