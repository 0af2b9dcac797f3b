//! The client processes. Each does its task once and prints its measurements.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fake_registry::{PASSWORD, USERNAME};
use serde::{Deserialize, Serialize};
use stocktake::config;
use stocktake::plans::plans;
use stocktake::registry::Split;
use stocktake::run::{Run, RunOutcome};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::measure::{self, Measured};
use crate::{BenchError, bucket, changes, floor, parquet, peers, postgres, split};

/// The number of names or tags per page.
pub(crate) const PAGE: usize = 1000;

/// The task of a contender.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) depth: ReadDepth,
    /// The maximum number of connections, and of requests in flight.
    pub(crate) connections: usize,
    /// The expected number of rows.
    pub(crate) rows: u64,
    /// Whether the registry requires a login.
    pub(crate) login: bool,
}

impl Task {
    /// Lists a catalog with this number of names.
    pub(crate) fn catalog(names: u64) -> Self {
        Self { depth: ReadDepth::Repositories, connections: 16, rows: names, login: false }
    }

    /// Reads repositories with this number of rows, without a login.
    pub(crate) fn contents(depth: ReadDepth, connections: usize, rows: u64) -> Self {
        Self { depth, connections, rows, login: false }
    }
}

/// How deep the contender reads. The rows of this table are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReadDepth {
    Repositories,
    Tags,
    Manifests,
}

/// Runs one contender against the server at `url`. If `kept` is given, its files stay in this directory.
pub(crate) async fn contend(name: &str, url: &str, task: &str, kept: Option<&str>) -> Result<(), BenchError> {
    let url = Url::parse(url)?;
    let task: Task = serde_json::from_str(task)?;
    // In the file system of the current directory: fsync may do nothing in a temporary file system.
    let scratch = tempfile::tempdir_in(".")?;
    let directory = kept.map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let (begun, cpu_before) = (Instant::now(), measure::cpu_seconds());
    let (mut requests, mut seconds) = (0, None);
    let rows = match name {
        "oha" => {
            seconds = Some(peers::run_oha(&url, task).await?);
            task.rows
        }
        "in-one" => split::list(&url, Split::Off, &mut requests).await?,
        "in-ranges" => split::list(&url, Split::Auto, &mut requests).await?,
        "floor" => floor::floor(&url, task).await?,
        "oci-client" => peers::oci_client(&url, task).await?,
        "stocktake" => stocktake(&url, task, &directory, &mut requests).await?,
        "bucket" => bucket::write(task.rows, &url).await?,
        "changes" => changes::compute(&directory)?,
        "parquet" => parquet::write(task.rows, &directory).await?,
        "postgres" => postgres::publish(task.rows, &url).await?,
        "generated" => parquet::generate(task.rows),
        _ => return Err(format!("unknown contender: {name}").into()),
    };
    let measured = measure::since(begun, cpu_before, rows);
    tell(&Measured { requests, seconds: seconds.unwrap_or(measured.seconds), ..measured })
}

/// The protocol between this process and its parent.
#[allow(clippy::print_stdout)]
fn tell(measured: &Measured) -> Result<(), BenchError> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Host and port.
pub(crate) fn authority(url: &Url) -> Result<String, BenchError> {
    Ok(format!("{}:{}", url.host_str().ok_or("no host")?, url.port().ok_or("no port")?))
}

/// A complete run: walk, spool and seal, then publish sorted Parquet with fsync.
async fn stocktake(url: &Url, task: Task, directory: &Path, requests: &mut u64) -> Result<u64, BenchError> {
    let file = directory.join("stocktake.yaml");
    let (state, parquet) = (directory.join("state"), directory.join("parquet"));
    let depth = serde_json::to_value(task.depth)?;
    let login = if task.login { login(directory)? } else { String::new() };
    let yaml = format!(
        "state: '{}'\nsinks:\n  warehouse: {{type: parquet, url: '{}'}}\nregistries:\n  - {{name: bench, url: '{url}', \
         {login}depth: {}, concurrency: {}, split: off}}\n",
        state.display(),
        parquet.display(),
        depth.as_str().unwrap_or_default(),
        task.connections,
    );
    std::fs::write(&file, yaml)?;
    let config = config::load(Some(&file)).map_err(|problems| problems.to_string())?;
    let plan = plans(&config, &[])?.into_iter().next().ok_or("no plan")?;
    let report = Run::new(&plan).publish(&CancellationToken::new()).await;
    match (&report.outcome, report.sinks.first().map(|outcome| outcome.result.is_ok())) {
        (RunOutcome::Judged(judged), Some(true)) => {
            let record = &judged.record;
            *requests = record.requests;
            Ok(match task.depth {
                ReadDepth::Repositories => record.rows_repositories,
                ReadDepth::Tags => record.rows_tags,
                ReadDepth::Manifests => record.rows_manifests,
            })
        }
        _ => Err(format!("{report:?}").into()),
    }
}

/// The YAML of the login at the fake registry. The password is written to a file in this directory.
fn login(directory: &Path) -> Result<String, BenchError> {
    let file = directory.join("password");
    File::options().write(true).create(true).truncate(true).mode(0o600).open(&file)?.write_all(PASSWORD.as_bytes())?;
    Ok(format!("username: '{USERNAME}', password_file: '{}', ", file.display()))
}
