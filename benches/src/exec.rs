//! Four million rows of tags through the exec sink into a plugin that reads them with pyarrow, and through the Parquet sink.

use std::path::{Path, PathBuf};
use tokio::time::Instant;

use stocktake_sink::{Sink, Snapshot};
use stocktake_sink_exec::{ExecSettings, ExecSink};
use stocktake_sink_objects::Target;
use stocktake_sink_parquet::ParquetSink;

use crate::BenchError;
use crate::measure::median;
use crate::parquet::snapshot;

const ROWS: u64 = 4_000_000;

/// Reads every column of every row, and counts.
const PLUGIN: &str = r#"
import json, os, sys
import pyarrow.parquet as pq
manifest = json.load(open(os.path.join(sys.argv[1], "manifest.json")))
def rows(key):
    return sum(len(batch) for batch in pq.ParquetFile(os.path.join(sys.argv[1], key)).iter_batches(batch_size=65536))
print(json.dumps({"ok": True, "rows": {each["table"]: rows(each["key"]) for each in manifest["objects"]}}))
"#;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\n{ROWS} rows of tags into a plugin with pyarrow, {rounds} rounds, medians");
    println!("goals: >= 0.8 million rows/s, encoding included, aim 1.5; the Parquet sink writes the same files\n");
    let python = std::env::var_os("STOCKTAKE_TEST_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let snapshot = snapshot(ROWS)?;
    let (mut loading, mut writing) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let place = tempfile::tempdir_in(".")?;
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("plugin.py"), PLUGIN)?;
        let plugin = text(&path("plugin.py"))?;
        let settings = ExecSettings::new(&text(&python)?, &[&plugin], &path("exec"));
        loading.push(seconds(&ExecSink::new(settings), &snapshot).await?);
        let target = Target::directory(path("inventory"));
        writing.push(seconds(&ParquetSink::new(&target), &snapshot).await?);
    }
    let (loading, writing) = (median(loading), median(writing));
    #[allow(clippy::cast_precision_loss)] // for the eye
    let speed = |seconds: f64| ROWS as f64 / 1e6 / seconds;
    println!("plugin        {:>6.2} million rows/s", speed(loading));
    println!(
        "Parquet sink  {:>6.2} million rows/s: the plugin takes {:.2} x as long",
        speed(writing),
        loading / writing
    );
    Ok(())
}

fn text(path: &Path) -> Result<String, BenchError> {
    Ok(path.to_str().ok_or("no path")?.to_owned())
}

async fn seconds(sink: &impl Sink, snapshot: &Snapshot) -> Result<f64, BenchError> {
    let begun = Instant::now();
    sink.publish(snapshot).await?;
    Ok(begun.elapsed().as_secs_f64())
}
