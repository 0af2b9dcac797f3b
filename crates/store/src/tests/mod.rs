//! The store on a directory and on real servers: the same checks on all.

mod contract;
mod refusals;

use crate::testing::BucketServer;

/// Runs blocking work as the sinks do.
fn blocking(work: impl FnOnce() + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() });
}

/// With a server that lives as long as the work.
fn with(server: BucketServer, work: impl FnOnce(&BucketServer) + Send + 'static) {
    blocking(move || work(&server));
}
