//! Keeps everything in motion: enters a page while the next comes and repositories are read. Decides nothing about them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::ledger::{Books, Entered, Ledger};
use super::memory::MemoryBudget;
use super::monitored::MonitoredNames;
use super::reading::{Reader, Reading};
use super::unfinished::{Cut, Pages};
use super::{Ended, Progress, Sources, Start, WalkError, WalkSettings, Walked};
use crate::clock;
use crate::registry::{Fault, Page, Place, RegistryError, chain};
use crate::snapshot::SpoolError;

/// How much of a walk a killed process loses.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// Names that may wait to be read before further pages are taken: two pages of the usual size.
const AHEAD: usize = 2000;
/// Repositories read that may wait to be entered before further ones are read: the disk may be slower than the registry.
const HELD: usize = 4 * BATCH;
/// Repositories entered together; few enough that a server that has gone is noticed soon.
const BATCH: usize = 16;

/// Walks a registry to its end, or to the first error that is not one repository's alone. Rows reach the spool in
/// bounded memory.
///
/// # Panics
/// If writing to the spool panics.
pub async fn walk(
    sources: &Sources<'_>,
    start: Start,
    settings: &WalkSettings,
    progress: &Progress,
    stop: &CancellationToken,
) -> Walked {
    let mut driver = match Driver::begin(sources, start, settings, progress) {
        Ok(driver) => driver,
        Err(walked) => return *walked,
    };
    let ended = driver.run(sources, stop).await;
    driver.close(ended).await
}

/// What the ledger is asked to do in one go, aside.
struct Job {
    done: Vec<Reading>,
    page: Option<Page>,
    cut: Option<Cut>,
}

/// What came of it.
struct JobDone {
    entered: Option<(Entered, Pages)>,
    /// The first error; nothing was entered after it.
    error: Option<WalkError>,
    /// Repositories that were handed over and not entered.
    left: Vec<Arc<str>>,
    checkpoint: bool,
}

struct Checkpoints {
    fingerprint: String,
    begun_at: DateTime<Utc>,
    due: Instant,
}

struct Driver<'a> {
    reader: Reader<'a>,
    progress: &'a Progress,
    monitored: MonitoredNames,
    /// Away while it works.
    ledger: Option<Ledger>,
    at_work: Option<JoinHandle<(Ledger, JobDone)>>,
    /// How far the list of names is entered.
    pages: Pages,
    waiting: VecDeque<Place>,
    in_flight: HashSet<Arc<str>>,
    done: Vec<Reading>,
    checkpoints: Option<Checkpoints>,
    /// Whether nothing has yet shown that an earlier walk's cursor still works.
    unproven: bool,
}

impl<'a> Driver<'a> {
    fn begin(
        sources: &Sources<'a>,
        start: Start,
        settings: &'a WalkSettings,
        progress: &'a Progress,
    ) -> Result<Self, Box<Walked>> {
        let reader = Reader {
            contents: sources.contents,
            known: sources.known.clone(),
            depth: settings.depth,
            width: sources.concurrency.get(),
            memory: MemoryBudget::new(),
        };
        let checkpoints =
            |fingerprint, begun_at| Checkpoints { fingerprint, begun_at, due: Instant::now() + CHECKPOINT_EVERY };
        let (ledger, pages, to_read, checkpoints) = match start {
            Start::Fresh { spool, fingerprint } => {
                let first: Vec<Arc<str>> = settings.monitored.iter().map(|name| name.as_str().into()).collect();
                let checkpoints = fingerprint.map(|fingerprint| checkpoints(fingerprint, clock::now()));
                (Ledger::new(spool, settings.clone()), Pages::None, first, checkpoints)
            }
            Start::Unfinished(unfinished) => {
                let Cut { fingerprint, begun_at, pages, pending, books, .. } = unfinished.cut;
                let ledger = match Ledger::resumed(unfinished.spool, books, &pending, settings.clone()) {
                    Ok(ledger) => ledger,
                    Err((ledger, error)) => {
                        return Err(Box::new(walked(*ledger, Ended::Stale(error.into()), false)));
                    }
                };
                let pending = pending.into_iter().map(Arc::from).collect();
                (ledger, pages, pending, Some(checkpoints(fingerprint, begun_at)))
            }
        };
        progress.pages.store(ledger.books.pages, Ordering::Relaxed);
        progress.listed.store(ledger.books.listed, Ordering::Relaxed);
        let Books { read, unreadable, gone, .. } = ledger.books;
        progress.read.store(read + unreadable + gone, Ordering::Relaxed);
        let unproven = matches!(pages, Pages::Until(_));
        let mut driver = Self {
            reader,
            progress,
            monitored: MonitoredNames::of(settings),
            ledger: Some(ledger),
            at_work: None,
            pages,
            waiting: VecDeque::new(),
            in_flight: HashSet::new(),
            done: Vec::new(),
            checkpoints,
            unproven,
        };
        driver.wait(&to_read);
        Ok(driver)
    }

    fn wait(&mut self, repositories: &[Arc<str>]) {
        self.waiting.extend(Place::together(repositories.iter().cloned()));
    }

    async fn run(&mut self, sources: &Sources<'a>, stop: &CancellationToken) -> Ended {
        let discovery = sources.discovery;
        let mut pages = match &self.pages {
            Pages::None | Pages::Lost => Some(discovery.pages(None)),
            Pages::Until(cursor) => Some(discovery.pages(Some(cursor))),
            Pages::Over { .. } => None,
        };
        // Its own, so that what reads does not keep the driver borrowed.
        let reader = self.reader.clone();
        let mut reading = FuturesUnordered::new();
        let mut arrived: Option<Page> = None;
        loop {
            while reading.len() < reader.width
                && self.done.len() < HELD
                && let Some(place) = self.waiting.pop_front()
            {
                self.in_flight.insert(place.repository.clone());
                let monitored = self.monitored.contains(&place.repository);
                reading.push(reader.read(place, monitored));
            }
            let nothing_comes = pages.is_none() && reading.is_empty() && self.waiting.is_empty();
            if self.ledger.is_some() {
                let enough = self.done.len() >= BATCH || (nothing_comes && !self.done.is_empty());
                if arrived.is_some() || enough || self.is_checkpoint_due() {
                    self.send(arrived.take());
                } else if nothing_comes {
                    return if self.pages == (Pages::Over { limited: true }) { Ended::Limited } else { Ended::Whole };
                }
            }
            let wants_page = pages.is_some() && arrived.is_none() && self.waiting.len() < AHEAD;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ended::Stopped,
                Some(worked) = OptionFuture::from(self.at_work.as_mut()) => {
                    let done = self.back(worked.expect("the spool does not panic"));
                    if let Some(error) = done.error {
                        return self.failure(error);
                    }
                    if matches!(self.pages, Pages::Over { .. }) {
                        pages = None;
                    }
                }
                Some(read) = reading.next(), if !reading.is_empty() => self.received(read),
                page = next(&mut pages), if wants_page => match page {
                    Some(Ok(page)) => {
                        self.progress.pages.fetch_add(1, Ordering::Relaxed);
                        let listed = page.names.len() as u64 + page.invalid_count;
                        self.progress.listed.fetch_add(listed, Ordering::Relaxed);
                        arrived = Some(page);
                    }
                    Some(Err(error)) => return self.failure(error.into()),
                    None => pages = None,
                },
            }
        }
    }

    fn received(&mut self, reading: Reading) {
        self.progress.read.fetch_add(1, Ordering::Relaxed);
        if let Ok(found) = &reading.found {
            self.progress.tags.fetch_add(found.tags.len() as u64, Ordering::Relaxed);
        }
        self.in_flight.remove(&reading.repository);
        self.done.push(reading);
    }

    /// The end that an error makes: of the walk, or only of the attempt to go on where an earlier one was cut off.
    fn failure(&self, error: WalkError) -> Ended {
        let is_ours = |error: &RegistryError| {
            matches!(
                error.fault(),
                Fault::Protocol | Fault::Untrusted | Fault::Endless | Fault::Unsupported | Fault::Gone
            )
        };
        let stale = match &error {
            WalkError::Registry(error) => is_ours(error),
            WalkError::NoProgress { .. } | WalkError::Astray => true,
            WalkError::Spool(_) => false,
        };
        if self.unproven && stale { Ended::Stale(error) } else { Ended::Failed(error) }
    }

    fn is_checkpoint_due(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(|checkpoints| Instant::now() >= checkpoints.due)
    }

    /// Sends the ledger off to enter what there is.
    fn send(&mut self, page: Option<Page>) {
        let Some(mut ledger) = self.ledger.take() else { return };
        let done = std::mem::take(&mut self.done);
        let mut cut = None;
        if self.is_checkpoint_due()
            && let Some(checkpoints) = &mut self.checkpoints
        {
            // Also where there is nothing to write down: the ledger would be sent off again as soon as it is back.
            checkpoints.due = Instant::now() + CHECKPOINT_EVERY;
            cut = self.cut(&ledger);
        }
        let job = Job { done, page, cut };
        // Sorting and writing block; the next page and repositories are under way meanwhile.
        self.at_work = Some(tokio::task::spawn_blocking(move || {
            let done = job.work(&mut ledger);
            (ledger, done)
        }));
    }

    fn back(&mut self, (ledger, mut done): (Ledger, JobDone)) -> JobDone {
        self.ledger = Some(ledger);
        self.at_work = None;
        if let Some((entered, pages)) = done.entered.take() {
            self.unproven = false;
            self.pages = pages;
            self.wait(&entered.to_read);
        }
        // To be read again, should the walk be taken up again.
        self.in_flight.extend(done.left.drain(..));
        done
    }

    /// What a checkpoint would say now; none if it is of no use.
    fn cut(&self, ledger: &Ledger) -> Option<Cut> {
        let checkpoints = self.checkpoints.as_ref().filter(|_| self.pages != Pages::Lost)?;
        let waiting = self.waiting.iter().map(|place| &place.repository);
        Some(Cut {
            fingerprint: checkpoints.fingerprint.clone(),
            begun_at: checkpoints.begun_at,
            ended_at: clock::now(),
            pages: self.pages.clone(),
            pending: self.in_flight.iter().chain(waiting).map(ToString::to_string).collect(),
            books: ledger.books.clone(),
        })
    }

    /// Ends the walk; what was read is entered, and where another run may go on, a checkpoint is left.
    async fn close(mut self, ended: Ended) -> Walked {
        if let Some(at_work) = self.at_work.take() {
            let worked = at_work.await.expect("the spool does not panic");
            self.back(worked);
        }
        let Some(mut ledger) = self.ledger.take() else { unreachable!("the ledger is back") };
        let may_resume = match &ended {
            Ended::Stopped => true,
            Ended::Failed(WalkError::Registry(error)) => error.fault().is_trouble(),
            _ => false,
        };
        if may_resume && !matches!(ended, Ended::Stopped) {
            // Those without an answer are asked again, and no answer that came with the end makes rows of them.
            let silent = |reading: &mut Reading| reading.error().is_some_and(|error| error.fault().is_trouble());
            self.in_flight.extend(self.done.extract_if(.., silent).map(|reading| reading.repository));
            self.in_flight.extend(ledger.forget_silent());
        }
        let cut = if may_resume { self.cut(&ledger) } else { None };
        let job = Job { done: std::mem::take(&mut self.done), page: None, cut };
        let closed = tokio::task::spawn_blocking(move || {
            let done = job.work(&mut ledger);
            let settled = if matches!(ended, Ended::Whole | Ended::Limited) { ledger.settle_silent() } else { Ok(()) };
            (ledger, done, settled, ended)
        });
        let (ledger, done, settled, ended) = closed.await.expect("the spool does not panic");
        let ended = match (done.error, settled, ended) {
            (Some(error), _, Ended::Whole | Ended::Limited) => Ended::Failed(error),
            (_, Err(error), Ended::Whole | Ended::Limited) => Ended::Failed(error.into()),
            (_, _, ended) => ended,
        };
        walked(ledger, ended, done.checkpoint)
    }
}

fn walked(ledger: Ledger, ended: Ended, resumable: bool) -> Walked {
    Walked { ended, books: ledger.books, spool: ledger.spool, resumable }
}

/// The next page; for ever nothing where there are no pages.
async fn next(pages: &mut Option<BoxStream<'_, Result<Page, RegistryError>>>) -> Option<Result<Page, RegistryError>> {
    match pages {
        Some(pages) => pages.next().await,
        None => std::future::pending().await,
    }
}

impl Job {
    fn work(self, ledger: &mut Ledger) -> JobDone {
        let mut outcome = JobDone { entered: None, error: None, left: Vec::new(), checkpoint: false };
        for reading in self.done {
            let repository = reading.repository.clone();
            if outcome.error.is_some() {
                outcome.left.push(repository);
            } else if let Err(error) = ledger.absorb(reading) {
                outcome.error = Some(error);
            }
        }
        if let (None, Some(page)) = (&outcome.error, self.page) {
            let (last, cursor) = (page.last, page.cursor.clone());
            match ledger.enter(page) {
                Ok(entered) => {
                    let limited = entered.limited;
                    let pages = match cursor {
                        _ if last || limited => Pages::Over { limited },
                        Some(cursor) => Pages::Until(cursor),
                        None => Pages::Lost,
                    };
                    outcome.entered = Some((entered, pages));
                }
                Err(error) => outcome.error = Some(error),
            }
        }
        if let Some(cut) = self.cut {
            match Self::checkpoint(cut, ledger, &outcome) {
                Ok(written) => outcome.checkpoint = written,
                Err(error) => outcome.error = outcome.error.or(Some(error.into())),
            }
        }
        outcome
    }

    /// Writes the checkpoint down; false if there is none. One that cannot be written is tried again when the next is due,
    /// and without one a later run begins anew: no reason to end this one, as long as its rows are all there.
    ///
    /// # Errors
    /// If rows were lost on the way.
    fn checkpoint(mut cut: Cut, ledger: &mut Ledger, outcome: &JobDone) -> Result<bool, SpoolError> {
        cut.pending.extend(outcome.left.iter().chain(&ledger.silent()).map(ToString::to_string));
        if let Some((entered, pages)) = &outcome.entered {
            cut.pending.extend(entered.to_read.iter().map(ToString::to_string));
            cut.pages = pages.clone();
        }
        cut.books = ledger.books.clone();
        if cut.pages == Pages::None && cut.books.is_empty() || cut.pages == Pages::Lost {
            return Ok(false);
        }
        let Err(error) = ledger.spool.checkpoint(&cut) else { return Ok(true) };
        if ledger.spool.is_broken() {
            return Err(error);
        }
        warn!("no checkpoint of this walk is written, the walk goes on: {}", chain(&error));
        Ok(false)
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
