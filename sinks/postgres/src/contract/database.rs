//! The harness: reads back with plain SQL, on a connection of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use stocktake_sink::contract::{Harness, Visible, as_written};
use stocktake_sink::{Sink, SnapshotId, Table, offset_schema};

use super::server::TestServer;
use crate::columns::COMMITS;
use crate::{PostgresSettings, PostgresSink, SchemaName, ServerAddress};

/// One database of a server.
#[derive(Debug)]
pub struct TestDatabase {
    server: Arc<TestServer>,
    name: String,
}

impl TestDatabase {
    /// A new database.
    pub fn of(server: &Arc<TestServer>) -> Self {
        Self { server: server.clone(), name: server.database() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The settings of a sink that publishes into it, as the superuser.
    pub fn settings(&self) -> PostgresSettings {
        self.settings_that_keep(1000)
    }

    /// The same for so many inventories of each registry.
    ///
    /// # Panics
    /// If the directory of the socket has an odd name.
    pub fn settings_that_keep(&self, keep: u32) -> PostgresSettings {
        let address = ServerAddress::parse(&self.server.url("postgres", &self.name)).expect("an address");
        PostgresSettings::new(address, SchemaName::parse("stocktake").expect("a name"), keep)
    }

    /// Runs statements as the superuser; gives what they print.
    pub fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }

    fn has_tables(&self) -> bool {
        self.sql(&format!("select to_regclass('stocktake.{COMMITS}') is not null")) == "t"
    }

    /// The rows of a run in the order of the table's key.
    ///
    /// # Panics
    /// If they do not fit the schema of the table.
    pub fn rows(&self, table: Table, registry: &str, run_id: &str) -> RecordBatch {
        let schema = table.schema();
        // Lists are texts of JSON already; all else becomes JSON here.
        let pairs = schema.fields().iter().map(|field| {
            let name = field.name();
            match field.data_type() {
                DataType::List(_) => format!("'{name}', \"{name}\"::json"),
                DataType::Timestamp(..) => {
                    format!("'{name}', to_char(\"{name}\" at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
                }
                _ => format!("'{name}', \"{name}\""),
            }
        });
        // A function takes at most a hundred arguments.
        let pairs: Vec<_> = pairs.collect();
        let parts = pairs.chunks(40).map(|chunk| format!("jsonb_build_object({})", chunk.join(", ")));
        let object = parts.collect::<Vec<_>>().join(" || ");
        let order = table.sort_key().join(", ");
        let lines = self.sql(&format!(
            "select ({object})::text from stocktake.{table} where registry = '{registry}' and run_id = '{run_id}' \
             order by {order}"
        ));
        decode(table, &lines)
    }
}

/// Rows from lines of JSON.
fn decode(table: Table, lines: &str) -> RecordBatch {
    let schema = offset_schema(&table.schema());
    let mut decoder =
        arrow_json::ReaderBuilder::new(schema).with_batch_size(1 << 20).build_decoder().expect("a decoder");
    decoder.decode(lines.as_bytes()).expect("JSON of the schema");
    let batch = decoder.flush().expect("rows of the schema");
    batch.map_or_else(|| RecordBatch::new_empty(table.schema()), |batch| as_written(&batch))
}

#[async_trait]
impl Harness for TestDatabase {
    async fn open(&self) -> Arc<dyn Sink> {
        Arc::new(PostgresSink::new(self.settings()))
    }

    async fn visible(&self) -> Vec<Visible> {
        if !self.has_tables() {
            return Vec::new();
        }
        let commits = self.sql(
            "select registry, run_id, generation, (select string_agg(t, ',') from jsonb_object_keys(tables) t) \
             from stocktake.commits order by 1, 2, 3",
        );
        let read = |line: &str| {
            let fields: Vec<_> = line.split('|').collect();
            let [registry, run_id, generation, tables] = fields[..] else { panic!("four columns: {line}") };
            let tables = tables.split(',').map(|table| table.parse().expect("a table"));
            let tables: BTreeMap<_, _> =
                tables.map(|table| (table, vec![self.rows(table, registry, run_id)])).collect();
            Visible { id: format!("{run_id}.g{generation}"), tables }
        };
        commits.lines().map(read).collect()
    }

    /// What a killed process leaves is a transaction that the server has not ended yet.
    async fn plant_leftovers(&self, id: &SnapshotId) {
        let (registry, run_id, date) = (&id.registry, id.run_id(), id.snapshot_date());
        let mut psql = self.server.psql(&self.name);
        let begun = format!(
            "begin; select pg_advisory_xact_lock(hashtextextended('stocktake stocktake/{registry}', 0)); \
             insert into stocktake.commits (registry, run_id, generation, snapshot_date, scheduled_at, published, tables) \
             values ('{registry}', '{run_id}', 1, '{date}', '{date}', true, '{{}}'); \
             copy stocktake.tags (registry, snapshot_date, run_id, observed_at, repository, tag) from stdin;\n"
        );
        psql.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        let mut process = psql.spawn().expect("psql");
        let mut input = process.stdin.take().expect("it is piped");
        let row = format!("{registry}\t{date}\t{run_id}\t{date}\tlibrary/half\tlatest\n");
        std::io::Write::write_all(&mut input, format!("{begun}{row}").as_bytes()).expect("psql reads");
        let busy = format!(
            "select count(*) from pg_stat_activity where datname = '{}' and state = 'active' and query like 'copy %'",
            self.name
        );
        while self.sql(&busy) != "1" {
            tokio::task::yield_now().await;
        }
        process.kill().expect("our own process");
        process.wait().expect("our own process");
    }

    async fn leftovers(&self) -> Vec<String> {
        let mut known: BTreeSet<String> = [COMMITS.to_owned()].into();
        known.extend(Table::ALL.iter().flat_map(|table| [table.to_string(), format!("latest_{table}")]));
        let there = "select relname from pg_class where relnamespace = 'stocktake'::regnamespace and relkind <> 'i'";
        if self.sql("select count(*) from pg_namespace where nspname = 'stocktake'") == "0" {
            return Vec::new();
        }
        let mut left: Vec<_> =
            self.sql(there).lines().filter(|name| !known.contains(*name)).map(str::to_owned).collect();
        for table in Table::ALL.into_iter().filter(|_| self.has_tables()) {
            let orphans = self.sql(&format!(
                "select distinct '{table} of ' || run_id from stocktake.{table} rows where not exists (select from \
                 stocktake.commits c where c.registry = rows.registry and c.run_id = rows.run_id \
                 and c.tables ? '{table}')"
            ));
            left.extend(orphans.lines().map(str::to_owned));
        }
        left
    }
}
