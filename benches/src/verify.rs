//! `snapshots verify` of a gigabyte of Parquet, against `sha256sum` of the same files. Both read what the system has in memory,
//! once on one core and once on all.

use std::path::Path;
use std::process::Stdio;

use stocktake::published;
use stocktake_sink_objects::Target;
use tokio::process::Command;
use tokio::time::Instant;

use crate::measure::{median, peak_mib};
use crate::{BenchError, parquet};

const NIGHTS: u32 = 10;
/// About 100 MB a night.
const ROWS: u64 = 2_500_000;

/// Runs the benchmark and prints the table.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn rows(rounds: usize) -> Result<(), BenchError> {
    let kept = tempfile::tempdir_in(".")?;
    for night in 0..NIGHTS {
        parquet::write_night(ROWS, kept.path(), night).await?;
    }
    println!("\nverify {NIGHTS} nights of {ROWS} tags, {rounds} rounds, medians");
    println!("goals: >= 0.7 x the speed of sha256sum, aim 0.95 x\n");
    for cores in ["1", "0,1"] {
        let (mut ours, mut theirs, mut resident, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
        for _ in 0..rounds {
            let begun = Instant::now();
            let told =
                said(cores, &[&std::env::current_exe()?.display().to_string(), "verify-of"], kept.path()).await?;
            ours.push(begun.elapsed().as_secs_f64());
            let mut numbers = told.split_whitespace().map(str::parse::<f64>);
            bytes = numbers.next().ok_or("no bytes")??;
            resident.push(numbers.next().ok_or("no memory")??);
            let begun = Instant::now();
            said(cores, &["sh", "-c", "find \"$0/v1/tags\" -type f -exec sha256sum {} +"], kept.path()).await?;
            theirs.push(begun.elapsed().as_secs_f64());
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "cores {cores:<4} {:.2} GB: verify {ours:.2} s, {:.1} MiB resident; sha256sum {theirs:.2} s: {:.2} x its speed",
            bytes / 1e9,
            median(resident),
            theirs / ours
        );
    }
    Ok(())
}

/// What a command prints on these cores, with the directory as its last argument.
async fn said(cores: &str, command: &[&str], directory: &Path) -> Result<String, BenchError> {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", cores]).args(command).arg(directory).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = pinned.output().await?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Verifies a directory as `snapshots verify` does, and prints how many bytes it has read and the memory in MiB.
#[allow(clippy::print_stdout)] // the process that started this one reads it
pub(crate) async fn process(directory: &str) -> Result<(), BenchError> {
    let files = stocktake_sink_parquet::published(&Target::directory(directory)).await?;
    let found = tokio::task::spawn_blocking(move || {
        let registries = published::runs_of(&files, &[])?;
        Ok::<_, BenchError>(published::verify(&files, &registries, &[]))
    });
    let found = found.await??;
    if !found.damage.is_empty() || !found.unknown.is_empty() || found.runs != NIGHTS as usize {
        return Err(format!("{found:?}").into());
    }
    println!("{} {}", found.bytes, peak_mib());
    Ok(())
}
