//! A real Postgres for tests and benches, and the harness of the contract suite on it.

mod database;
mod server;

pub use database::TestDatabase;
pub use server::TestServer;
