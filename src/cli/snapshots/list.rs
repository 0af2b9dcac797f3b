//! `stocktake snapshots list`.

use clap::Args;
use stocktake_sink::{PublishedFiles, PublishedRun, PublishedRuns, Table};

use super::super::exit::Exit;
use super::super::output::tell;
use super::listing::Cell;
use super::{CommandEnd, Listing, ListingFormat, RegistryFilter};
use crate::published::{rows_of, runs_of};

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    filter: RegistryFilter,
    /// At most so many runs of each registry, the newest
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

const COLUMNS: &[&str] = &[
    "registry",
    "run_id",
    "generation",
    "verdict",
    "finished_at",
    "repositories",
    "tags",
    "manifests",
    "changes",
    "bytes",
    "latest",
];

pub(super) fn list(files: &dyn PublishedFiles, wanted: &ListArguments, format: ListingFormat) -> CommandEnd {
    let registries = runs_of(files, &wanted.filter.registries)?;
    let mut listing = Listing::new(format, "snapshots", &[], COLUMNS);
    for (_, runs) in &registries {
        for run in runs.runs.iter().rev().take(wanted.last.unwrap_or(usize::MAX)) {
            listing.row(&cells(run, runs));
        }
    }
    if listing.end() == 0 {
        tell(&format!("no run has been published to {}", files.location()));
    }
    for damage in registries.iter().flat_map(|(_, runs)| &runs.unreadable) {
        tell(&format!("cannot be read: {damage}"));
    }
    Ok(Exit::Good)
}

fn cells(run: &PublishedRun, runs: &PublishedRuns) -> [Cell; 11] {
    let rows = |table| Cell::of(rows_of(run, table), Cell::Number);
    [
        Cell::text(run.id.registry.as_str()),
        Cell::text(run.id.run_id()),
        Cell::Number(u64::try_from(run.id.generation).unwrap_or_default()),
        Cell::text(run.verdict.as_str()),
        Cell::time(run.finished_at),
        rows(Table::Repositories),
        rows(Table::Tags),
        rows(Table::Manifests),
        rows(Table::Changes),
        Cell::Number(run.bytes()),
        Cell::Flag(runs.latest.as_ref() == Some(&run.id)),
    ]
}
