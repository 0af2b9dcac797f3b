//! The current inventory of a hundred registries after a year, in DuckDB: the files below `latest/`, against a join of all
//! nights with the pointers. DuckDB is that of the Python in `STOCKTAKE_TEST_PYTHON`.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{SnapshotId, Table};
use tokio::process::Command;

use crate::BenchError;

const REGISTRIES: usize = 100;
const NIGHTS: i32 = 365;
const REPOSITORIES: usize = 100;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    let kept = tempfile::tempdir_in(".")?;
    let root = kept.path().to_owned();
    tokio::task::spawn_blocking(move || nights(&root)).await??;
    println!("\ncurrent inventory of {REGISTRIES} registries x {NIGHTS} nights in DuckDB, {rounds} rounds, medians");
    println!("goals: latest/ <= 0.05 x the join over all files, aim 0.01 x\n");
    let python =
        std::env::var_os("STOCKTAKE_TEST_PYTHON").ok_or("STOCKTAKE_TEST_PYTHON names no Python with DuckDB")?;
    let mut command = Command::new(python);
    command.args(["-c", include_str!("inventory.py")]).arg(kept.path()).arg(rounds.to_string());
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    if !output.status.success() {
        return Err("the queries failed".into());
    }
    print!("{}", String::from_utf8(output.stdout)?);
    Ok(())
}

/// The files as the sink lays them out. Written without the sink, which makes each of them durable: that would take most of
/// an hour.
fn nights(root: &Path) -> Result<(), BenchError> {
    let first: DateTime<Utc> = DateTime::from_timestamp(1_735_696_800, 0).ok_or("no time")?;
    for registry in 0..REGISTRIES {
        let name = format!("registry-{registry:03}");
        for night in 0..NIGHTS {
            let id = SnapshotId::new(name.parse()?, first + TimeDelta::days(night.into()));
            let date = id.snapshot_date();
            let directory = root.join(format!("v1/repositories/registry={name}/snapshot_date={date}"));
            fs::create_dir_all(&directory)?;
            let path = directory.join(format!("{}.parquet", id.run_id()));
            let mut writer = ArrowWriter::try_new(File::create(&path)?, Table::Repositories.schema(), None)?;
            writer.write(&batch(&id)?)?;
            writer.close()?;
            if night == NIGHTS - 1 {
                let latest = root.join(format!("v1/latest/repositories/registry={name}"));
                fs::create_dir_all(&latest)?;
                fs::hard_link(&path, latest.join("latest.parquet"))?;
                fs::create_dir_all(root.join("v1/_latest"))?;
                let pointer = serde_json::json!({"run_id": id.run_id(), "generation": 1});
                fs::write(root.join(format!("v1/_latest/registry={name}.json")), pointer.to_string())?;
            }
        }
    }
    Ok(())
}

fn batch(id: &SnapshotId) -> Result<RecordBatch, BenchError> {
    let rows = REPOSITORIES;
    let at = id.scheduled_at.timestamp_micros();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![id.run_id(); rows])),
        Arc::new(TimestampMicrosecondArray::from(vec![at; rows]).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("team-{:02}/service-{n:03}", n / 10)))),
        Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("team-{:02}", n / 10)))),
        Arc::new(Int64Array::from(vec![Some(7); rows])),
        Arc::new(StringArray::from(vec!["complete"; rows])),
        Arc::new(StringArray::from(vec![None::<&str>; rows])),
        Arc::new(BooleanArray::from(vec![false; rows])),
    ];
    Ok(RecordBatch::try_new(Table::Repositories.schema(), columns)?)
}
