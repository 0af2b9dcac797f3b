//! What a metric is, and what there is to be told of at one moment. Which ones there are, `families` says.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::Process;
use super::counts::{Counts, SinkCounts};
use super::text::Lines;
use crate::state::{LastRun, SinkHistory};
use crate::status::{RegistryStatus, Status};

/// Metrics of one name.
#[derive(Debug)]
pub struct Family {
    /// `stocktake_pages_total`
    pub name: &'static str,
    /// What its numbers are.
    pub kind: Kind,
    /// What it says, as a sentence.
    pub help: &'static str,
    /// The labels of its series, `le` left out.
    pub labels: &'static [&'static str],
    /// Whether a run without a daemon has nothing to say about it.
    pub(super) is_of_daemon: bool,
    pub(super) values: Values,
}

/// What the numbers of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow.
    Counter,
    /// They come and go.
    Gauge,
    /// How many were at most so large.
    Histogram,
}

impl Kind {
    /// `counter`
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Where values come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// The process as a whole, or sinks whoever has them.
    Once(fn(&mut Lines<'_>, &Scene<'_>)),
    /// Each registry.
    Each(fn(&mut Lines<'_>, &Place<'_>)),
}

/// What there is to be told at one moment.
#[derive(Debug)]
pub(super) struct Scene<'s> {
    pub(super) process: &'s Process,
    /// None: there is no daemon.
    pub(super) status: Option<&'s Status>,
    pub(super) places: Vec<Place<'s>>,
}

/// One registry.
#[derive(Debug)]
pub(super) struct Place<'s> {
    pub(super) counts: Arc<Counts>,
    pub(super) sinks: Vec<Arc<SinkCounts>>,
    pub(super) status: &'s RegistryStatus,
}

impl Place<'_> {
    /// The last run.
    pub(super) fn last(&self) -> Option<&LastRun> {
        self.status.history.last.as_ref()
    }

    /// How long a part of the last run took; no time if there was none.
    pub(super) fn took(&self, part: fn(&LastRun) -> TimeDelta) -> Duration {
        self.last().and_then(|run| part(run).to_std().ok()).unwrap_or_default()
    }

    /// The sinks with what is remembered of them.
    pub(super) fn sinks(&self) -> impl Iterator<Item = (&SinkCounts, Option<&SinkHistory>)> {
        self.sinks.iter().map(|sink| (&**sink, self.status.history.sinks.get(&sink.name)))
    }
}
