//! Published inventories, read back from a sink of files: which runs there are, what differs between two nights, what could
//! not be read, whether all is as it was published, and which runs are old.
//!
//! Knows neither formats nor targets: a sink brings [`PublishedFiles`]. How things are shown is not known here either.

mod cells;
mod choice;
mod diff;
mod lines;
mod recorded;
mod retention;
mod verify;

use stocktake_sink::{PublishedFiles, PublishedRun, PublishedRuns, RegistryName, SinkError, Table};
use yaml_sections::nearest;

pub use choice::{RunChoice, UnknownRunChoice};
pub use diff::{Difference, DifferenceRows, differences};
pub use recorded::{RecordedError, RecordedErrors, recorded_errors};
pub use retention::Retention;
pub use verify::{Verification, verify};

/// Why a command about published inventories cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// The target could not be read or changed.
    #[error(transparent)]
    Target(#[from] SinkError),
    /// What was asked for is not there.
    #[error("{0}")]
    Absent(String),
    /// A file has not the columns that its table has.
    #[error("table {table} of {run} has no readable column {column}")]
    Unfit {
        /// The run.
        run: String,
        /// The table.
        table: Table,
        /// The column.
        column: &'static str,
    },
}

/// The runs of the wanted registries, in the order of their names. Without names, of all.
///
/// # Errors
/// If nothing was published of a wanted registry, or the target cannot be read.
pub fn runs_of(
    files: &dyn PublishedFiles,
    wanted: &[String],
) -> Result<Vec<(RegistryName, PublishedRuns)>, PublishedError> {
    let known = files.registries()?;
    let names: Vec<&str> = known.iter().map(RegistryName::as_str).collect();
    if let Some(name) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        let hint = nearest(name, &names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(PublishedError::Absent(format!(
            "{} has no run of a registry `{name}`; there are: {there}{hint}",
            files.location()
        )));
    }
    let is_wanted = |name: &RegistryName| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name.as_str());
    let chosen = known.into_iter().filter(is_wanted);
    chosen.map(|registry| Ok((registry.clone(), files.runs(&registry)?))).collect()
}

/// The runs that readers take: of each slot the highest generation. The oldest first.
pub fn current(runs: &PublishedRuns) -> impl DoubleEndedIterator<Item = &PublishedRun> {
    let is_last =
        |at: &usize| runs.runs.get(at + 1).is_none_or(|next| next.id.scheduled_at != runs.runs[*at].id.scheduled_at);
    (0..runs.runs.len()).filter(is_last).map(|at| &runs.runs[at])
}

/// The rows that the manifests of a run announce for a table; `None` if the run has no such table.
pub fn rows_of(run: &PublishedRun, table: Table) -> Option<u64> {
    run.object(table).map(|object| object.rows)
}
