//! One registry's pages become rows in the spool. Knows no verdict and no sink.

mod seen;
mod settings;

use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

pub use settings::{Depth, NameFilter, WalkSettings};

use crate::discovery::Discovery;
use crate::registry::{Page, RegistryError};
use crate::snapshot::{RepositoryRow, RepositoryState, Spool, SpoolError};
use seen::Seen;

/// Counters that others may read while a walk goes on.
#[derive(Debug, Default)]
pub struct Progress {
    pages: AtomicU64,
    listed: AtomicU64,
}

impl Progress {
    /// Pages handled so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Names listed so far, before include and exclude.
    pub fn listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }
}

/// How a walk ended.
#[derive(Debug)]
pub enum Ended {
    /// After the last page.
    Whole,
    /// At `max_repositories`, before the last page or name.
    Limited,
    /// By the stop token.
    Stopped,
    /// By an error.
    Failed(WalkError),
}

/// What ends a walk early.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The server sends names we have, over and over.
    #[error("catalog page {page} holds no name that was not listed before: the server has lost its place")]
    NoProgress {
        /// The page, from 1.
        page: u64,
    },
    /// The state directory's disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What a walk leaves.
#[derive(Debug)]
pub struct Walked {
    /// How it ended.
    pub ended: Ended,
    /// Catalog pages handled.
    pub pages: u64,
    /// Names listed, before include and exclude; a name listed twice counts twice.
    pub listed: u64,
    /// Names that break the grammar; no rows are made of them.
    pub invalid: u64,
    /// The first of them, escaped and cut.
    pub invalid_examples: Vec<String>,
    /// The rows.
    pub spool: Spool,
}

/// Walks a registry to its end, or to the first error. Rows reach `spool` in bounded memory.
///
/// # Panics
/// If writing to the spool panics.
pub async fn walk(
    discovery: &dyn Discovery,
    spool: Spool,
    settings: &WalkSettings,
    progress: &Progress,
    stop: &CancellationToken,
) -> Walked {
    let mut pages = discovery.pages(None);
    let mut ledger = Ledger::new(spool, settings.clone());
    let ended = loop {
        let page = tokio::select! {
            biased;
            () = stop.cancelled() => break Ended::Stopped,
            page = pages.next() => page,
        };
        match page {
            None => break Ended::Whole,
            Some(Err(e)) => break Ended::Failed(e.into()),
            Some(Ok(page)) => {
                progress.pages.fetch_add(1, Ordering::Relaxed);
                progress.listed.fetch_add(page.names.len() as u64 + page.invalid_count, Ordering::Relaxed);
                // Sorting and writing block; the next page is under way meanwhile.
                let entered = tokio::task::spawn_blocking(move || {
                    let outcome = ledger.enter(page);
                    (ledger, outcome)
                });
                let outcome;
                (ledger, outcome) = entered.await.expect("the spool does not panic");
                match outcome {
                    Ok(true) => {}
                    Ok(false) => break Ended::Limited,
                    Err(e) => break Ended::Failed(e),
                }
            }
        }
    };
    ledger.close(ended)
}

/// The walk's books: what was listed, what was kept.
#[derive(Debug)]
struct Ledger {
    spool: Spool,
    settings: WalkSettings,
    seen: Seen,
    pages: u64,
    listed: u64,
    kept: u64,
    invalid: u64,
    invalid_examples: Vec<String>,
}

/// How many invalid names are kept to be shown.
const INVALID_EXAMPLES: usize = 10;

/// From so many names on, all looking met is no accident: the odds are 1 in 10^32, and of ten million names still 1 in
/// 10^16.
const CONCLUSIVE_NAMES: usize = 16;

impl Ledger {
    fn new(spool: Spool, settings: WalkSettings) -> Self {
        Self {
            spool,
            settings,
            seen: Seen::default(),
            pages: 0,
            listed: 0,
            kept: 0,
            invalid: 0,
            invalid_examples: Vec::new(),
        }
    }

    /// Enters a page; false if the configured number of repositories is reached and there would be more.
    fn enter(&mut self, mut page: Page) -> Result<bool, WalkError> {
        self.pages += 1;
        self.listed += page.names.len() as u64 + page.invalid_count;
        self.invalid += page.invalid_count;
        let room = INVALID_EXAMPLES.saturating_sub(self.invalid_examples.len());
        self.invalid_examples.extend(page.invalid.drain(..).take(room));

        let progressed = self.seen.note(&page.names, &mut self.spool)?;
        // After the last page there is nothing to loop over: the list may have shifted while it was read.
        if !progressed && !page.last && self.confirm_repetition(&page)? {
            return Err(WalkError::NoProgress { page: page.number });
        }

        let max = self.settings.max_repositories;
        for name in page.names.iter().filter(|name| self.settings.filter.accepts(name)) {
            if max > 0 && self.kept == max {
                return Ok(false);
            }
            self.kept += 1;
            self.spool.push(&RepositoryRow {
                observed_at: page.received_at,
                repository: name,
                tag_count: None,
                state: RepositoryState::Complete,
                error_code: None,
                monitored: false,
            })?;
        }
        Ok(max == 0 || self.kept < max || page.last)
    }

    /// Whether a page whose names all look met really repeats. The filter errs once in a hundred names, once in ten when it
    /// holds ten million, so many names
    /// are proof enough; few are looked up among the rows, where excluded ones are not to be found.
    fn confirm_repetition(&mut self, page: &Page) -> Result<bool, SpoolError> {
        if page.names.len() >= CONCLUSIVE_NAMES {
            return Ok(true);
        }
        Ok(page.names.iter().all(|name| self.settings.filter.accepts(name))
            && self.spool.holds_all(page.names.iter())?)
    }

    fn close(self, ended: Ended) -> Walked {
        Walked {
            ended,
            pages: self.pages,
            listed: self.listed,
            invalid: self.invalid,
            invalid_examples: self.invalid_examples,
            spool: self.spool,
        }
    }
}

#[cfg(test)]
mod tests;
