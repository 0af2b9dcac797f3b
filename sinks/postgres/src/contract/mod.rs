//! A real Postgres for tests and benches, and the harness of the contract suite on it.

mod database;
mod proxy;
mod server;

pub use database::TestDatabase;
pub use proxy::{ProxyStop, TestProxy};
pub use server::TestServer;
