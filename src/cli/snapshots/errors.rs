//! `stocktake snapshots errors`.

use clap::Args;
use stocktake_sink::PublishedFiles;

use super::super::exit::Exit;
use super::super::output::tell;
use super::listing::Cell;
use super::{CommandEnd, Listing, ListingFormat};
use crate::published::{PublishedError, RunChoice, current, recorded_errors, runs_of};

#[derive(Debug, Args)]
pub(super) struct ErrorsArguments {
    /// The registry
    #[arg(value_name = "REGISTRY")]
    registry: String,
    /// A run ID, a date, or `latest` for the newest published run [default: the newest run, published or not]
    #[arg(long, value_name = "RUN")]
    run: Option<RunChoice>,
}

pub(super) fn errors(files: &dyn PublishedFiles, wanted: &ErrorsArguments, format: ListingFormat) -> CommandEnd {
    for (registry, runs) in runs_of(files, std::slice::from_ref(&wanted.registry))? {
        let run = match &wanted.run {
            Some(choice) => choice.find(&registry, &runs)?,
            None => current(&runs).next_back().ok_or_else(|| {
                PublishedError::Absent(format!(
                    "no manifest of registry {registry} in {} can be read",
                    files.location()
                ))
            })?,
        };
        let about = [("run_id", Cell::text(run.id.run_id())), ("verdict", Cell::text(run.verdict.as_str()))];
        let columns = &["repository", "state", "code", "count", "message"];
        let mut listing = Listing::new(format, "errors", &about, columns);
        for error in recorded_errors(files, run)? {
            let error = error?;
            listing.row(&[
                Cell::of(error.repository, Cell::Text),
                Cell::of(error.state, Cell::Text),
                Cell::of(error.code, Cell::Text),
                Cell::of(error.count.and_then(|count| u64::try_from(count).ok()), Cell::Number),
                Cell::of(error.message, Cell::Text),
            ]);
        }
        if listing.end() == 0 {
            tell(&format!("{} recorded no error", run.id.run_id()));
        }
    }
    Ok(Exit::Good)
}
