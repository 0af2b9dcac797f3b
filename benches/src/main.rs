//! `cargo run --release -p stocktake-bench`: compares stocktake with a client that does only the necessary work (the floor), and
//! with other programs.
//!
//! The server and each client are separate processes on separate cores. Contenders run in turn, round by round, and every
//! result is a median. Quote the ratios: absolute results differ between machines, and change over time on the same machine.

mod bucket;
mod catalog;
mod changes;
mod contenders;
mod daemon;
mod floor;
mod inventory;
mod limits;
mod measure;
mod metrics;
mod parquet;
mod peers;
mod postgres;
mod rounds;
mod server;
mod split;
mod tags;
mod verify;

use std::process::ExitCode;

/// The parts of the benchmark, in the order of a complete run.
const PARTS: [&str; 14] = [
    "catalog",
    "tags",
    "manifests",
    "memory",
    "wire",
    "parquet",
    "s3",
    "postgres",
    "changes",
    "split",
    "metrics",
    "daemon",
    "inventory",
    "verify",
];
const USAGE: &str =
    "usage: stocktake-bench [catalog] [tags] [manifests] [memory] [wire] [parquet] [s3] [postgres] [changes]
                       [split] [metrics] [daemon] [inventory] [verify] [ROUNDS]
(default: all of them, 5 rounds, fewer where a round takes long)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e.to_string()),
    };
    let done = runtime.block_on(perform(&arguments));
    // The task that reads standard input may never end, so it is not waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e.to_string()),
    }
}

async fn perform(arguments: &[String]) -> Result<(), BenchError> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", content] => server::serve(content).await,
        ["verify-of", directory] => verify::process(directory).await,
        ["daemon-of", file] => daemon::process(file).await,
        ["contend", name, url, task] => contenders::contend(name, url, task, None).await,
        ["contend", name, url, task, kept] => contenders::contend(name, url, task, Some(kept)).await,
        _ => measure(&words).await,
    }
}

/// Runs the requested parts. Each prints its own tables.
async fn measure(words: &[&str]) -> Result<(), BenchError> {
    let (rounds, parts) = match words.split_last() {
        Some((last, parts)) if !PARTS.contains(last) => (Some(last.parse::<usize>().map_err(|_| USAGE)?), parts),
        _ => (None, words),
    };
    if parts.iter().any(|part| !PARTS.contains(part)) {
        return Err(USAGE.into());
    }
    let is_all = parts.is_empty();
    for part in PARTS.into_iter().filter(|part| is_all || parts.contains(part)) {
        let rounds = rounds.unwrap_or(5);
        // In a complete run, several rounds of these parts would take most of the time.
        let few = if is_all { 1 } else { rounds };
        match part {
            "catalog" => catalog::rows(rounds).await?,
            "tags" => tags::rows(rounds).await?,
            "manifests" => tags::manifests(rounds.min(3)).await?,
            "memory" => limits::memory(rounds.min(3)).await?,
            "wire" => limits::wire().await?,
            "parquet" => parquet::rows(few.min(3)).await?,
            "s3" => bucket::rows(few).await?,
            "changes" => changes::rows(few.min(5)).await?,
            "postgres" => postgres::rows(few.min(3)).await?,
            "split" => split::rows(few).await?,
            "metrics" => metrics::rows().await?,
            "inventory" => inventory::rows(few).await?,
            "verify" => verify::rows(few).await?,
            _ => daemon::load().await?,
        }
    }
    Ok(())
}

#[allow(clippy::print_stderr)] // this is a program for a terminal
fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

/// Any error. The benchmark only prints it.
type BenchError = Box<dyn std::error::Error + Send + Sync>;
