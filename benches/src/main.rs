//! `cargo run --release -p stocktake-bench`: a million repositories listed by stocktake and by its peers.
//!
//! Server and clients are processes of their own, the server on one core and the client on another. Contenders run in turn,
//! round by round, and every figure is a median; ratios are what to quote, since machines differ and drift.

mod contenders;
mod measure;
mod rounds;
mod server;
mod split;

use std::process::ExitCode;

const USAGE: &str = "usage: stocktake-bench [split] [ROUNDS]   (default 5; 3 of them with latency)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e.to_string()),
    };
    let done = runtime.block_on(async {
        match words[..] {
            ["serve", content] => server::serve(content).await,
            ["contend", name, url] => contenders::contend(name, url).await,
            [] => all(5).await,
            ["split", rounds] => split::rows(rounds.parse().map_err(|_| USAGE)?).await,
            [rounds] => all(rounds.parse().map_err(|_| USAGE)?).await,
            _ => Err(USAGE.into()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e.to_string()),
    }
}

/// Every part of the benchmark, one after the other; each prints its own table.
async fn all(rounds: usize) -> Result<(), Failure> {
    rounds::catalog(rounds).await?;
    split::rows(rounds.min(3)).await
}

#[allow(clippy::print_stderr)] // this is a program for a terminal
fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

/// Whatever went wrong; a benchmark has nobody who would act on the difference.
type Failure = Box<dyn std::error::Error + Send + Sync>;
