//! `stocktake snapshots prune`.

use std::num::NonZero;

use chrono::TimeDelta;
use clap::Args;
use stocktake_sink::{PublishedFiles, PublishedRun, SnapshotId};

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
    /// Remove runs whose scheduled time is longer ago than this: days, weeks or hours, as `90d`, `12w` or `36h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<TimeDelta>,
    /// Remove them; without this, only show what would go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    filter: RegistryFilter,
}

/// A whole number with a unit. The longest is longer than there are nights.
fn age(text: &str) -> Result<TimeDelta, String> {
    let parsed = || {
        let (number, unit) = text.split_at(text.len().checked_sub(1)?);
        let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
        match unit {
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            "w" => TimeDelta::try_weeks(number),
            _ => None,
        }
    };
    let is_text = text.is_char_boundary(text.len().saturating_sub(1));
    is_text.then(parsed).flatten().ok_or_else(|| "expected an age such as `90d`, `12w` or `36h`".to_owned())
}

impl PruneArguments {
    fn retention(&self) -> Retention {
        match (self.keep, self.older_than) {
            (Some(keep), _) => Retention::Keep(keep.get()),
            // One of the two is required. By an age that nothing has, nothing goes.
            (None, age) => Retention::Younger(age.unwrap_or(TimeDelta::MAX)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_hours_days_or_weeks() {
        assert_eq!(age("90d"), Ok(TimeDelta::days(90)));
        assert_eq!(
            (age("36h"), age("12w"), age("0d")),
            (Ok(TimeDelta::hours(36)), Ok(TimeDelta::weeks(12)), Ok(TimeDelta::zero()))
        );
        for bad in ["", "90", "d", "-1d", "1.5d", "90 d", "90m", "9é", "9223372036854775807w"] {
            assert!(age(bad).is_err(), "{bad:?}");
        }
    }
}
