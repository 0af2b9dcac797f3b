//! One repository, read as deep as was asked for. Knows no spool; what went wrong is part of what was found.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::RunError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::Depth;
use super::images::Images;
use super::notes::Notes;
use crate::clock;
use crate::registry::{Contents, Fault, Names, Place, RegistryError, Resolved, Tags};
use crate::snapshot::{Known, KnownRepository, ManifestRow, RepositoryState};

/// How many manifests, layers and entries of indexes are held in memory, of all repositories under way together: some
/// 300 MiB. A hundred thousand images of ten layers in one repository are within it; what somebody pushes in order to
/// fill our memory is not.
pub(super) const ROOM: usize = 1_000_000;
/// How many bytes of labels and annotations are held beside them; for a moment each is held twice. Where an image's find
/// no room its row says so, and the next run reads them: build tools write up to some hundred kilobytes into a label.
pub(super) const TEXT_ROOM: usize = 128 << 20;

/// Reads repositories.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    pub(super) contents: &'a dyn Contents,
    /// What the last snapshot holds.
    pub(super) known: Option<Arc<Known>>,
    pub(super) depth: Depth,
    /// Requests of one repository under way at once.
    pub(super) width: usize,
    /// A permit for each of [`ROOM`].
    pub(super) room: Arc<Semaphore>,
    /// A permit for each byte of [`TEXT_ROOM`].
    pub(super) texts: Arc<Semaphore>,
}

/// What became of one repository.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) repository: Arc<str>,
    pub(super) monitored: bool,
    pub(super) observed_at: DateTime<Utc>,
    /// An error where not even its tags could be listed.
    pub(super) found: Result<Found, RegistryError>,
}

/// Memory that is taken: each is kept until the rows are in the spool.
#[derive(Debug, Default)]
pub(super) struct Room {
    parts: Option<OwnedSemaphorePermit>,
    texts: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for so many of `semaphore`; none where others have it.
    fn of(semaphore: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
        semaphore.clone().try_acquire_many_owned(u32::try_from(count).ok()?).ok()
    }

    /// Takes over what another one holds.
    pub(super) fn merge(&mut self, other: Self) {
        for (held, more) in [(&mut self.parts, other.parts), (&mut self.texts, other.texts)] {
            match (held, more) {
                (Some(held), Some(more)) => held.merge(more),
                (none, more @ Some(_)) => *none = more,
                (_, None) => {}
            }
        }
    }
}

/// What a repository holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tags: Names,
    /// Whether the server wrote `null` instead of a list of tags.
    pub(super) null: bool,
    /// What the tags point to, in their order; empty where that was not asked.
    pub(super) targets: Vec<Option<Resolved>>,
    pub(super) manifests: Vec<ManifestRow>,
    pub(super) notes: Notes,
    /// The first error, if not all could be read that is there.
    pub(super) cut_short: Option<RegistryError>,
    /// Manifests and configurations that a tag or an index leads to, and that the registry says are not there.
    pub(super) missing: u64,
    /// Requests that were not needed, as the last snapshot had the answer.
    pub(super) saved: u64,
    /// What the fetched manifests take of [`ROOM`] and [`TEXT_ROOM`].
    pub(super) room: Room,
}

impl Found {
    /// Notes something about this repository.
    pub(super) fn note(&mut self, place: &Place, note: RunError) {
        debug!(repository = %place.repository, code = note.code, "noted: {}", note.message);
        self.notes.add(RunError { repository: Some(place.repository.to_string()), ..note });
    }
}

impl Reading {
    /// The error that ends the whole walk: no other repository would fare better.
    pub(super) fn fatal(&self) -> Option<&RegistryError> {
        self.error().filter(|e| matches!(e.fault(), Fault::CredentialsRejected | Fault::SecretUnreadable))
    }

    /// What went wrong, if anything did that keeps the repository from being known wholly.
    pub(super) fn error(&self) -> Option<&RegistryError> {
        match &self.found {
            Ok(found) => found.cut_short.as_ref(),
            Err(error) => Some(error),
        }
    }

    /// The state in its row, and the code that goes with it.
    pub(super) fn state(&self) -> (RepositoryState, Option<&'static str>) {
        let Some(error) = self.error() else { return (RepositoryState::Complete, None) };
        let fault = error.fault();
        let state = match fault {
            Fault::Denied => RepositoryState::Denied,
            Fault::Gone => RepositoryState::Gone,
            _ => RepositoryState::Error,
        };
        (state, Some(fault.as_str()))
    }
}

impl Reader<'_> {
    /// Reads a repository; a monitored one with its tags at least.
    pub(super) async fn read(&self, place: Place, monitored: bool) -> Reading {
        let depth = if monitored { self.depth.max(Depth::Tags) } else { self.depth };
        let found = self.found(&place, depth).await;
        Reading { repository: place.repository, monitored, observed_at: clock::now(), found }
    }

    async fn found(&self, place: &Place, depth: Depth) -> Result<Found, RegistryError> {
        let Tags { names, invalid, invalid_count, null } = self.contents.tags(place).await?;
        let mut found = Found { tags: names, null, ..Found::default() };
        if invalid_count > 0 {
            let message = format!("tags that break the specification's grammar are left out: {}", invalid.join(", "));
            let count = i64::try_from(invalid_count).unwrap_or(i64::MAX);
            found.note(place, RunError { count, ..RunError::of_run("tag_invalid", message) });
        }
        if depth == Depth::Manifests {
            let known = self.known(&place.repository).await;
            found = Images::new(self, place, known, found).read().await;
        }
        Ok(found)
    }

    /// Room for a manifest and so many layers and entries; none where others have it.
    pub(super) fn room_for_parts(&self, count: usize) -> Option<Room> {
        Room::of(&self.room, 1 + count).map(|parts| Room { parts: Some(parts), texts: None })
    }

    /// Room for so many bytes of labels or annotations.
    pub(super) fn room_for_texts(&self, bytes: usize) -> Option<Room> {
        Room::of(&self.texts, bytes).map(|texts| Room { parts: None, texts: Some(texts) })
    }

    async fn known(&self, repository: &Arc<str>) -> KnownRepository {
        let Some(known) = self.known.clone() else { return KnownRepository::default() };
        let name = repository.clone();
        let looked_up = tokio::task::spawn_blocking(move || known.of(&name)).await;
        match looked_up.expect("looking up does not panic") {
            Ok(known) => known,
            Err(error) => {
                // All is fetched anew then: slower, and as right.
                debug!(%repository, "the last snapshot cannot be read: {error}");
                KnownRepository::default()
            }
        }
    }
}
