//! Writes ten million rows of tags with the Parquet sink, and with a plain Parquet writer at the same level of Zstandard.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray};
use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::{BatchIter, Rows, RunRecord, Sink, Snapshot, SnapshotId, Table, Verdict, contract};
use stocktake_sink_objects::Target;
use stocktake_sink_parquet::ParquetSink;

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::rounds::contend;

const ROWS: u64 = 10_000_000;
const BATCH: u64 = 4096;
const TAGS: u64 = 10;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\n{ROWS} rows of tags with digests into Parquet, {rounds} rounds, medians");
    println!("goals: <= 1.02 x the size of plain zstd level 1, <= 64 MiB resident, aim 0.4 us of CPU per row\n");
    let task = |rows| Task::contents(ReadDepth::Tags, 1, rows);
    let (mut writing, mut making, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    let mut size = 0;
    for _ in 0..rounds {
        let kept = tempfile::tempdir_in(".")?;
        let written = contend("parquet", "http://no.example:1", task(ROWS), Some(kept.path())).await?;
        size = size_of(kept.path())?;
        writing.push(written.cpu);
        resident.push(written.mib);
        making.push(contend("generated", "http://no.example:1", task(ROWS), None).await?.cpu);
    }
    let plain = tokio::task::spawn_blocking(plain_size).await??;
    let median = crate::measure::median;
    let (writing, making) = (median(writing), median(making));
    #[allow(clippy::cast_precision_loss)] // for the eye
    let (per_row, ratio) = (|seconds: f64| seconds * 1e6 / ROWS as f64, size as f64 / plain as f64);
    println!("size      {:>8.1} MB, plain {:.1} MB: {ratio:.3}", mega(size), mega(plain));
    println!("resident  {:>8.1} MiB", median(resident));
    println!(
        "CPU       {:>8.3} us per row: {:.3} to generate it and {:.3} to write it",
        per_row(writing),
        per_row(making),
        per_row(writing - making)
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// All files in a directory and its subdirectories.
fn size_of(directory: &Path) -> io::Result<u64> {
    fs::read_dir(directory)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let size = if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
        Ok(sum + size)
    })
}

#[derive(Debug)]
struct Generated {
    rows: u64,
}

impl Rows for Generated {
    fn count(&self) -> u64 {
        self.rows
    }

    fn batches(&self) -> BatchIter<'_> {
        Box::new((0..self.rows).step_by(4096).map(|start| Ok(batch(start, BATCH.min(self.rows - start)))))
    }
}

/// Sorted rows: ten tags per repository, with random digests.
fn batch(start: u64, rows: u64) -> RecordBatch {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut random = fastrand::Rng::with_seed(start);
    let capacity = usize::try_from(rows).unwrap_or_default();
    let builder = |width: usize| StringBuilder::with_capacity(capacity, capacity * width);
    let (mut repositories, mut tags, mut digests) = (builder(32), builder(4), builder(71));
    let (mut repository, mut digest) = (String::new(), String::new());
    for row in start..start + rows {
        let (number, tag) = (row / TAGS, row % TAGS);
        if tag == 0 || repository.is_empty() {
            repository = format!("team-{:05}/service-{:03}", number / 60, number % 60);
        }
        repositories.append_value(&repository);
        tags.append_value(
            ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"][usize::try_from(tag).unwrap_or_default()],
        );
        digest.clear();
        digest.push_str("sha256:");
        for _ in 0..4 {
            let mut bits = random.u64(..);
            for _ in 0..16 {
                digest.push(char::from(HEX[(bits & 15) as usize]));
                bits >>= 4;
            }
        }
        digests.append_value(&digest);
    }
    let observed = 1_700_000_000_000_000 + i64::try_from(start).unwrap_or_default();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["bench/20260101T000000Z/1"; capacity])),
        Arc::new(TimestampMicrosecondArray::from(vec![observed; capacity]).with_timezone("UTC")),
        Arc::new(repositories.finish()),
        Arc::new(tags.finish()),
        Arc::new(digests.finish()),
        Arc::new(StringArray::from(vec!["application/vnd.oci.image.manifest.v1+json"; capacity])),
        Arc::new(Int64Array::from_iter_values((0..rows).map(|_| random.i64(400..4000)))),
    ];
    RecordBatch::try_new(Table::Tags.schema(), columns).expect("the columns of the table")
}

/// Generates the rows and drops them, to measure the cost of generating them.
pub(crate) fn generate(rows: u64) -> u64 {
    Generated { rows }.batches().flatten().map(|batch| batch.num_rows() as u64).sum()
}

/// Publishes the rows in this directory.
pub(crate) async fn write(rows: u64, directory: &Path) -> Result<u64, BenchError> {
    write_night(rows, directory, 0).await
}

/// The same as one of several nights.
pub(crate) async fn write_night(rows: u64, directory: &Path, night: u32) -> Result<u64, BenchError> {
    publish(rows, night, &Target::directory(directory)).await
}

/// Publishes the rows at this target.
pub(crate) async fn publish(rows: u64, night: u32, target: &Target) -> Result<u64, BenchError> {
    ParquetSink::new(target).publish(&snapshot_of(rows, night)?).await?;
    Ok(rows)
}

/// A snapshot of so many tags.
pub(crate) fn snapshot(rows: u64) -> Result<Snapshot, BenchError> {
    snapshot_of(rows, 0)
}

fn snapshot_of(rows: u64, night: u32) -> Result<Snapshot, BenchError> {
    let slot: DateTime<Utc> = DateTime::from_timestamp(1_767_225_600, 0).ok_or("no time")?;
    let slot = slot + TimeDelta::days(night.into());
    let id = SnapshotId::new("bench".parse()?, slot);
    let record = RunRecord { rows_tags: rows, ..contract::record(&id, Verdict::Complete, 0) };
    let tables = BTreeMap::from([(Table::Tags, Arc::new(Generated { rows }) as Arc<dyn Rows>)]);
    Ok(Snapshot::new(record, tables)?)
}

/// The size of the same rows in a file with default settings except the level of compression.
fn plain_size() -> Result<u64, BenchError> {
    let file = tempfile::tempfile_in(".")?;
    let level = Compression::ZSTD(ZstdLevel::try_new(1)?);
    let properties = WriterProperties::builder().set_compression(level).build();
    let mut writer = ArrowWriter::try_new(file.try_clone()?, Table::Tags.schema(), Some(properties))?;
    for batch in (Generated { rows: ROWS }).batches() {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(File::metadata(&file)?.len())
}
