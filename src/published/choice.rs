//! How a person names a run: by its ID, by a date, or `latest`.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use stocktake_sink::{PublishedRun, PublishedRuns, RegistryName};

use super::{PublishedError, current};

/// Which run of a registry is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunChoice {
    /// The newest published one.
    Latest,
    /// The newest published one of this UTC date.
    Date(NaiveDate),
    /// This one, published or not; `RUN_ID`, or `RUN_ID.g2` for one generation.
    Run(String),
}

/// Why a text is no [`RunChoice`].
#[derive(Debug, thiserror::Error)]
#[error("expected a run ID such as `quay-20261123T020000Z`, a date such as `2026-11-23`, or `latest`")]
pub struct UnknownRunChoice;

impl FromStr for RunChoice {
    type Err = UnknownRunChoice;

    fn from_str(text: &str) -> Result<Self, UnknownRunChoice> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(date) = text.parse() {
            return Ok(Self::Date(date));
        }
        // The name of a registry, a dash, and a time: `quay-20261123T020000Z`.
        let whole = text.rsplit_once(".g").map_or(text, |(run_id, _)| run_id);
        let (registry, time) = whole.rsplit_once('-').ok_or(UnknownRunChoice)?;
        let is_time = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").is_ok();
        let is_run = is_time && registry.parse::<RegistryName>().is_ok();
        is_run.then(|| Self::Run(text.to_owned())).ok_or(UnknownRunChoice)
    }
}

impl fmt::Display for RunChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Date(date) => date.fmt(f),
            Self::Run(id) => f.write_str(id),
        }
    }
}

impl RunChoice {
    /// The registry that a run ID names.
    pub fn registry(&self) -> Option<&str> {
        let Self::Run(text) = self else { return None };
        let whole = text.rsplit_once(".g").map_or(text.as_str(), |(run_id, _)| run_id);
        whole.rsplit_once('-').map(|(registry, _)| registry)
    }

    /// The chosen one of these runs.
    pub fn of<'r>(&self, runs: &'r PublishedRuns) -> Option<&'r PublishedRun> {
        let published = || current(runs).filter(|run| run.verdict.is_publishable());
        match self {
            Self::Latest => published().next_back(),
            Self::Date(date) => published().rfind(|run| run.id.scheduled_at.date_naive() == *date),
            Self::Run(text) => runs.runs.iter().rfind(|run| run.id.run_id() == *text || run.id.to_string() == *text),
        }
    }

    /// The same, with an error that names what there is.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn find<'r>(
        &self,
        registry: &RegistryName,
        runs: &'r PublishedRuns,
    ) -> Result<&'r PublishedRun, PublishedError> {
        self.of(runs).ok_or_else(|| {
            let dates: Vec<_> = current(runs).map(|run| run.id.snapshot_date()).collect();
            let span = match &dates[..] {
                [] => "there is no run".to_owned(),
                [only] => format!("the only run is of {only}"),
                [first, .., last] => format!("there are {} runs, from {first} to {last}", dates.len()),
            };
            let what = match self {
                Self::Latest => "has no published run".to_owned(),
                Self::Date(date) => format!("has no published run of {date}"),
                Self::Run(id) => format!("has no run {id}"),
            };
            PublishedError::Absent(format!("registry {registry} {what}; {span} (`stocktake snapshots list`)"))
        })
    }
}
