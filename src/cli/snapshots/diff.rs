//! `stocktake snapshots diff`.

use clap::Args;
use stocktake_sink::{PublishedFiles, PublishedRun, Table, Verdict};

use super::super::exit::Exit;
use super::super::output::tell;
use super::command::{CommandEnd, RegistryFilter};
use super::listing::{Cell, Listing, ListingFormat};
use crate::published::{Difference, PublishedError, RunChoice, differences, runs_of};
use crate::snapshot::ChangeCounts;
use crate::words::counted;

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The earlier run: a run ID, a date such as `2026-11-23`, or `latest`
    #[arg(value_name = "A")]
    from: RunChoice,
    /// The later run
    #[arg(value_name = "B")]
    to: RunChoice,
    #[command(flatten)]
    filter: RegistryFilter,
}

const COLUMNS: &[&str] = &["registry", "repository", "tag", "op", "old_digest", "new_digest"];

pub(super) fn diff(files: &dyn PublishedFiles, wanted: &DiffArguments, format: ListingFormat) -> CommandEnd {
    let registries = runs_of(files, &registries(wanted)?)?;
    // All are chosen before the first row is written.
    let chosen = registries
        .iter()
        .map(|(registry, runs)| Ok((registry, wanted.from.find(registry, runs)?, wanted.to.find(registry, runs)?)));
    let chosen = chosen.collect::<Result<Vec<_>, PublishedError>>()?;
    let about = [("from", Cell::text(wanted.from.to_string())), ("to", Cell::text(wanted.to.to_string()))];
    let mut listing = Listing::new(format, "differences", &about, COLUMNS);
    let mut summaries = Vec::new();
    for (registry, before, after) in chosen {
        let mut counts = ChangeCounts::default();
        let mut rows = differences(files, before, after)?;
        for difference in rows.by_ref() {
            let difference = difference?;
            counts.add(difference.op);
            listing.row(&cells(registry.as_str(), difference));
        }
        summaries.push(summary(before, after, counts, rows.incomparable()));
    }
    listing.end();
    for summary in summaries {
        tell(&summary);
    }
    Ok(Exit::Good)
}

/// The registries that are meant: a run ID names its own.
fn registries(wanted: &DiffArguments) -> Result<Vec<String>, PublishedError> {
    let named: Vec<_> = [&wanted.from, &wanted.to].into_iter().filter_map(RunChoice::registry).collect();
    match (&named[..], &wanted.filter.registries[..]) {
        ([one, other], _) if one != other => {
            Err(PublishedError::Absent(format!("{} and {} are of two registries", wanted.from, wanted.to)))
        }
        ([first, ..], filter) if !filter.is_empty() && filter.iter().any(|name| name != first) => {
            Err(PublishedError::Absent(format!("a run of registry {first} is named, and `--registry` another one")))
        }
        ([first, ..], _) => Ok(vec![(*first).to_owned()]),
        ([], filter) => Ok(filter.to_vec()),
    }
}

fn cells(registry: &str, difference: Difference) -> [Cell; 6] {
    let Difference { repository, tag, op, old_digest, new_digest } = difference;
    let optional = |text| Cell::of(text, Cell::Text);
    [
        Cell::text(registry),
        Cell::Text(repository),
        optional(tag),
        Cell::text(op.as_str()),
        optional(old_digest),
        optional(new_digest),
    ]
}

/// `quay-20261124T020000Z: +12 −3 ~7 since quay-20261123T020000Z`, with what such numbers leave out.
fn summary(before: &PublishedRun, after: &PublishedRun, counts: ChangeCounts, incomparable: u64) -> String {
    let (from, to) = (before.id.run_id(), after.id.run_id());
    let mut text = format!("{to}: {counts} since {from}");
    let without_tags = [before, after].into_iter().find(|run| run.object(Table::Tags).is_none());
    if let Some(run) = without_tags
        && [before, after].into_iter().any(|run| run.object(Table::Tags).is_some())
    {
        text = format!("{text}; tags are not compared, because {} has none", run.id.run_id());
    }
    if incomparable > 0 {
        let repositories = counted(incomparable, "repository", "repositories");
        text = format!("{text}; the tags of {repositories} are not compared, because a run could not read all of them");
    }
    if counts.removed > 0 && after.verdict == Verdict::Gaps {
        text = format!("{text}; {to} has gaps, so a repository may be missing from its list");
    }
    text
}
