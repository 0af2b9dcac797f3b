//! The tables and views in the database: what is there, what is missing, and what somebody else has changed.
//!
//! Nothing is ever dropped or rewritten: a table, a column that may be null, an index or a view is added.

mod found;
mod plan;

use stocktake_sink::{SinkError, SinkErrorKind};

use crate::cause::Finding;
use crate::session::Session;
use crate::settings::SchemaName;

use plan::Mismatch;
pub(crate) use plan::newest_first;

/// Whether the database is as it should be.
pub(crate) async fn is_ready(session: &mut Session) -> Result<bool, SinkError> {
    Ok(statements(session).await?.is_empty())
}

/// Makes what is missing, within the transaction of the session. Other processes wait meanwhile.
pub(crate) async fn complete(session: &mut Session) -> Result<(), SinkError> {
    // The name of a schema has no quotes.
    let lock =
        format!("select pg_advisory_xact_lock(hashtextextended('stocktake schema {}', 0))", session.settings.schema);
    session.run(&lock).await?;
    // Again under the lock: another process may have made it.
    for statement in statements(session).await? {
        // An index of a large table takes its time.
        session.patiently(&statement, &[]).await?;
    }
    Ok(())
}

async fn statements(session: &mut Session) -> Result<Vec<String>, SinkError> {
    let schema = session.settings.schema.clone();
    let found = found::look(session).await?;
    plan::statements(&schema, &found).map_err(|mismatch| session.failure(as_finding(&mismatch, &schema)))
}

fn as_finding(mismatch: &Mismatch, schema: &SchemaName) -> Finding {
    let said = format!("another program has changed the tables: {}", mismatch.said);
    let remedy = format!("{}, or set `schema` to another name than {schema}", mismatch.remedy);
    Finding::new(SinkErrorKind::Invalid, said, remedy)
}
