//! `cargo run --release -p stocktake-bench`: stocktake measured against the least that is possible, and against its peers.
//!
//! Server and clients are processes of their own, the server on one core and the client on another. Contenders run in turn,
//! round by round, and every figure is a median; ratios are what to quote, since machines differ and drift.

mod catalog;
mod contenders;
mod daemon;
mod floor;
mod limits;
mod measure;
mod metrics;
mod parquet;
mod peers;
mod rounds;
mod server;
mod split;
mod tags;

use std::process::ExitCode;

/// What there is to be measured, in the order of a whole run.
const PARTS: [&str; 9] = ["catalog", "tags", "manifests", "memory", "wire", "parquet", "split", "metrics", "daemon"];
const USAGE: &str =
    "usage: stocktake-bench [catalog] [tags] [manifests] [memory] [wire] [parquet] [split] [metrics] [daemon] [ROUNDS]
(default: all of them, 5 rounds, fewer where a round takes long)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e.to_string()),
    };
    let done = runtime.block_on(perform(&arguments));
    // What reads standard input cannot be waited for.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e.to_string()),
    }
}

async fn perform(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", content] => server::serve(content).await,
        ["daemon-of", file] => daemon::process(file).await,
        ["contend", name, url, task] => contenders::contend(name, url, task, None).await,
        ["contend", name, url, task, kept] => contenders::contend(name, url, task, Some(kept)).await,
        _ => measure(&words).await,
    }
}

/// The parts that were asked for; each prints its own tables.
async fn measure(words: &[&str]) -> Result<(), Failure> {
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
        // Of a whole run, these would take the better part.
        let few = if is_all { 1 } else { rounds };
        match part {
            "catalog" => catalog::rows(rounds).await?,
            "tags" => tags::rows(rounds).await?,
            "manifests" => tags::manifests(rounds.min(3)).await?,
            "memory" => limits::memory(rounds.min(3)).await?,
            "wire" => limits::wire().await?,
            "parquet" => parquet::rows(few.min(3)).await?,
            "split" => split::rows(few).await?,
            "metrics" => metrics::rows().await?,
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

/// Any error; a benchmark treats all alike.
type Failure = Box<dyn std::error::Error + Send + Sync>;
