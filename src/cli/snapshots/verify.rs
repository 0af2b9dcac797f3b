//! `stocktake snapshots verify`.

use clap::Args;
use stocktake_sink::PublishedFiles;

use super::super::exit::Exit;
use super::super::output::{complain, tell};
use super::listing::Cell;
use super::{CommandEnd, Listing, ListingFormat, RegistryFilter};
use crate::published::{self, PublishedError, RunChoice, runs_of};
use crate::registry::chain;
use crate::words::counted;

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Only these runs: run IDs, dates, or `latest` [default: all, with what is below `latest/`]
    #[arg(value_name = "RUN")]
    runs: Vec<RunChoice>,
    #[command(flatten)]
    filter: RegistryFilter,
}

pub(super) fn verify(files: &dyn PublishedFiles, wanted: &VerifyArguments, format: ListingFormat) -> CommandEnd {
    let mut names = wanted.filter.registries.clone();
    if names.is_empty() && wanted.runs.iter().all(|run| run.registry().is_some()) {
        names = wanted.runs.iter().filter_map(RunChoice::registry).map(str::to_owned).collect();
    }
    let registries = runs_of(files, &names)?;
    // A run that is not there must not count as verified.
    for choice in &wanted.runs {
        if !registries.iter().any(|(_, runs)| choice.of(runs).is_some()) {
            return Err(PublishedError::Absent(format!("{} has no run {choice}", files.location())));
        }
    }
    let found = published::verify(files, &registries, &wanted.runs);
    let about = [
        ("runs", Cell::Number(found.runs as u64)),
        ("objects", Cell::Number(found.objects as u64)),
        ("bytes", Cell::Number(found.bytes)),
    ];
    let mut listing = Listing::new(format, "damage", &about, &["location", "what"]);
    for damage in &found.damage {
        listing.row(&[Cell::text(&damage.location), Cell::text(&damage.what)]);
    }
    listing.end();
    for note in &found.notes {
        tell(&format!("note: {note}"));
    }
    for error in &found.unknown {
        complain(&format!("not verified: {}\n  what to do: {}", chain(error), error.kind().remedy()));
    }
    let objects = counted(found.objects, "object", "objects");
    let runs = counted(found.runs, "run", "runs");
    match (found.damage.len(), found.unknown.len()) {
        (0, 0) => {
            tell(&format!("{objects} of {runs} are as they were published"));
            Ok(Exit::Good)
        }
        (damaged, unknown) => {
            complain(&format!(
                "{objects} of {runs}: {damaged} damaged, {unknown} not verified; restore what is damaged from a backup, or \
                 remove its manifest: the next run delivers it again if the state still holds that night"
            ));
            Ok(Exit::Failed)
        }
    }
}
