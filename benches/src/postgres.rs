//! Publishes rows of tags into a Postgres server of its own, and compares with psql's `\copy` of the same rows, in binary
//! format, into the same table with the same index.

use std::process::{Command, Stdio};
use std::sync::Arc;

use stocktake_sink::{Sink, Table};
use stocktake_sink_postgres::contract::TestServer;
use stocktake_sink_postgres::{PostgresSettings, PostgresSink, SchemaName, ServerAddress};
use tokio::time::Instant;
use url::Url;

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::measure::median;
use crate::parquet;
use crate::rounds::contend;

const ROWS: u64 = 5_000_000;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout, clippy::cast_precision_loss)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\n{ROWS} rows of tags into Postgres on loopback, one index, {rounds} rounds, medians");
    println!("goals: >= 0.7 x the speed of psql \\copy in binary format, aim 0.95\n");
    let server = Arc::new(tokio::task::spawn_blocking(|| TestServer::start_on("127.0.0.1", |_| {})).await?);
    let database = server.database();
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", server.port());
    let task = |rows| Task::contents(ReadDepth::Tags, 1, rows);
    // Makes the tables, and the file that psql reads.
    contend("postgres", &url, task(ROWS), None).await?;
    let kept = tempfile::tempdir_in(".")?;
    let file = kept.path().join("tags.copy");
    let sql = |statements: &str| server.sql(&database, statements);
    psql(&url, &format!("\\copy stocktake.tags to '{}' (format binary)", file.display()))?;
    let bytes = std::fs::metadata(&file)?.len();
    let size = sql("select pg_total_relation_size('stocktake.tags')").parse::<f64>()? / ROWS as f64;
    sql("create schema peer; create table peer.tags (like stocktake.tags including all)");
    let (mut ours, mut theirs, mut ratios, mut resident) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        sql("truncate stocktake.tags, stocktake.runs, stocktake.commits, peer.tags; checkpoint");
        let measured = contend("postgres", &url, task(ROWS), None).await?;
        sql("truncate stocktake.tags; checkpoint");
        let begun = Instant::now();
        psql(&url, &format!("\\copy peer.tags from '{}' (format binary)", file.display()))?;
        let peer = begun.elapsed().as_secs_f64();
        ratios.push(peer / measured.seconds);
        ours.push(measured.seconds);
        theirs.push(peer);
        resident.push(measured.mib);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("stocktake {ours:>7.2} s, {:>9.0} rows/s, {:.1} MiB resident", ROWS as f64 / ours, median(resident));
    println!("psql      {theirs:>7.2} s, {:>9.0} rows/s", ROWS as f64 / theirs);
    println!("speed     {:>7.2} x that of psql", median(ratios));
    println!("size      {size:>7.0} bytes a row with its index, {:.0} sent", bytes as f64 / ROWS as f64);
    Ok(())
}

fn psql(url: &str, command: &str) -> Result<(), BenchError> {
    let ended = Command::new("psql").args(["-X", "-q", "-c", command, url]).stdin(Stdio::null()).status()?;
    if ended.success() { Ok(()) } else { Err(format!("psql: {command}").into()) }
}

/// Publishes so many rows.
pub(crate) async fn publish(rows: u64, url: &Url) -> Result<u64, BenchError> {
    let address = ServerAddress::parse(url.as_str())?;
    let settings = PostgresSettings::new(address, SchemaName::parse("stocktake")?, 10);
    let receipt = PostgresSink::new(settings).publish(&parquet::snapshot(rows)?).await?;
    Ok(receipt.objects.iter().filter(|object| object.table == Table::Tags).map(|object| object.rows).sum())
}
