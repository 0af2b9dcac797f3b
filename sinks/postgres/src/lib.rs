//! The Postgres sink: each snapshot in one transaction, into tables of a schema of its own.
//!
//! `publish` has the order of steps, `schema` the tables, `encode` the format of rows, `session` the deadlines, `cause` what
//! an error means.
#![deny(missing_docs)]

mod address;
mod cause;
mod columns;
#[cfg(feature = "contract")]
pub mod contract;
mod copy;
mod encode;
mod patience;
mod probe;
mod publish;
mod schema;
mod session;
mod settings;
mod tls;

use async_trait::async_trait;
use stocktake_sink::{ConfiguredSink, Receipt, Sink, SinkError, SinkKind, Snapshot};

pub use crate::address::{AddressError, ServerAddress};
pub use crate::settings::{BadSchemaName, PostgresSettings, SchemaName};
pub use crate::tls::SslVerification;

/// The kind `postgres`.
pub const KIND: SinkKind = SinkKind {
    name: "postgres",
    summary: "`postgres`: tables in a Postgres database, one transaction per snapshot.",
    configure: |options| {
        let settings = PostgresSettings::read(options)?;
        let secrets = settings.password.iter().cloned().collect();
        Ok(ConfiguredSink::new(move || Ok(PostgresSink::new(settings.clone()))).with_secrets(secrets))
    },
};

/// Publishes snapshots into a Postgres database.
#[derive(Clone, Debug)]
pub struct PostgresSink {
    settings: PostgresSettings,
}

impl PostgresSink {
    /// A sink with these settings. Opens nothing yet.
    pub fn new(settings: PostgresSettings) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        publish::publish(&self.settings, snapshot).await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        probe::probe(&self.settings).await
    }
}
