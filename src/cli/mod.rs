//! The command line: arguments and exit codes. Data is written to standard output, everything else to standard error.

mod check;
mod daemon;
#[cfg(feature = "demo")]
mod demo;
mod exit;
mod init;
mod journal;
mod logging;
mod output;
mod pace;
mod progress;
mod run;
mod schedule;
mod snapshots;
mod summary;
mod terminal;
mod textfile;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;
pub use logging::LogFormat;

use crate::config;
use crate::descriptors;
use crate::metrics::Metrics;
use output::{complain, refuse, say};

/// The nightly inventory of container registries, delivered to data warehouses.
#[derive(Debug, Parser)]
#[command(name = "stocktake", disable_version_flag = true, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file [default: config/stocktake.yaml, then /etc/stocktake/stocktake.yaml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of log lines; the environment variable `RUST_LOG` selects them
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 complete, 1 failed or undelivered, 2 usage, 3 partial, 4 authentication, \
                          78 configuration, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Take the inventory of the registries now, all or those named
    Run(run::RunArguments),
    /// Take inventories by schedule, with metrics and a status page
    Daemon,
    /// Test the connection to registries and sinks step by step, and explain what fails
    Check(check::CheckArguments),
    /// Show when the registries run next
    Schedule(schedule::ScheduleArguments),
    /// Look at published inventories: list, show, compare, verify and prune them
    Snapshots(snapshots::SnapshotsArguments),
    /// Check the whole configuration, and what it names on this machine, without the network
    Validate(validate::ValidateArguments),
    /// Take the inventory of a built-in registry on loopback that requires tokens
    #[cfg(feature = "demo")]
    Demo(demo::DemoArguments),
    /// Print the version
    Version,
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(code) = init::as_first_process() {
        return code;
    }
    let arguments = Arguments::parse();
    descriptors::raise();
    journal::take_panics();
    let bars = progress::Bars::new();
    let metrics = Metrics::new();
    logging::install(arguments.log_format, &bars, &metrics);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            complain(&format!("cannot start the runtime: {e}"));
            return Exit::Failed.into();
        }
    };
    // The daemon has waited for its runs already.
    let seconds = if matches!(arguments.command, Command::Daemon) { 1 } else { 5 };
    let exit = runtime.block_on(dispatch(arguments, &bars, &metrics));
    // Blocking work of a cancelled sink ends within one batch. A stuck disk is not waited for longer than this.
    runtime.shutdown_timeout(std::time::Duration::from_secs(seconds));
    exit.into()
}

async fn dispatch(arguments: Arguments, bars: &progress::Bars, metrics: &Metrics) -> Exit {
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Version => {
            say(&format!("stocktake {}", env!("CARGO_PKG_VERSION")));
            Exit::Good
        }
        Command::Validate(arguments) => validate::validate(file, &arguments),
        Command::Run(wanted) => match config::load(file) {
            Ok(config) => run::run(&config, &wanted, metrics, arguments.log_format, bars).await,
            Err(problems) => refuse(&problems),
        },
        Command::Daemon => daemon::daemon(file, metrics.clone()).await,
        Command::Check(arguments) => match config::load(file) {
            Ok(config) => check::check(&config, &arguments).await,
            Err(problems) => refuse(&problems),
        },
        Command::Schedule(arguments) => match config::load(file) {
            Ok(config) => schedule::schedule(&config, &arguments),
            Err(problems) => refuse(&problems),
        },
        Command::Snapshots(arguments) => match config::load(file) {
            Ok(config) => snapshots::snapshots(&config, arguments).await,
            Err(problems) => refuse(&problems),
        },
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::demo(&arguments, bars).await,
    }
}
