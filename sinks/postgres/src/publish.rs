//! The order of steps that makes all of a snapshot visible at once: one transaction.
//!
//! ```text
//! begin
//!   the lock on the registry, so that two processes take turns
//!   insert into commits … on conflict do nothing      no row: the snapshot is there already
//!   delete what an older generation of the run left
//!   copy each table
//!   delete the inventories beyond `keep`
//! commit                                             the commit point
//! ```
//!
//! If the answer to `commit` is lost, the next publish finds the row in `commits`.

use std::collections::BTreeMap;

use stocktake_sink::{Receipt, SinkError, Snapshot, SnapshotId, Table, WrittenObject};
use tokio_postgres::types::{ToSql, Type};

use crate::columns::COMMITS;
use crate::copy::{self, CopiedTable};
use crate::schema::{self, newest_first};
use crate::session::{Parameters, Session, only};
use crate::settings::PostgresSettings;

/// The tables of a run as column `tables` of `commits` has them.
pub(crate) type CopiedTables = BTreeMap<Table, CopiedTable>;

/// Publishes over a connection of its own.
pub(crate) async fn publish(settings: &PostgresSettings, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
    let mut session = Session::open(settings).await?;
    let published = within(&mut session, snapshot).await;
    session.end().await;
    published
}

async fn within(session: &mut Session, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
    if !schema::is_ready(session).await? {
        // In a transaction of its own: what it locks must not stay locked while rows are copied.
        session.begin().await?;
        schema::complete(session).await?;
        session.run("commit").await?;
    }
    session.begin().await?;
    let mut publication = Publication { session, snapshot };
    publication.lock().await?;
    if let Some(receipt) = publication.already().await? {
        return Ok(receipt);
    }
    publication.write().await
}

/// One snapshot in one transaction.
struct Publication<'a> {
    session: &'a mut Session,
    snapshot: &'a Snapshot,
}

/// One kind of parameter is enough for most statements.
fn text(value: &String) -> (&(dyn ToSql + Sync), Type) {
    (value, Type::TEXT)
}

impl Publication<'_> {
    fn id(&self) -> &SnapshotId {
        self.snapshot.id()
    }

    fn name(&self, table: &str) -> String {
        self.session.settings.schema.quoted(table)
    }

    /// One process at a time publishes a registry into a schema.
    async fn lock(&mut self) -> Result<(), SinkError> {
        let name = format!("stocktake {}/{}", self.session.settings.schema, self.id().registry);
        self.session.rows("select pg_advisory_xact_lock(hashtextextended($1::text, 0))", &[text(&name)]).await?;
        Ok(())
    }

    /// The receipt if there is nothing to write: the snapshot is there, a later generation is, or it is older than all
    /// that is kept.
    async fn already(&mut self) -> Result<Option<Receipt>, SinkError> {
        let (registry, run_id, generation) = (self.id().registry.to_string(), self.id().run_id(), self.id().generation);
        let there = format!(
            "select generation, tables::text from {} where registry = $1::text and run_id = $2::text and generation >= $3 \
             order by generation desc limit 1",
            self.name(COMMITS)
        );
        let parameters: Parameters<'_> = &[text(&registry), text(&run_id), (&generation, Type::INT4)];
        if let Some(row) = self.session.rows(&there, parameters).await?.first() {
            let (theirs, tables): (i32, String) = (row.get(0), row.get(1));
            if theirs == generation {
                return Ok(Some(self.receipt(&read_tables(&tables), Vec::new())));
            }
            let warning = format!("generation {theirs} of {run_id} is there; nothing of generation {generation} was written");
            return Ok(Some(self.receipt(&CopiedTables::new(), vec![warning])));
        }
        Ok(None)
    }
