//! Scenarios and rounds, and the first table: a catalog listed by stocktake and by its peers.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::Failure;
use crate::contenders::ALL;
use crate::measure::{Measured, median};
use crate::server::{Content, Seen};

pub(crate) const MILLION: u64 = 1_000_000;

/// One row of measurements per round, in the order of the contenders.
pub(crate) type Rounds = Vec<Vec<Measured>>;

#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn catalog(rounds: usize) -> Result<(), Failure> {
    println!("catalog of {MILLION} repositories, {rounds} rounds in turn, medians");
    println!("stocktake also writes sorted Parquet and fsyncs it; the others only list\n");
    println!("latency  contender    seconds   x floor  x oci-client     CPU s      MiB");
    for (latency_ms, rounds) in [(0, rounds), (20, rounds.min(3))] {
        let measured = scenario(Content { latency_ms, ..Content::of(MILLION) }, &ALL, rounds).await?;
        for (at, name) in ALL.iter().enumerate() {
            let seconds = median(measured.iter().map(|round| round[at].seconds));
            let ratio = |to: usize| median(measured.iter().map(|round| round[at].seconds / round[to].seconds));
            let cpu = median(measured.iter().map(|round| round[at].cpu));
            let mib = median(measured.iter().map(|round| round[at].mib));
            let (floor, oci) = (ratio(0), ratio(1));
            println!("{latency_ms:>4} ms  {name:<11} {seconds:>8.3} {floor:>9.2} {oci:>13.2} {cpu:>9.2} {mib:>8.1}");
        }
    }
    println!("\nresident size of stocktake, from small to large");
    for repositories in [10_000, 100_000, MILLION] {
        let measured = scenario(Content::of(repositories), &["stocktake"], rounds.min(3)).await?;
        let mib = median(measured.iter().map(|round| round[0].mib));
        println!("{repositories:>9} repositories {mib:>8.1} MiB");
    }
    println!("\nrequests on the wire for {MILLION} repositories, a thousand a page");
    let server = Server::start(Content::of(MILLION)).await?;
    contend("stocktake", &server.url).await?;
    let seen = server.stop().await?;
    println!("{seen:?}");
    Ok(())
}

/// The contenders in turn, round by round, against one server; each has to see every name.
pub(crate) async fn scenario(content: Content, names: &[&str], rounds: usize) -> Result<Rounds, Failure> {
    let server = Server::start(content).await?;
    let repositories = content.repositories;
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let mut round = Vec::new();
        for name in names {
            let one = contend(name, &server.url).await?;
            if one.names != repositories {
                return Err(format!("{name} saw {} of {repositories} names", one.names).into());
            }
            round.push(one);
        }
        measured.push(round);
    }
    server.stop().await?;
    Ok(measured)
}

/// This program again, as another process on one core.
fn ourselves(core: &str, arguments: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(std::env::current_exe()?).args(arguments).kill_on_drop(true);
    Ok(command)
}

async fn contend(name: &str, url: &str) -> Result<Measured, Failure> {
    let done = ourselves("1", &["contend", name, url])?.stderr(Stdio::inherit()).output().await?;
    if !done.status.success() {
        return Err(format!("{name} failed").into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

struct Server {
    process: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

impl Server {
    async fn start(content: Content) -> Result<Self, Failure> {
        let arguments = ["serve", &serde_json::to_string(&content)?];
        let mut command = ourselves("0", &arguments)?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut url = String::new();
        output.read_line(&mut url).await?;
        Ok(Self { process, output, url: url.trim().to_owned() })
    }

    async fn stop(mut self) -> Result<Seen, Failure> {
        drop(self.process.stdin.take());
        let mut told = String::new();
        self.output.read_to_string(&mut told).await?;
        self.process.wait().await?;
        Ok(serde_json::from_str(&told)?)
    }
}
