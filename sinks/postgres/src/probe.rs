//! Whether publishing could succeed: everything that a publish does, with no rows, in a transaction that is rolled back.

use stocktake_sink::{SinkError, Table};

use crate::columns::COMMITS;
use crate::copy;
use crate::schema;
use crate::session::Session;
use crate::settings::PostgresSettings;

/// A registry that no configuration can name, so that the probe touches no rows of a registry.
const NOBODY: &str = "";

/// Tries it.
pub(crate) async fn probe(settings: &PostgresSettings) -> Result<(), SinkError> {
    let mut session = Session::open(settings).await?;
    let probed = within(&mut session).await;
    session.end().await;
    probed
}

async fn within(session: &mut Session) -> Result<(), SinkError> {
    session.begin().await?;
    if !schema::is_ready(session).await? {
        schema::complete(session).await?;
    }
    let commits = session.settings.schema.quoted(COMMITS);
    session
        .run(&format!(
            "insert into {commits} (registry, run_id, generation, snapshot_date, scheduled_at, published, tables) \
             values ('{NOBODY}', '', 0, 'epoch', 'epoch', false, '{{}}') on conflict do nothing; \
             update {commits} set tables = '{{}}' where registry = '{NOBODY}'; \
             delete from {commits} where registry = '{NOBODY}'"
        ))
        .await?;
    for table in Table::ALL {
        let name = session.settings.schema.quoted(table);
        session.run(&format!("delete from {name} where registry = '{NOBODY}'")).await?;
        copy::nothing(session, table).await?;
    }
    session.run("rollback").await
}
