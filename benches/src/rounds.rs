//! Runs the contenders of a scenario in turn, in separate processes, against one server.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::BenchError;
use crate::contenders::Task;
use crate::measure::{Measured, median};
use crate::server::{Content, Seen};

pub(crate) const MILLION: u64 = 1_000_000;

/// The measurements of each round, in the order of the contenders.
pub(crate) struct Rounds(Vec<Vec<Measured>>);

impl Rounds {
    /// The median of one value of a contender.
    pub(crate) fn median(&self, contender: usize, value: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().map(|round| value(&round[contender])))
    }

    /// The median of the ratio of one value between two contenders in the same round.
    pub(crate) fn ratio(&self, contender: usize, to: usize, value: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().map(|round| value(&round[contender]) / value(&round[to])))
    }
}

/// Runs the contenders in turn, round by round, against one server. Each contender must find all rows.
pub(crate) async fn scenario(
    content: Content,
    task: Task,
    names: &[&str],
    rounds: usize,
) -> Result<Rounds, BenchError> {
    let server = ServerProcess::start(content).await?;
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let mut round = Vec::new();
        for name in names {
            round.push(contend(name, &server.url, task, None).await?);
        }
        measured.push(round);
    }
    Ok(Rounds(measured))
}

/// A command that starts this program on one core.
fn ourselves(core: &str, arguments: &[&str]) -> Result<Command, BenchError> {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(std::env::current_exe()?).args(arguments).kill_on_drop(true);
    Ok(command)
}

/// Runs one contender. Its files stay in `kept`, so that the next run finds them.
pub(crate) async fn contend(name: &str, url: &str, task: Task, kept: Option<&Path>) -> Result<Measured, BenchError> {
    let described = serde_json::to_string(&task)?;
    let mut command = ourselves("1", &["contend", name, url, &described])?;
    let done = command.args(kept).stderr(Stdio::inherit()).output().await?;
    if !done.status.success() {
        return Err(format!("{name} failed").into());
    }
    let measured: Measured = serde_json::from_slice(&done.stdout)?;
    if measured.rows != task.rows {
        return Err(format!("{name} found {} of {} rows", measured.rows, task.rows).into());
    }
    Ok(measured)
}

/// A server process. It is killed when this value is dropped.
pub(crate) struct ServerProcess {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl ServerProcess {
    pub(crate) async fn start(content: Content) -> Result<Self, BenchError> {
        let arguments = ["serve", &serde_json::to_string(&content)?];
        let mut command = ourselves("0", &arguments)?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut url = String::new();
        output.read_line(&mut url).await?;
        Ok(Self { _process: process, input, output, url: url.trim().to_owned() })
    }

    /// The number of requests so far. The server with prepared responses does not count.
    pub(crate) async fn seen(&mut self) -> Result<Seen, BenchError> {
        self.input.write_all(b"\n").await?;
        let mut told = String::new();
        self.output.read_line(&mut told).await?;
        Ok(serde_json::from_str(&told)?)
    }
}
