//! The client processes: each does its task once and prints its measurements.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stocktake::config;
use stocktake::plans::plans;
use stocktake::registry::Split;
use stocktake::run::{Outcome, Run};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::measure::{self, Measured};
use crate::{Failure, floor, parquet, peers, split};

/// Names, or tags, to a page.
pub(crate) const PAGE: usize = 1000;

/// What a contender is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) depth: Depth,
    /// Most connections, and requests in flight.
    pub(crate) connections: usize,
    /// The rows that there are to be found.
    pub(crate) rows: u64,
}

impl Task {
    /// A catalog of so many names.
    pub(crate) fn catalog(names: u64) -> Self {
        Self { depth: Depth::Repositories, connections: 16, rows: names }
    }
}

/// How deep it reads, and so which rows count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Depth {
    Repositories,
    Tags,
    Manifests,
}

/// A contender's arguments: who it is, where the server is, what to do, and a directory for what is to be kept.
pub(crate) async fn contend(name: &str, url: &str, task: &str, kept: Option<&str>) -> Result<(), Failure> {
    let url = Url::parse(url)?;
    let task: Task = serde_json::from_str(task)?;
    // In the target's own file system, so that fsync means what it means.
    let scratch = tempfile::tempdir_in(".")?;
    let directory = kept.map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let (begun, cpu_before) = (Instant::now(), measure::cpu_seconds());
    let mut requests = 0;
    let rows = match name {
        "in-one" => split::list(&url, Split::Off, &mut requests).await?,
        "in-ranges" => split::list(&url, Split::Auto, &mut requests).await?,
        "floor" => floor::floor(&url, task).await?,
        "oci-client" => peers::oci_client(&url, task).await?,
        "stocktake" => stocktake(&url, task, &directory, &mut requests).await?,
        "parquet" => parquet::write(task.rows, &directory).await?,
        "generated" => parquet::generate(task.rows),
        _ => return Err(format!("there is no contender {name}").into()),
    };
    let measured = Measured { requests, ..measure::since(begun, cpu_before, rows) };
    tell(&measured)
}

/// The protocol between this process and its parent.
#[allow(clippy::print_stdout)]
fn tell(measured: &Measured) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(measured)?);
    Ok(())
}

/// Host and port.
pub(crate) fn authority(url: &Url) -> Result<String, Failure> {
    Ok(format!("{}:{}", url.host_str().ok_or("no host")?, url.port().ok_or("no port")?))
}

/// The whole job: walk, spool, seal, and sorted Parquet, published and fsynced.
async fn stocktake(url: &Url, task: Task, directory: &Path, requests: &mut u64) -> Result<u64, Failure> {
    let file = directory.join("stocktake.yaml");
    let (state, parquet) = (directory.join("state"), directory.join("parquet"));
    let depth = serde_json::to_value(task.depth)?;
    let yaml = format!(
        "state: '{}'\nsinks:\n  warehouse: {{type: parquet, url: '{}'}}\nregistries:\n  - {{name: bench, url: '{url}', \
         depth: {}, concurrency: {}, split: off}}\n",
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
        (Outcome::Judged(judged), Some(true)) => {
            *requests = judged.record.requests;
            Ok(match task.depth {
                Depth::Repositories => judged.record.rows_repositories,
                Depth::Tags => judged.record.rows_tags,
                Depth::Manifests => judged.record.rows_manifests,
            })
        }
        _ => Err(format!("{report:?}").into()),
    }
}
