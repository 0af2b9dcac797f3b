//! `stocktake demo`: everything from a YAML file to published files, with a built-in registry on loopback.
//!
//! The registry behaves as Quay does: an empty catalog instead of a challenge, a hundred names a page in the order of
//! creation, and opaque cursors. Its tokens expire during the walk, so you see how they are renewed.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use stocktake_sink::Table;
use tracing::info;

use super::exit::Exit;
use super::output::{complain, refuse, say, tell};
use super::progress::Bars;
use super::run::{RunManner, all, no_plan, stop_on_signals};
use super::{summary, terminal};
use crate::config;
use crate::plans::plans;
use crate::run::RunReport;
use crate::words::counted;
use fake_registry::{CatalogOrder, FakeRegistry, PASSWORD, RepositoryNames, Script, USERNAME};

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Directory of the inventory
    #[arg(long, value_name = "DIRECTORY", default_value = "stocktake-demo")]
    output: PathBuf,
    /// Number of repositories of the registry
    #[arg(long, value_name = "COUNT", default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repositories: u32,
}

/// The latency of each response. With it, a walk takes longer than several tokens live.
const LATENCY: Duration = Duration::from_millis(40);
const TOKEN_LIFETIME: Duration = Duration::from_secs(2);
/// With this seed, the generated names are always the same.
const SEED: u64 = 17;

pub(super) async fn demo(arguments: &DemoArguments, bars: &Bars) -> Exit {
    match prepare(arguments).await {
        Ok(demo) => demo.run(bars).await,
        Err(e) => {
            complain(&format!("cannot set up the demo: {e}"));
            Exit::Failed
        }
    }
}

/// Everything that the demo needs. When it is dropped, the server stops and the secret is removed.
#[derive(Debug)]
struct PreparedDemo {
    registry: FakeRegistry,
    config: PathBuf,
    _secrets: tempfile::TempDir,
}

async fn prepare(arguments: &DemoArguments) -> io::Result<PreparedDemo> {
    let names = RepositoryNames::generated(arguments.repositories as usize, SEED);
    let script =
        Script { order: CatalogOrder::Shuffled(SEED), latency: LATENCY, record: false, ..Script::quay_like(names) };
    let registry = FakeRegistry::start(script.with_token(|token| token.lifetime = TOKEN_LIFETIME)).await?;

    let secrets = tempfile::tempdir()?;
    let password = secrets.path().join("password");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password)?;
    file.write_all(PASSWORD.as_bytes())?;

    let config = arguments.output.join("stocktake.yaml");
    let text = configuration(registry.url().as_str(), &password);
    let written = fs::create_dir_all(&arguments.output).and_then(|()| fs::write(&config, text));
    written.map_err(|error| {
        let message = format!("{}: {error}\n    name another directory with `--output`", config.display());
        io::Error::new(error.kind(), message)
    })?;
    Ok(PreparedDemo { registry, config, _secrets: secrets })
}

fn configuration(url: &str, password: &Path) -> String {
    // A JSON string is a YAML string. It can contain any path.
    let password = serde_json::Value::from(password.to_string_lossy());
    format!(
        "# Written by `stocktake demo`; its registry stops when the demo ends.\n\
         state: ./state\n\
         sinks:\n\
         \x20 warehouse: {{type: parquet, url: ./parquet}}\n\
         \x20 feed: {{type: json, url: ./json}}\n\
         registries:\n\
         \x20 - name: demo\n\
         \x20   url: {url}\n\
         \x20   shrink_limit: 1 # it may be shown again with fewer repositories\n\
         \x20   auth: {{type: token, username: {USERNAME}, password_file: {password}}}\n",
    )
}

impl PreparedDemo {
    async fn run(&self, bars: &Bars) -> Exit {
        info!(
            "the demo's registry listens at {} and issues tokens that live {} s",
            self.registry.url(),
            TOKEN_LIFETIME.as_secs()
        );
        let config = match config::load(Some(&self.config)) {
            Ok(config) => config,
            Err(problems) => return refuse(&problems),
        };
        let plans = match plans(&config, &[]) {
            Ok(plans) => plans,
            Err(e) => return no_plan(&e),
        };
        let stop = stop_on_signals();
        let reports = all(&plans, 1, RunManner::default(), bars, &stop).await;
        tell(&summary::of(&reports, terminal::width_of_stderr()));
        if Exit::of(&reports) == Exit::Interrupted {
            return Exit::Interrupted;
        }
        tell(&format!(
            "\nThe registry issued {} during the walk. Configuration: {}. The repositories, as Parquet:",
            counted(self.registry.tokens_issued(), "token", "tokens"),
            self.config.display()
        ));
        for file in parquet_files(&reports) {
            say(&file);
        }
        Exit::of(&reports)
    }
}

fn parquet_files(reports: &[RunReport]) -> Vec<String> {
    let receipts = reports.iter().flat_map(|report| &report.sinks).filter_map(|outcome| outcome.result.as_ref().ok());
    let objects = receipts.flat_map(|receipt| &receipt.objects);
    let tables = objects.filter(|o| o.table == Table::Repositories && o.location.ends_with(".parquet"));
    tables.map(|object| object.location.clone()).collect()
}
