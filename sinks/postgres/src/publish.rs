//! The order of steps that makes all of a snapshot visible at once: one transaction.
//!
//! ```text
//! begin
//!   the lock on the registry, so that two processes take turns
//!   insert into commits … on conflict do nothing      no row: the snapshot is there already
//!   delete what an older generation of the run left
//!   copy each table
//!   delete the inventories beyond `keep`
//!   analyze commits
//! commit                                             the commit point
//! ```
//!
//! If the answer to `commit` is lost, the next publish finds the row in `commits`.

use std::collections::BTreeMap;

use stocktake_sink::{Receipt, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, WrittenObject};
use tokio_postgres::types::{ToSql, Type};

use crate::cause::Finding;
use crate::columns::COMMITS;
use crate::copy::{self, CopiedTable};
use crate::schema::{self, newest_first};
use crate::session::{Parameters, Session};
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

    /// The receipt if there is nothing to write: the snapshot is there, or a later generation of its run.
    async fn already(&mut self) -> Result<Option<Receipt>, SinkError> {
        let generation = self.id().generation;
        let there = format!(
            "select generation, tables::text from {} where registry = $1::text and run_id = $2::text \
             and generation >= $3 order by generation desc limit 1",
            self.name(COMMITS)
        );
        let (registry, run_id) = self.key();
        let parameters: Parameters<'_> = &[text(&registry), text(&run_id), (&generation, Type::INT4)];
        let rows = self.session.rows(&there, parameters).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (theirs, tables): (i32, String) = (row.get(0), row.get(1));
        if theirs == generation {
            return Ok(Some(self.receipt(&self.read_tables(&tables)?, Vec::new())));
        }
        let warning = format!("generation {theirs} of {run_id} is there, so generation {generation} was not written");
        Ok(Some(self.receipt(&CopiedTables::new(), vec![warning])))
    }

    /// All steps up to the commit.
    async fn write(&mut self) -> Result<Receipt, SinkError> {
        if !self.claim().await? {
            // A process that does not know the lock was faster, an old version for instance.
            let there = self.already().await?;
            return there.ok_or_else(|| {
                let said = format!("{} appeared and disappeared", self.id());
                self.session.failure(Finding::new(SinkErrorKind::Unavailable, said, "publish again"))
            });
        }
        if let Some(warning) = self.is_beyond_keep().await? {
            return Ok(self.receipt(&CopiedTables::new(), vec![warning]));
        }
        let (_, run_id) = self.key();
        self.delete_rows(&[run_id]).await?;
        let mut copied = CopiedTables::new();
        for table in self.snapshot.tables() {
            copied.insert(table, copy::table(self.session, self.snapshot, table).await?);
        }
        self.note(&copied).await?;
        self.delete_beyond_keep().await?;
        // The views join this table. Without statistics of it, a reader of one night reads all of them.
        let analyze = format!("analyze {}", self.name(COMMITS));
        self.session.run(&analyze).await?;
        self.session.patiently("commit", &[]).await?;
        Ok(self.receipt(&copied, Vec::new()))
    }

    fn key(&self) -> (String, String) {
        (self.id().registry.to_string(), self.id().run_id())
    }

    /// Writes the row of this run, instead of those of older generations. False if it is there.
    async fn claim(&mut self) -> Result<bool, SinkError> {
        let commits = self.name(COMMITS);
        let (registry, run_id) = self.key();
        let date = self.id().snapshot_date();
        let at = self.id().scheduled_at.to_rfc3339();
        let (generation, published) = (self.id().generation, self.snapshot.record().verdict.is_publishable());
        let key: Parameters<'_> = &[text(&registry), text(&run_id), (&generation, Type::INT4)];
        let older =
            format!("delete from {commits} where registry = $1::text and run_id = $2::text and generation < $3");
        self.session.rows(&older, key).await?;
        let insert = format!(
            "insert into {commits} (registry, run_id, generation, snapshot_date, scheduled_at, published, tables) \
             values ($1::text, $2::text, $3, ($4::text)::date, ($5::text)::timestamptz, $6, '{{}}') \
             on conflict do nothing returning 1"
        );
        let more: Parameters<'_> = &[text(&date), text(&at), (&published, Type::BOOL)];
        Ok(!self.session.rows(&insert, &[key, more].concat()).await?.is_empty())
    }

    /// A warning if so many newer inventories are there that this one would be deleted at once.
    async fn is_beyond_keep(&mut self) -> Result<Option<String>, SinkError> {
        if !self.snapshot.record().verdict.is_publishable() {
            return Ok(None);
        }
        let (_, run_id) = self.key();
        let beyond = self.beyond_keep().await?;
        let keep = self.session.settings.keep;
        let warning =
            || format!("{run_id} is older than the newest {keep} inventories (`keep`), so it was not written");
        Ok(beyond.contains(&run_id).then(warning))
    }

    /// The runs that are older than the inventories to keep.
    async fn beyond_keep(&mut self) -> Result<Vec<String>, SinkError> {
        let (registry, _) = self.key();
        let keep = self.session.settings.keep;
        let beyond = format!(
            "select run_id from (select run_id, count(*) filter (where published) over (order by {} rows unbounded \
             preceding) as inventories from {} where registry = $1::text) runs where inventories > $2",
            newest_first(),
            self.name(COMMITS)
        );
        let rows = self.session.rows(&beyond, &[text(&registry), (&keep, Type::INT8)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn delete_beyond_keep(&mut self) -> Result<(), SinkError> {
        let beyond = self.beyond_keep().await?;
        if beyond.is_empty() {
            return Ok(());
        }
        self.delete_rows(&beyond).await?;
        self.delete_from(COMMITS, &beyond).await
    }

    /// Deletes all rows of these runs of this registry.
    async fn delete_rows(&mut self, runs: &[String]) -> Result<(), SinkError> {
        for table in Table::ALL {
            self.delete_from(table.as_str(), runs).await?;
        }
        Ok(())
    }

    async fn delete_from(&mut self, table: &str, runs: &[String]) -> Result<(), SinkError> {
        let (registry, _) = self.key();
        let delete = format!("delete from {} where registry = $1::text and run_id = any($2::text[])", self.name(table));
        self.session.patiently(&delete, &[text(&registry), (&runs, Type::TEXT_ARRAY)]).await?;
        Ok(())
    }

    /// Notes which tables the run has.
    async fn note(&mut self, copied: &CopiedTables) -> Result<(), SinkError> {
        let (registry, run_id) = self.key();
        let tables = serde_json::to_string(copied).expect("names and numbers");
        let update = format!(
            "update {} set tables = ($3::text)::jsonb where registry = $1::text and run_id = $2::text",
            self.name(COMMITS)
        );
        self.session.rows(&update, &[text(&registry), text(&run_id), text(&tables)]).await?;
        Ok(())
    }

    fn read_tables(&self, written: &str) -> Result<CopiedTables, SinkError> {
        serde_json::from_str(written).map_err(|e| {
            let said = format!("column tables of {}.{COMMITS} cannot be read", self.session.settings.schema);
            let remedy = format!("delete the row of {} there, to have it published again", self.id());
            self.session.failure(Finding::new(SinkErrorKind::Invalid, format!("{said}: {e}"), remedy))
        })
    }

    fn receipt(&self, copied: &CopiedTables, warnings: Vec<String>) -> Receipt {
        let settings = &self.session.settings;
        let objects = copied.iter().map(|(&table, &CopiedTable { rows, bytes })| WrittenObject {
            table,
            location: settings.location(table),
            rows,
            bytes,
        });
        let location = format!("{}, run {}", settings.place(), self.id().run_id());
        Receipt { location, objects: objects.collect(), warnings }
    }
}

fn text(value: &String) -> (&(dyn ToSql + Sync), Type) {
    (value, Type::TEXT)
}
