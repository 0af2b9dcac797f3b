//! `stocktake snapshots`: what a sink of files has published, and what to do with it.

mod diff;
mod errors;
mod list;
mod listing;
mod prune;
mod show;
mod verify;

use std::sync::Arc;

use clap::{Args, Subcommand};
use stocktake_sink::PublishedFiles;

use super::exit::Exit;
use super::output::complain;
use crate::config::Config;
use crate::published::{PublishedError, RunChoice};
use crate::registry::chain;
use listing::{Listing, ListingFormat};

#[derive(Debug, Args)]
pub(super) struct SnapshotsArguments {
    /// The sink whose files are meant, by its configured name [default: the only one that has files]
    #[arg(long, global = true, value_name = "NAME")]
    sink: Option<String>,
    /// Form of the output
    #[arg(long, global = true, value_enum, default_value_t)]
    format: ListingFormat,
    #[command(subcommand)]
    command: SnapshotsCommand,
}

#[derive(Debug, Subcommand)]
enum SnapshotsCommand {
    /// List the runs, the newest first
    List(list::ListArguments),
    /// Show one run and its objects
    Show {
        /// A run ID; a date or `latest` if there is one registry
        #[arg(value_name = "RUN_ID")]
        run: RunChoice,
    },
    /// Show what could not be read of a registry, and why
    Errors(errors::ErrorsArguments),
    /// Show which repositories and tags were added, removed or moved between two runs
    Diff(diff::DiffArguments),
    /// Read every object and compare size, SHA-256, structure and rows with the manifests
    Verify(verify::VerifyArguments),
    /// Remove old runs; shows what would go unless `--yes` is given
    Prune(prune::PruneArguments),
}

/// Which registries are meant.
#[derive(Debug, Args)]
struct RegistryFilter {
    /// Only this registry; may be repeated [default: all]
    #[arg(long = "registry", value_name = "NAME")]
    registries: Vec<String>,
}

/// What a command ends with.
type CommandEnd = Result<Exit, PublishedError>;

pub(super) async fn snapshots(config: &Config, arguments: SnapshotsArguments) -> Exit {
    let files = match files(config, arguments.sink.as_deref()).await {
        Ok(files) => files,
        Err(exit) => return exit,
    };
    let format = arguments.format;
    let done = tokio::task::spawn_blocking(move || {
        let files = &*files;
        match &arguments.command {
            SnapshotsCommand::List(wanted) => list::list(files, wanted, format),
            SnapshotsCommand::Show { run } => show::show(files, run, format),
            SnapshotsCommand::Errors(wanted) => errors::errors(files, wanted, format),
            SnapshotsCommand::Diff(wanted) => diff::diff(files, wanted, format),
            SnapshotsCommand::Verify(wanted) => verify::verify(files, wanted, format),
            SnapshotsCommand::Prune(wanted) => prune::prune(files, wanted, format),
        }
    });
    match done.await.expect("reading does not panic") {
        Ok(exit) => exit,
        Err(error) => refused(&error),
    }
}

fn refused(error: &PublishedError) -> Exit {
    complain(&chain(error));
    match error {
        PublishedError::Target(error) => {
            complain(&format!("  what to do: {}", error.kind().remedy()));
            Exit::Failed
        }
        PublishedError::Unfit { .. } => Exit::Failed,
        PublishedError::Absent(_) => Exit::Usage,
    }
}

/// The files of the named sink. Without a name, of the only sink that has files.
async fn files(config: &Config, wanted: Option<&str>) -> Result<Arc<dyn PublishedFiles>, Exit> {
    let with_files = config.sinks.iter().filter(|(_, sink)| sink.has_published());
    let names: Vec<_> = with_files.map(|(name, _)| name.as_str()).collect();
    let chosen = chosen(config, &names, wanted).map_err(|message| {
        complain(&message);
        Exit::Usage
    })?;
    let sink = config.sinks.iter().find(|(name, _)| name.as_str() == chosen);
    let opening = sink.and_then(|(_, sink)| sink.published()).expect("the sink was found");
    opening.await.map_err(|error| {
        complain(&format!("cannot set up the sink `{chosen}`: {}", chain(&error)));
        Exit::Configuration
    })
}

/// The sink that is meant, of those that keep files.
fn chosen<'n>(config: &Config, names: &[&'n str], wanted: Option<&'n str>) -> Result<&'n str, String> {
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match (wanted, names) {
        (Some(wanted), _) if names.contains(&wanted) => Ok(wanted),
        (Some(wanted), _) if config.sinks.iter().any(|(name, _)| name == wanted) => {
            Err(format!("the sink `{wanted}` keeps no files to read back; sinks that do: {there}"))
        }
        (Some(wanted), _) => Err(format!("no sink is named `{wanted}`; sinks that keep files: {there}")),
        (None, [only]) => Ok(only),
        (None, []) => Err("no sink of the configuration keeps files to read back".to_owned()),
        (None, _) => Err(format!("several sinks keep files: {there}; choose one with `--sink NAME`")),
    }
}
