//! What the process tells of itself to Prometheus. Counters are counted here, as things happen; how everything stands
//! comes from [`Status`] when it is asked for, so that it outlives the process. [`families()`] names all that there is.

mod counts;
mod families;
mod family;
mod numbers;
mod text;
mod textfile;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use stocktake_sink::RegistryName;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

pub use family::{Family, Kind};
pub use textfile::write_textfile;
pub use words::Skip;

use crate::registry::Observer;
use crate::run::RunReport;
use crate::status::{RegistryStatus, Status};
use counts::Counts;
use families::FAMILIES;
use family::{Place, Scene, Values};
use numbers::{Counter, Histogram, OF_COMMITS};
use text::Lines;
use words::LEVELS;

/// All metrics; cloned, it is the same.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    process: Arc<Process>,
    books: Mutex<Books>,
}

/// What is counted of the process as a whole.
#[derive(Debug, Default)]
struct Process {
    /// Log messages by [`LEVELS`].
    messages: [Counter; LEVELS.len()],
    panics: Counter,
}

/// What is counted of registries and of the sinks that they share.
#[derive(Debug, Default)]
struct Books {
    registries: HashMap<RegistryName, Arc<Counts>>,
    /// How long each sink takes, as long as a registry has it.
    commits: BTreeMap<String, Weak<Histogram>>,
}

/// Every metric that there is.
pub fn families() -> &'static [Family] {
    FAMILIES
}

impl Metrics {
    /// Nothing counted yet, and no registry known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a registry known, with its sinks in their order: from now on all its series are there, at 0 where nothing has
    /// happened. Made known again, as by a reload, it keeps what was counted; sinks that it no longer has lose their
    /// series. Returns who counts its requests.
    pub fn registry(&self, name: &RegistryName, sinks: &[String]) -> Arc<dyn Observer> {
        let mut books = self.books();
        let Books { registries, commits } = &mut *books;
        let counts = Arc::clone(registries.entry(name.clone()).or_insert_with(|| Arc::new(Counts::new())));
        counts.deliver_to(sinks, |sink| histogram_of(commits, sink));
        counts
    }

    /// Removes a registry with all its series. What its last run still counts goes nowhere.
    pub fn forget(&self, name: &RegistryName) {
        self.books().registries.remove(name);
    }

    /// Counts a run, published or not, and what its sinks did; or the slot that was skipped because another process had
    /// the registry, or because the credentials are suspended. Of a registry that is not known, nothing.
    pub fn run_ended(&self, report: &RunReport) {
        if let Some(counts) = self.counts(&report.registry) {
            counts.ended(report);
        }
    }

    /// Counts slots of the schedule for which no run was begun, and hence no [`RunReport`] will come.
    pub fn skipped(&self, name: &RegistryName, reason: Skip, count: u64) {
        if let Some(counts) = self.counts(name) {
            counts.skip(reason, count);
        }
    }

    /// Counts a panic that was caught.
    pub fn panicked(&self) {
        self.0.process.panics.add(1);
    }

    /// Counts log messages by their level. It is to stand behind the filter of the lines, or it counts what nobody sees.
    pub fn log_layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        Messages(Arc::clone(&self.0.process))
    }

    /// Everything, in Prometheus' text format 0.0.4, which wants `Content-Type: text/plain; version=0.0.4`. Registries are
    /// those that are known and stand in `status`.
    pub fn expose(&self, status: &Status) -> String {
        let mut text = String::new();
        self.write(status, &mut text);
        text
    }

    /// The same, behind what stands in `text`: a dozen megabytes are better not allocated anew for each scrape.
    pub fn write(&self, status: &Status, text: &mut String) {
        self.write_all(Some(status), &status.registries, text);
    }

    /// The same of runs without a daemon, for [`write_textfile`]: nothing on schedules, reloads and tasks.
    pub fn expose_runs(&self, registries: &[RegistryStatus]) -> String {
        let mut text = String::new();
        self.write_all(None, registries, &mut text);
        text
    }

    fn write_all<'s>(&self, status: Option<&'s Status>, registries: &'s [RegistryStatus], text: &mut String) {
        let place = |status: &'s RegistryStatus| {
            let counts = self.counts(&status.name)?;
            Some(Place { sinks: counts.sinks(), counts, status })
        };
        let scene = Scene { process: &self.0.process, status, places: registries.iter().filter_map(place).collect() };
        scene.write(text);
    }

    fn counts(&self, name: &RegistryName) -> Option<Arc<Counts>> {
        self.books().registries.get(name).cloned()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that other registries have for this sink, or a new one.
fn histogram_of(commits: &mut BTreeMap<String, Weak<Histogram>>, sink: &str) -> Arc<Histogram> {
    if let Some(histogram) = commits.get(sink).and_then(Weak::upgrade) {
        return histogram;
    }
    commits.retain(|_, histogram| histogram.strong_count() > 0);
    let histogram = Arc::new(Histogram::new(&OF_COMMITS));
    commits.insert(sink.to_owned(), Arc::downgrade(&histogram));
    histogram
}

impl Scene<'_> {
    fn write(&self, text: &mut String) {
        text.reserve(ROOM * (1 + self.places.len()));
        for family in FAMILIES.iter().filter(|family| self.status.is_some() || !family.is_of_daemon) {
            let mut lines = Lines::begin(text, family);
            match family.values {
                Values::Once(put) => put(&mut lines, self),
                Values::Each(put) => {
                    for place in &self.places {
                        lines.of_registry(place.status.name.as_str());
                        put(&mut lines, place);
                    }
                }
            }
        }
    }
}

/// Bytes that a registry's lines take, about.
const ROOM: usize = 32 << 10;

/// Counts log messages.
#[derive(Debug)]
struct Messages(Arc<Process>);

impl<S: Subscriber> Layer<S> for Messages {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let at = match *event.metadata().level() {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        self.0.messages[at].add(1);
    }
}

#[cfg(test)]
mod tests;
