//! Runs a walk: records a page while the next one arrives and repositories are read. Decides nothing about them.

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

use super::memory::MemoryBudget;
use super::reading::{ContentsReader, RepositoryReading};
use super::recorder::{WalkCounts, WalkRecorder};
use super::recording::{RecordingResult, RecordingTask};
use super::unfinished::{ListPosition, WalkCheckpoint};
use super::{WalkEnd, WalkError, WalkOutcome, WalkProgress, WalkSettings, WalkSources, WalkStart};
use crate::clock;
use crate::registry::Fault;
use crate::registry::Page;
use crate::registry::RegistryError;
use crate::registry::RepositoryRef;
use crate::snapshot::MonitoredNames;

/// How much of a walk is lost if the process is killed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// No further page is fetched while more names than this wait to be read: two pages of the usual size.
const AHEAD: usize = 2000;
/// No further repository is read while more than this wait to be recorded: the disk may be slower than the registry.
const HELD: usize = 4 * BATCH;
/// Repositories recorded together; few, so that a server that is gone is noticed soon.
const BATCH: usize = 16;

/// Walks a registry to its end, or to the first error that is not one repository's alone. Rows reach the spool in
/// bounded memory.
///
/// # Panics
/// If writing to the spool panics.
pub async fn walk(
    sources: &WalkSources<'_>,
    start: WalkStart,
    settings: &WalkSettings,
    progress: &WalkProgress,
    stop: &CancellationToken,
) -> WalkOutcome {
    let mut driver = match Driver::begin(sources, start, settings, progress) {
        Ok(driver) => driver,
        Err(walked) => return *walked,
    };
    let ended = driver.run(sources, stop).await;
    driver.close(ended).await
}

struct Checkpoints {
    fingerprint: String,
    begun_at: DateTime<Utc>,
    due: Instant,
}

struct Driver<'a> {
    reader: ContentsReader<'a>,
    progress: &'a WalkProgress,
    monitored: MonitoredNames,
    /// `None` while a recording task has it.
    recorder: Option<WalkRecorder>,
    at_work: Option<JoinHandle<(WalkRecorder, RecordingResult)>>,
    /// How far the list of names is recorded.
    pages: ListPosition,
    waiting: VecDeque<RepositoryRef>,
    in_flight: HashSet<Arc<str>>,
    done: Vec<RepositoryReading>,
    checkpoints: Option<Checkpoints>,
    /// Whether the cursor of an interrupted walk is not yet known to work.
    unproven: bool,
}

impl<'a> Driver<'a> {
    fn begin(
        sources: &WalkSources<'a>,
        start: WalkStart,
        settings: &'a WalkSettings,
        progress: &'a WalkProgress,
    ) -> Result<Self, Box<WalkOutcome>> {
        let reader = ContentsReader {
            contents: sources.contents,
            known: sources.known.clone(),
            depth: settings.depth,
            width: sources.concurrency.get(),
            memory: MemoryBudget::new(),
        };
        let checkpoints =
            |fingerprint, begun_at| Checkpoints { fingerprint, begun_at, due: Instant::now() + CHECKPOINT_EVERY };
        let (recorder, pages, to_read, checkpoints) = match start {
            WalkStart::Fresh { spool, fingerprint } => {
                let first: Vec<Arc<str>> = settings.monitored.iter().map(|name| name.as_str().into()).collect();
                let checkpoints = fingerprint.map(|fingerprint| checkpoints(fingerprint, clock::now()));
                (WalkRecorder::new(spool, settings.clone()), ListPosition::None, first, checkpoints)
            }
            WalkStart::Unfinished(unfinished) => {
                let WalkCheckpoint { fingerprint, begun_at, pages, pending, counts, .. } = unfinished.cut;
                let recorder = match WalkRecorder::resumed(unfinished.spool, counts, &pending, settings.clone()) {
                    Ok(recorder) => recorder,
                    Err((recorder, error)) => {
                        return Err(Box::new(walked(*recorder, WalkEnd::Stale(error.into()), false)));
                    }
                };
                let pending = pending.into_iter().map(Arc::from).collect();
                (recorder, pages, pending, Some(checkpoints(fingerprint, begun_at)))
            }
        };
        progress.pages.store(recorder.counts.pages, Ordering::Relaxed);
        progress.listed.store(recorder.counts.listed, Ordering::Relaxed);
        let WalkCounts { read, unreadable, gone, .. } = recorder.counts;
        progress.read.store(read + unreadable + gone, Ordering::Relaxed);
        progress.to_read.store(read + unreadable + gone, Ordering::Relaxed);
        progress.is_list_whole.store(false, Ordering::Relaxed);
        let unproven = matches!(pages, ListPosition::Until(_));
        let mut driver = Self {
            reader,
            progress,
            monitored: settings.monitored.iter().collect(),
            recorder: Some(recorder),
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
        self.progress.to_read.fetch_add(repositories.len() as u64, Ordering::Relaxed);
        self.waiting.extend(RepositoryRef::together(repositories.iter().cloned()));
    }

    async fn run(&mut self, sources: &WalkSources<'a>, stop: &CancellationToken) -> WalkEnd {
        let discovery = sources.discovery;
        let mut pages = match &self.pages {
            ListPosition::None | ListPosition::Lost => Some(discovery.pages(None)),
            ListPosition::Until(cursor) => Some(discovery.pages(Some(cursor))),
            ListPosition::Over { .. } => None,
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
            let is_list_whole = pages.is_none() && arrived.is_none() && self.recorder.is_some();
            self.progress.is_list_whole.fetch_or(is_list_whole, Ordering::Relaxed);
            let nothing_comes = pages.is_none() && reading.is_empty() && self.waiting.is_empty();
            if self.recorder.is_some() {
                let enough = self.done.len() >= BATCH || (nothing_comes && !self.done.is_empty());
                if arrived.is_some() || enough || self.is_checkpoint_due() {
                    self.send(arrived.take());
                } else if nothing_comes {
                    return if self.pages == (ListPosition::Over { limited: true }) {
                        WalkEnd::Limited
                    } else {
                        WalkEnd::Whole
                    };
                }
            }
            let wants_page = pages.is_some() && arrived.is_none() && self.waiting.len() < AHEAD;
            tokio::select! {
                biased;
                () = stop.cancelled() => return WalkEnd::Stopped,
                Some(worked) = OptionFuture::from(self.at_work.as_mut()) => {
                    let done = self.back(worked.expect("the spool does not panic"));
                    if let Some(error) = done.error {
                        return self.failure(error);
                    }
                    if matches!(self.pages, ListPosition::Over { .. }) {
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

    fn received(&mut self, reading: RepositoryReading) {
        self.progress.read.fetch_add(1, Ordering::Relaxed);
        if let Ok(found) = &reading.found {
            self.progress.tags.fetch_add(found.tags.len() as u64, Ordering::Relaxed);
        }
        self.in_flight.remove(&reading.repository);
        self.done.push(reading);
    }

    /// How an error ends the walk, or only the attempt to resume an interrupted walk.
    fn failure(&self, error: WalkError) -> WalkEnd {
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
        if self.unproven && stale { WalkEnd::Stale(error) } else { WalkEnd::Failed(error) }
    }

    fn is_checkpoint_due(&self) -> bool {
        self.checkpoints.as_ref().is_some_and(|checkpoints| Instant::now() >= checkpoints.due)
    }

    /// Starts a recording task with what has arrived.
    fn send(&mut self, page: Option<Page>) {
        let Some(mut recorder) = self.recorder.take() else { return };
        let done = std::mem::take(&mut self.done);
        let mut cut = None;
        if self.is_checkpoint_due()
            && let Some(checkpoints) = &mut self.checkpoints
        {
            // Also if there is nothing to write: otherwise the next task would start at once.
            checkpoints.due = Instant::now() + CHECKPOINT_EVERY;
            cut = self.cut(&recorder);
        }
        let job = RecordingTask { done, page, cut };
        // Sorting and writing block; the next page and repositories are under way meanwhile.
        self.at_work = Some(tokio::task::spawn_blocking(move || {
            let done = job.work(&mut recorder);
            (recorder, done)
        }));
    }

    fn back(&mut self, (recorder, mut done): (WalkRecorder, RecordingResult)) -> RecordingResult {
        self.recorder = Some(recorder);
        self.at_work = None;
        if let Some((entered, pages)) = done.entered.take() {
            self.unproven = false;
            self.pages = pages;
            self.wait(&entered.to_read);
        }
        // These are read again if the walk is resumed.
        self.in_flight.extend(done.left.drain(..));
        done
    }

    /// The checkpoint of this moment; `None` if a walk cannot be resumed from it.
    fn cut(&self, recorder: &WalkRecorder) -> Option<WalkCheckpoint> {
        let checkpoints = self.checkpoints.as_ref().filter(|_| self.pages != ListPosition::Lost)?;
        let waiting = self.waiting.iter().map(|place| &place.repository);
        Some(WalkCheckpoint {
            fingerprint: checkpoints.fingerprint.clone(),
            begun_at: checkpoints.begun_at,
            ended_at: clock::now(),
            pages: self.pages.clone(),
            pending: self.in_flight.iter().chain(waiting).map(ToString::to_string).collect(),
            counts: recorder.counts.clone(),
        })
    }

    /// Ends the walk: records what was read, and writes a checkpoint if another run can resume the walk.
    async fn close(mut self, ended: WalkEnd) -> WalkOutcome {
        if let Some(at_work) = self.at_work.take() {
            let worked = at_work.await.expect("the spool does not panic");
            self.back(worked);
        }
        let Some(mut recorder) = self.recorder.take() else { unreachable!("the recorder is back") };
        let may_resume = match &ended {
            WalkEnd::Stopped => true,
            WalkEnd::Failed(WalkError::Registry(error)) => error.fault().is_trouble(),
            _ => false,
        };
        if may_resume && !matches!(ended, WalkEnd::Stopped) {
            // Repositories without an answer get no rows: the resumed walk asks for them again.
            let silent =
                |reading: &mut RepositoryReading| reading.error().is_some_and(|error| error.fault().is_trouble());
            self.in_flight.extend(self.done.extract_if(.., silent).map(|reading| reading.repository));
            self.in_flight.extend(recorder.forget_silent());
        }
        let cut = if may_resume { self.cut(&recorder) } else { None };
        let job = RecordingTask { done: std::mem::take(&mut self.done), page: None, cut };
        let closed = tokio::task::spawn_blocking(move || {
            let done = job.work(&mut recorder);
            let settled =
                if matches!(ended, WalkEnd::Whole | WalkEnd::Limited) { recorder.settle_silent() } else { Ok(()) };
            (recorder, done, settled, ended)
        });
        let (recorder, done, settled, ended) = closed.await.expect("the spool does not panic");
        let ended = match (done.error, settled, ended) {
            (Some(error), _, WalkEnd::Whole | WalkEnd::Limited) => WalkEnd::Failed(error),
            (_, Err(error), WalkEnd::Whole | WalkEnd::Limited) => WalkEnd::Failed(error.into()),
            (_, _, ended) => ended,
        };
        walked(recorder, ended, done.checkpoint)
    }
}

fn walked(recorder: WalkRecorder, ended: WalkEnd, resumable: bool) -> WalkOutcome {
    WalkOutcome { ended, counts: recorder.counts, spool: recorder.spool, resumable }
}

/// The next page; never returns if there are no pages.
async fn next(pages: &mut Option<BoxStream<'_, Result<Page, RegistryError>>>) -> Option<Result<Page, RegistryError>> {
    match pages {
        Some(pages) => pages.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
