//! Records a walk: counts what was listed, kept and read, and writes rows to the spool. Blocks, and knows no network.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use stocktake_sink::RunError;
use tracing::debug;

use super::notes::Notes;
use super::reading::RepositoryReading;
use super::repository_contents::RepositoryContents;
use super::seen_names::SeenNames;
use super::taken_names::TakenNames;
use super::{Depth, WalkError, WalkSettings};
use crate::registry::chain;
use crate::registry::{Fault, Page, RegistryError};
use crate::snapshot::{
    MonitoredNames, RepositoryRow, RepositoryState, Spool, SpoolError, TagRow, UnreadRepositories, UnreadRepository,
};

/// How many invalid names are kept to be shown.
const INVALID_EXAMPLES: usize = 10;

/// From so many names on, all looking met is no accident: the odds are 1 in 10^32, and of ten million names still 1 in
/// 10^16.
const CONCLUSIVE_NAMES: usize = 16;

/// How many reasons why the list may be incomplete are kept; all are counted.
const SHORTFALLS: usize = 100;

/// After so many repositories in a row without an answer the server is gone, and asking for each of the others, with
/// all retries, would take the whole night.
const SILENT_REPOSITORIES: usize = 10;
/// Most repositories that are kept back until it is clear whether the server is still there; so many server errors in a
/// row are taken for its end as well.
const MOST_SILENT: usize = 64;

/// How many of the first names of the list are remembered.
const FIRST_NAMES: usize = 16;

/// Counts of a walk. A checkpoint stores them; one of an earlier version lacks some.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WalkCounts {
    /// Pages recorded.
    pub pages: u64,
    /// Names listed, before include and exclude; a name listed twice counts twice.
    pub listed: u64,
    /// Names kept; one listed twice counts once where repositories are read or their number is limited.
    pub kept: u64,
    /// Names that break the grammar; no rows are made of them.
    pub invalid: u64,
    /// The first of them, escaped and cut.
    pub invalid_examples: Vec<String>,
    /// The first reasons why the list may be incomplete.
    pub shortfalls: Vec<RunError>,
    /// How many such reasons there are.
    pub shortfall_count: u64,
    /// Repositories read as far as was asked for.
    pub read: u64,
    /// Repositories that were refused or read in part.
    pub unreadable: u64,
    /// The first of those by name, and why.
    pub unread: UnreadRepositories,
    /// Repositories that were listed and did not exist when they were read.
    pub gone: u64,
    /// Of the unreadable ones, those of which not even the tags could be listed, by the kind of failure.
    pub unlisted: BTreeMap<String, Unlisted>,
    /// Repositories for which the server wrote `null` instead of a list of tags.
    pub null: u64,
    /// Repositories that have at least one tag.
    pub tagged: u64,
    /// Tags that lead to a digest.
    pub digests: u64,
    /// Manifests and configurations that a tag or an index leads to, and that the registry says are not there.
    pub missing: u64,
    /// Monitored repositories.
    pub monitored: u64,
    /// Requests for manifests and configurations that were not needed, as the last snapshot had the answer.
    pub saved: u64,
    /// The first names of the list, excluded ones among them: a server that begins again is known by them.
    pub(super) first: Vec<String>,
    pub(super) notes: Notes,
}

/// Repositories whose tags could not be listed, all for the same kind of failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlisted {
    /// How many.
    pub count: u64,
    /// The first of them: what happened.
    pub message: String,
    /// What to do about that.
    pub remedy: String,
}

/// The counts and the spool of one walk.
#[derive(Debug)]
pub(super) struct WalkRecorder {
    pub(super) spool: Spool,
    pub(super) counts: WalkCounts,
    settings: WalkSettings,
    monitored: MonitoredNames,
    seen: SeenNames,
    taken: TakenNames,
    /// Whether a repository was left out because of `max_repositories`. A later page does not reset this.
    limited: bool,
    /// Of a resumed walk: the repositories still to be read, until a page has shown that the cursor works.
    unproven: Option<HashSet<String>>,
    /// The latest repositories, if the server did not answer for them. They get rows when the server answers again.
    silent: Vec<RepositoryReading>,
}

/// A page that was recorded.
#[derive(Debug)]
pub(super) struct EnteredPage {
    /// The repositories on it that are to be read.
    pub(super) to_read: Vec<Arc<str>>,
    /// Whether `max_repositories` is reached and the registry may list more.
    pub(super) limited: bool,
}

impl WalkRecorder {
    /// A walk that begins with the first page.
    pub(super) fn new(spool: Spool, settings: WalkSettings) -> Self {
        let count = settings.monitored.len() as u64;
        let counts = WalkCounts { kept: count, monitored: count, ..WalkCounts::default() };
        let (seen, monitored) = (SeenNames::default(), settings.monitored.iter().collect());
        let taken = TakenNames::default();
        let (limited, unproven, silent) = (false, None, Vec::new());
        Self { spool, counts, settings, monitored, seen, taken, limited, unproven, silent }
    }

    /// A walk that was interrupted.
    ///
    /// # Errors
    /// If its rows cannot be read back; with what is left.
    pub(super) fn resumed(
        mut spool: Spool,
        counts: WalkCounts,
        pending: &[String],
        settings: WalkSettings,
    ) -> Result<Self, (Box<Self>, SpoolError)> {
        let monitored = settings.monitored.iter().collect();
        let names = || pending.iter().map(String::as_str);
        let before = SeenNames::resumed(&mut spool, names(), &monitored)
            .and_then(|seen| Ok((seen, TakenNames::resumed(&mut spool, names())?)));
        let ((seen, taken), error) = match before {
            Ok(before) => (before, None),
            Err(error) => (Default::default(), Some(error)),
        };
        let unproven = (counts.pages > 0).then(|| pending.iter().cloned().collect());
        let (limited, silent) = (false, Vec::new());
        let recorder = Self { spool, counts, settings, monitored, seen, taken, limited, unproven, silent };
        match error {
            Some(error) => Err((Box::new(recorder), error)),
            None => Ok(recorder),
        }
    }

    /// Enters a page.
    pub(super) fn enter(&mut self, mut page: Page) -> Result<EnteredPage, WalkError> {
        if self.is_astray(&page)? {
            return Err(WalkError::Astray);
        }
        let counts = &mut self.counts;
        if counts.pages == 0 {
            counts.first = page.names.iter().take(FIRST_NAMES).map(str::to_owned).collect();
        }
        counts.pages += 1;
        counts.listed += page.names.len() as u64 + page.invalid_count;
        counts.invalid += page.invalid_count;
        let room = INVALID_EXAMPLES.saturating_sub(counts.invalid_examples.len());
        counts.invalid_examples.extend(page.invalid.drain(..).take(room));
        let room = SHORTFALLS.saturating_sub(counts.shortfalls.len());
        counts.shortfall_count += page.shortfalls.len() as u64;
        let shortfalls = page.shortfalls.drain(..).take(room);
        counts.shortfalls.extend(shortfalls.map(|one| RunError::of_run(one.code, one.message)));

        for remark in page.remarks.drain(..) {
            counts.notes.add(RunError::of_run(remark.code, remark.message));
        }

        let progressed = page.proven_new || self.seen.note(&page.names, &mut self.spool, &self.monitored)?;
        // After the last page there is nothing to loop over: the list may have shifted while it was read.
        if !progressed && !page.last && self.confirm_repetition(&page)? {
            return Err(WalkError::NoProgress { page: page.number });
        }

        let max = self.settings.max_repositories;
        let reads = self.settings.depth > Depth::Repositories;
        let mut to_read: Vec<Arc<str>> = Vec::new();
        for name in page.names.iter().filter(|name| self.settings.filter.accepts(name)) {
            // Those were read first, whatever the list says.
            if self.monitored.contains(name) {
                continue;
            }
            // Rows of names alone are unique in the spool; whatever is read or counted is to be so before.
            if (reads || max > 0) && !self.taken.take(name, &mut self.spool)? {
                continue;
            }
            if max > 0 && self.counts.kept >= max {
                self.limited = true;
                break;
            }
            self.counts.kept += 1;
            if reads {
                self.taken.wait(name);
                to_read.push(name.into());
            } else {
                self.spool.push(&listed(name, page.received_at))?;
            }
        }
        let limited = self.limited || (max > 0 && self.counts.kept >= max && !page.last);
        Ok(EnteredPage { to_read, limited })
    }

    /// Whether the first page after an earlier walk's cursor does not come after what that walk listed. One met name is
    /// enough, since a server that lists in another order now would leave out others; so is the end of the list, which
    /// is also all that some servers have to say to a cursor they do not know.
    fn is_astray(&mut self, page: &Page) -> Result<bool, SpoolError> {
        let Some(pending) = self.unproven.take().filter(|_| !page.proven_new) else { return Ok(false) };
        if page.names.is_empty() {
            return Ok(page.last && page.invalid_count == 0);
        }
        // Monitored ones have rows before they are listed.
        let names: HashSet<&str> = page.names.iter().filter(|name| !self.monitored.contains(name)).collect();
        let first = self.counts.first.iter();
        let mut met = first.chain(&pending).any(|name| names.contains(name.as_str()));
        if !met {
            self.spool.visit(|name| met |= names.contains(name))?;
        }
        Ok(met)
    }

    /// Whether a page whose names all look met really repeats. The filter errs once in a hundred names, once in ten
    /// when it holds ten million, so many names are proof enough; few are looked up among the rows, where excluded ones
    /// are not to be found, and monitored ones whether they were listed or not.
    fn confirm_repetition(&mut self, page: &Page) -> Result<bool, SpoolError> {
        if page.names.len() >= CONCLUSIVE_NAMES {
            return Ok(true);
        }
        let tells = |name: &str| self.settings.filter.accepts(name) && !self.monitored.contains(name);
        Ok(page.names.iter().all(tells) && self.spool.holds_all(page.names.iter())?)
    }

    /// Records one repository. An error here ends the walk.
    pub(super) fn absorb(&mut self, reading: RepositoryReading) -> Result<(), WalkError> {
        if let Some(fatal) = reading.fatal() {
            return Err(WalkError::Registry(fatal.clone()));
        }
        if let Some(error) = reading.error().filter(|error| error.fault().is_trouble()) {
            let error = error.clone();
            self.silent.push(reading);
            // Where tags came, the server was there: what is silent may be the storage behind it.
            let in_a_row = || self.silent.iter().rev().map_while(|reading| reading.found.as_ref().err());
            let unanswered = in_a_row().filter(|error| error.fault() != Fault::ServerError).count();
            if unanswered >= SILENT_REPOSITORIES || in_a_row().count() >= MOST_SILENT {
                return Err(WalkError::Registry(error));
            }
            return if self.silent.len() < MOST_SILENT { Ok(()) } else { Ok(self.settle_silent()?) };
        }
        self.settle_silent()?;
        Ok(self.write(reading)?)
    }

    /// Writes rows for the repositories for which the server did not answer.
    pub(super) fn settle_silent(&mut self) -> Result<(), SpoolError> {
        std::mem::take(&mut self.silent).into_iter().try_for_each(|reading| self.write(reading))
    }

    /// Drops the repositories for which the server did not answer; returns their names.
    pub(super) fn forget_silent(&mut self) -> Vec<Arc<str>> {
        self.silent.drain(..).map(|reading| reading.repository).collect()
    }

    /// The repositories for which no answer came and no rows are made yet.
    pub(super) fn silent(&self) -> Vec<Arc<str>> {
        self.silent.iter().map(|reading| reading.repository.clone()).collect()
    }

    fn write(&mut self, reading: RepositoryReading) -> Result<(), SpoolError> {
        let (state, error_code) = reading.state();
        match state {
            RepositoryState::Complete => self.counts.read += 1,
            RepositoryState::Gone => self.counts.gone += 1,
            RepositoryState::Denied | RepositoryState::Error => {
                self.counts.unreadable += 1;
                reading.error().into_iter().for_each(|error| self.counts.could_not_read(&reading.repository, error));
            }
        }
        let RepositoryReading { repository, monitored, observed_at, found } = reading;
        // A list of tags is whole or not there at all.
        let tag_count = found.as_ref().ok().map(|found| i64::try_from(found.tags.len()).unwrap_or(i64::MAX));
        self.spool.push(&RepositoryRow {
            observed_at,
            repository: &repository,
            tag_count,
            state,
            error_code,
            monitored,
        })?;
        self.taken.written(&repository);
        match found {
            Ok(found) => self.write_found(&repository, observed_at, found),
            Err(error) => {
                debug!(%repository, "not read: {}", chain(&error));
                self.counts.could_not_list(&error);
                let note = RunError::of_run(error.fault().as_str(), chain(&error));
                self.counts.notes.add(RunError { repository: Some(repository.to_string()), ..note });
                Ok(())
            }
        }
    }

    fn write_found(
        &mut self,
        repository: &str,
        observed_at: DateTime<Utc>,
        found: RepositoryContents,
    ) -> Result<(), SpoolError> {
        for (at, tag) in found.tags.iter().enumerate() {
            let target = found.targets.get(at).and_then(Option::as_ref);
            self.spool.push_tag(&TagRow {
                observed_at,
                repository,
                tag,
                digest: target.map(|target| target.digest.as_str()),
                media_type: target.map(|target| target.media_type.as_str()).filter(|media_type| !media_type.is_empty()),
                size_bytes: target.and_then(|target| target.size),
            })?;
        }
        for manifest in &found.manifests {
            self.spool.push_manifest(manifest)?;
        }
        self.counts.null += u64::from(found.null);
        self.counts.tagged += u64::from(!found.tags.is_empty());
        self.counts.digests += found.targets.iter().flatten().count() as u64;
        self.counts.missing += found.missing;
        self.counts.saved += found.saved;
        self.counts.notes.append(found.notes);
        Ok(())
    }
}

impl WalkCounts {
    /// Notes a repository that could not be read, or only in part.
    fn could_not_read(&mut self, repository: &str, error: &RegistryError) {
        let code = error.fault().as_str();
        let cause = error.known_cause().map_or_else(|| code.to_owned(), |known| format!("{code} {}", known.id()));
        let unread =
            UnreadRepository { repository: repository.to_owned(), code: code.to_owned(), message: chain(error) };
        self.unread.add(&cause, unread, error.remedy());
    }

    /// Counts a repository whose tags could not be listed. That it is gone is an answer.
    fn could_not_list(&mut self, error: &RegistryError) {
        if error.fault() == Fault::Gone {
            return;
        }
        let first = || Unlisted { count: 0, message: chain(error), remedy: error.remedy() };
        self.unlisted.entry(error.fault().as_str().to_owned()).or_insert_with(first).count += 1;
    }

    /// How many repositories there are whose tags could not be listed.
    pub fn unlisted_count(&self) -> u64 {
        self.unlisted.values().map(|unlisted| unlisted.count).sum()
    }

    /// Whether nothing was recorded yet.
    pub(super) fn is_empty(&self) -> bool {
        self.pages + self.read + self.unreadable + self.gone == 0
    }
}

/// A repository of which nothing but its name was asked for.
fn listed(repository: &str, observed_at: DateTime<Utc>) -> RepositoryRow<'_> {
    let (tag_count, error_code, monitored) = (None, None, false);
    RepositoryRow { observed_at, repository, tag_count, state: RepositoryState::Complete, error_code, monitored }
}
