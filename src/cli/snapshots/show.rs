//! `stocktake snapshots show`.

use stocktake_sink::PublishedFiles;

use super::super::exit::Exit;
use super::listing::Cell;
use super::{CommandEnd, Listing, ListingFormat};
use crate::published::{PublishedError, RunChoice, runs_of};

pub(super) fn show(files: &dyn PublishedFiles, wanted: &RunChoice, format: ListingFormat) -> CommandEnd {
    let named: Vec<_> = wanted.registry().into_iter().map(str::to_owned).collect();
    let registries = runs_of(files, &named)?;
    let [(registry, runs)] = &registries[..] else {
        let names: Vec<_> = registries.iter().map(|(name, _)| name.as_str()).collect();
        let message = match &names[..] {
            [] => format!("no run has been published to {}", files.location()),
            names => format!("`{wanted}` may be a run of each of {}; write a run ID", names.join(", ")),
        };
        return Err(PublishedError::Absent(message));
    };
    let run = wanted.find(registry, runs)?;
    let about = [
        ("run_id", Cell::text(run.id.run_id())),
        ("generation", Cell::Number(u64::try_from(run.id.generation).unwrap_or_default())),
        ("registry", Cell::text(registry.as_str())),
        ("scheduled_at", Cell::time(run.id.scheduled_at)),
        ("finished_at", Cell::time(run.finished_at)),
        ("verdict", Cell::text(run.verdict.as_str())),
        ("latest", Cell::Flag(runs.latest.as_ref() == Some(&run.id))),
        ("manifest", Cell::text(&run.location)),
        ("written_by", Cell::text(format!("stocktake {}", run.exporter_version))),
        ("schema_version", Cell::text(run.schema_version.to_string())),
    ];
    let mut listing = Listing::new(format, "objects", &about, &["table", "rows", "bytes", "sha256", "location"]);
    for object in &run.objects {
        listing.row(&[
            Cell::text(object.table.as_str()),
            Cell::Number(object.rows),
            Cell::Number(object.bytes),
            Cell::text(&object.sha256),
            Cell::text(&object.location),
        ]);
    }
    listing.end();
    Ok(Exit::Good)
}
