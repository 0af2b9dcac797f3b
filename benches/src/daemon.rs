//! Runs one daemon with five hundred registries for two minutes. It measures whether every slot is run exactly once, the cost of
//! `/metrics` during the runs, and the growth of memory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::NaiveDateTime;
use stocktake::daemon::{DaemonOptions, daemon};
use stocktake::metrics::Metrics;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::BenchError;
use crate::rounds::ServerProcess;
use crate::server::Content;

const REGISTRIES: usize = 500;
/// Seconds between two slots of one registry. The starts of the registries are spread over this time.
const EVERY: i64 = 20;
const LASTS: Duration = Duration::from_mins(2);

/// Runs the daemon in this process.
pub(crate) async fn process(file: &str) -> Result<(), BenchError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    daemon(DaemonOptions { file: Some(file.into()), metrics: Metrics::new() }).await?;
    Ok(())
}

/// Runs all loads and prints the results.
#[allow(clippy::print_stdout)] // this is a program for a terminal
pub(crate) async fn load() -> Result<(), BenchError> {
    // The client needs a TLS provider, although it sends no request over TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scratch = tempfile::tempdir_in(".")?;
    println!("\n{REGISTRIES} registries on one daemon, a slot every {EVERY} s each, {} s", LASTS.as_secs());
    let mut series = Vec::new();
    for repositories in [10, 1000] {
        let server = ServerProcess::start(Content::of(repositories)).await?;
        let directory = scratch.path().join(repositories.to_string());
        fs::create_dir(&directory)?;
        series.push(run(&server.url, &directory, repositories).await?);
    }
    println!(
        "series per registry: {} with 10 repositories, {} with 1000 (goal: equal, at most 300)",
        series[0], series[1]
    );
    Ok(())
}

/// Runs one load. Returns the number of series per registry.
#[allow(clippy::print_stdout)] // this is a program for a terminal
async fn run(url: &str, directory: &Path, repositories: u64) -> Result<usize, BenchError> {
    let file = directory.join("stocktake.yaml");
    fs::write(&file, configuration(url, directory)?)?;
    // The daemon may use all cores, because it is compared with a fixed goal and not with another program.
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("daemon-of").arg(&file).kill_on_drop(true);
    let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let id = process.id().ok_or("it has ended")?;
    let metrics = format!("{}/metrics", address(&mut process).await?);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (begun, mut took, mut resident) = (Instant::now(), Vec::new(), Vec::new());
    let mut round = interval(Duration::from_millis(500));
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < LASTS {
        round.tick().await;
        let asked = Instant::now();
        // Prometheus asks for gzip as well.
        let answer = client.get(&metrics).header("Accept-Encoding", "gzip").send().await?.error_for_status()?;
        answer.bytes().await?;
        took.push(asked.elapsed());
        resident.push(resident_mib(id));
    }
    let text = client.get(&metrics).send().await?.error_for_status()?.text().await?;
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    let series = text.lines().filter(|line| line.contains("registry=\"r000\"")).count();
    let megabytes = text.len() / 1_000_000;
    println!("\n{repositories} repositories each: {series} series a registry, {megabytes} MB a scrape");
    println!("  /metrics  {:>8.1} ms median, {:.1} ms at the 99th percentile, over HTTP with gzip", at(50), at(99));
    let (early, late) = (resident[resident.len() / 4], resident[resident.len() - 1]);
    println!("  resident  {early:>8.1} MiB after a quarter of the time, {late:.1} MiB at the end");
    let (ended, skipped) = (sum(&text, "stocktake_runs_total{"), sum(&text, "stocktake_schedule_skipped_total{"));
    let Slots { published, missing, twice } = Slots::of(directory)?;
    println!(
        "  runs      {ended:>8} ended, {skipped} skipped; of the slots {published} published, {missing} missing, {twice} twice"
    );
    process.kill().await?;
    Ok(series)
}

fn configuration(url: &str, directory: &Path) -> Result<String, BenchError> {
    let (state, inventory) = (directory.join("state"), directory.join("inventory"));
    let mut yaml = format!(
        "listen: 127.0.0.1:0\nconcurrency: 16\nstate: '{}'\nsinks:\n  warehouse: {{type: parquet, url: '{}'}}\nregistries:\n",
        state.display(),
        inventory.display()
    );
    for at in 0..REGISTRIES {
        writeln!(yaml, "  - {{name: r{at:03}, url: '{url}', schedule: '*/{EVERY} * * * * *', jitter: {EVERY}s}}")?;
    }
    Ok(yaml)
}

/// Waits until the daemon listens. Its other log lines are read and ignored.
async fn address(process: &mut Child) -> Result<String, BenchError> {
    let mut lines = BufReader::new(process.stderr.take().ok_or("no output")?).lines();
    let address = loop {
        let line = lines.next_line().await?.ok_or("it does not listen")?;
        if let Some((_, rest)) = line.split_once("listening on ") {
            break rest.split_whitespace().next().ok_or("no address")?.to_owned();
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(address)
}

/// The published runs, according to their manifests.
struct Slots {
    published: usize,
    /// The number of missing slots between the first and the last run of a registry.
    missing: usize,
    twice: usize,
}

impl Slots {
    fn of(directory: &Path) -> Result<Self, BenchError> {
        let mut slots = Self { published: 0, missing: 0, twice: 0 };
        for registry in fs::read_dir(directory.join("inventory/v1/_runs"))? {
            let mut times = Vec::new();
            for manifest in fs::read_dir(registry?.path())? {
                let name = manifest?.file_name().to_string_lossy().into_owned();
                let time = name.split(['-', '.']).nth(1).ok_or("no slot")?;
                times.push(NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ")?.and_utc().timestamp());
            }
            times.sort_unstable();
            slots.published += times.len();
            for pair in times.windows(2) {
                let steps = usize::try_from((pair[1] - pair[0]) / EVERY)?;
                slots.missing += steps.saturating_sub(1);
                slots.twice += usize::from(steps == 0);
            }
        }
        Ok(slots)
    }
}

/// The sum of all series of a metric family.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts
fn sum(text: &str, family: &str) -> u64 {
    let values = text.lines().filter(|line| line.starts_with(family)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64
}

#[allow(clippy::cast_precision_loss)] // for the eye
fn resident_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib as f64 / 1024.0
}
