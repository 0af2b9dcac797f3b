//! The contract of sinks.

use std::sync::Arc;

use stocktake_sink::contract;
use stocktake_sink_postgres::contract::{TestDatabase, TestServer};

#[tokio::test]
async fn the_sink_keeps_the_contract() {
    let server = Arc::new(TestServer::start());
    contract::run(|| TestDatabase::of(&server)).await;
}
