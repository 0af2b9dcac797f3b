//! Publishes four million rows of tags as Parquet to S3 (moto on loopback) and to a local directory.

use stocktake_sink_objects::contract::Bucket;
use stocktake_store::testing::BucketServer;
use url::Url;

use crate::BenchError;
use crate::contenders::{ReadDepth, Task};
use crate::measure::median;
use crate::parquet;
use crate::rounds::contend;

const ROWS: u64 = 4_000_000;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    println!("\n{ROWS} rows of tags as Parquet to S3 (moto) and to a directory, {rounds} rounds, medians");
    println!("goals: <= 1.3 x the directory (aim 1.15), <= 64 MiB more memory\n");
    let task = Task::contents(ReadDepth::Tags, 1, ROWS);
    let (mut ratios, mut more, mut seconds, mut local) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        // A new server each time: it keeps what it was given in memory.
        let server = tokio::task::spawn_blocking(BucketServer::moto).await?;
        let kept = tempfile::tempdir_in(".")?;
        let directory = contend("parquet", "http://no.example:1", task, Some(kept.path())).await?;
        let bucket = contend("bucket", &server.endpoint(), task, None).await?;
        tokio::task::spawn_blocking(move || drop(server)).await?;
        ratios.push(bucket.seconds / directory.seconds);
        more.push(bucket.mib - directory.mib);
        seconds.push(bucket.seconds);
        local.push(directory.seconds);
    }
    println!("directory {:>8.2} s", median(local));
    println!("S3        {:>8.2} s: {:.2} x the directory", median(seconds), median(ratios));
    println!("memory    {:>8.1} MiB more", median(more));
    Ok(())
}

/// Publishes the rows to the bucket of this server.
pub(crate) async fn write(rows: u64, url: &Url) -> Result<u64, BenchError> {
    parquet::publish(rows, 0, &Bucket::target_of_s3(url.as_str().trim_end_matches('/'), "bench")).await
}
