//! What the tests share.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use stocktake_sink::contract::{id, snapshot_of, tables};
use stocktake_sink::{
    Receipt, SecretPlace, SecretText, Sink, SinkError, SinkErrorKind, Snapshot, SnapshotId, Table, UnreadableSecret,
    Verdict,
};
use stocktake_sink_postgres::contract::{TestDatabase, TestServer};
use stocktake_sink_postgres::{PostgresSettings, PostgresSink, SchemaName, ServerAddress};

/// A server with one database.
pub(crate) fn database() -> (Arc<TestServer>, TestDatabase) {
    let server = Arc::new(TestServer::start());
    let database = TestDatabase::of(&server);
    (server, database)
}

/// The tables of a walk that reads tags.
pub(crate) const TABLES: [Table; 2] = [Table::Repositories, Table::Tags];

/// A complete night with at least so many rows in each table.
pub(crate) fn night(day: u32, rows: usize) -> Snapshot {
    of(&id("quay", day), rows)
}

pub(crate) fn of(id: &SnapshotId, rows: usize) -> Snapshot {
    snapshot_of(id, Verdict::Complete, tables(id, rows, &TABLES))
}

pub(crate) async fn publish(settings: &PostgresSettings, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
    PostgresSink::new(settings.clone()).publish(snapshot).await
}

/// The settings for another address.
pub(crate) fn settings(url: &str) -> PostgresSettings {
    PostgresSettings::new(ServerAddress::parse(url).unwrap(), SchemaName::parse("stocktake").unwrap(), 1000)
}

/// The error with all its causes, as the program prints it.
pub(crate) fn chain(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(at) = cause {
        text = format!("{text}: {at}");
        cause = at.source();
    }
    text
}

/// The error is of this kind, and its text has these parts.
pub(crate) fn assert_error<T: std::fmt::Debug>(result: Result<T, SinkError>, kind: SinkErrorKind, parts: &[&str]) {
    let error = result.expect_err("it cannot work");
    let text = chain(&error);
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

/// What a reader counts: `registry run_id repositories tags runs` of each run, by commits and by rows.
pub(crate) fn counts(database: &TestDatabase) -> Vec<String> {
    let rows = |table: Table| {
        format!("(select count(*) from stocktake.{table} t where (t.registry, t.run_id) = (c.registry, c.run_id))")
    };
    let [repositories, tags, runs] = [Table::Repositories, Table::Tags, Table::Runs].map(rows);
    let found = database.sql(&format!(
        "select c.run_id || ' g' || c.generation, {repositories}, {tags}, {runs} from stocktake.commits c order by 1"
    ));
    found.lines().map(str::to_owned).collect()
}

/// What [`counts`] gives for a run that is there.
pub(crate) fn counted(snapshot: &Snapshot) -> String {
    let rows = |table| snapshot.rows(table);
    let (id, generation) = (snapshot.id().run_id(), snapshot.id().generation);
    format!("{id} g{generation}|{}|{}|{}", rows(Table::Repositories), rows(Table::Tags), rows(Table::Runs))
}

/// All rows of a table, whether a commit names them or not.
pub(crate) fn all_rows(database: &TestDatabase, table: Table) -> u64 {
    database.sql(&format!("select count(*) from stocktake.{table}")).parse().unwrap()
}

/// A password that a test can change.
pub(crate) struct Password(pub(crate) std::sync::Mutex<String>);

impl Password {
    pub(crate) fn new(text: &str) -> Arc<Self> {
        Arc::new(Self(std::sync::Mutex::new(text.to_owned())))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

#[async_trait]
impl SecretPlace for Password {
    async fn read(&self) -> Result<SecretText, UnreadableSecret> {
        Ok(SecretText::new(self.0.lock().unwrap().clone()))
    }

    fn look(&self) -> Result<(), UnreadableSecret> {
        Ok(())
    }
}
