//! `stocktake snapshots prune`.

use std::num::NonZero;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use stocktake_sink::{PublishedFiles, PublishedRun, SnapshotId};
use yaml_sections::parse_duration;

use super::super::exit::Exit;
use super::super::output::tell;
use super::listing::Cell;
use super::{CommandEnd, Listing, ListingFormat, RegistryFilter};
use crate::clock;
use crate::published::{Retention, runs_of};
use crate::words::counted;

#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Keep the newest so many published inventories of each registry, and every run since the oldest of them
    #[arg(long, value_name = "N", required_unless_present = "older_than", conflicts_with = "older_than")]
    keep: Option<NonZero<usize>>,
    /// Remove runs whose scheduled time is longer ago than this, such as `90d`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    older_than: Option<Duration>,
    /// Remove them; without this, only show what would go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    filter: RegistryFilter,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a duration such as `90d`".to_owned())
}

impl PruneArguments {
    fn retention(&self) -> Retention {
        match (self.keep, self.older_than) {
            (Some(keep), _) => Retention::Keep(keep.get()),
            // Longer ago than there is time: nothing goes.
            (None, age) => {
                Retention::Younger(age.and_then(|age| TimeDelta::from_std(age).ok()).unwrap_or(TimeDelta::MAX))
            }
        }
    }
}

pub(super) fn prune(files: &dyn PublishedFiles, wanted: &PruneArguments, format: ListingFormat) -> CommandEnd {
    let (retention, now) = (wanted.retention(), clock::now());
    let registries = runs_of(files, &wanted.filter.registries)?;
    let columns = &["registry", "run_id", "generation", "verdict", "bytes"];
    let mut listing = Listing::new(format, "runs", &[("removed", Cell::Flag(wanted.yes))], columns);
    let (mut count, mut bytes) = (0_usize, 0);
    let mut failure = None;
    for (registry, runs) in &registries {
        let expired = retention.expired(runs, now);
        let mut gone: Vec<SnapshotId> = expired.iter().map(|run| run.id.clone()).collect();
        if wanted.yes {
            match files.remove(registry, &gone) {
                Ok(removed) => gone = removed,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        for run in expired.into_iter().filter(|run| gone.contains(&run.id)) {
            count += 1;
            bytes += run.bytes();
            listing.row(&cells(run));
        }
    }
    listing.end();
    let runs = counted(count, "run", "runs");
    match wanted.yes {
        true => tell(&format!("removed {runs}, {bytes} bytes")),
        false if count == 0 => tell("no run is old enough to go"),
        false => tell(&format!("{runs}, {bytes} bytes, would go; nothing was removed: add `--yes` to remove them")),
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Good),
    }
}

fn cells(run: &PublishedRun) -> [Cell; 5] {
    [
        Cell::text(run.id.registry.as_str()),
        Cell::text(run.id.run_id()),
        Cell::Number(u64::try_from(run.id.generation).unwrap_or_default()),
        Cell::text(run.verdict.as_str()),
        Cell::Number(run.bytes()),
    ]
}
