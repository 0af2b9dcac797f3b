//! Reads one repository to the configured depth. Knows no spool; errors are part of the result.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use stocktake_sink::RunError;
use tracing::debug;

use super::Depth;
use super::manifests::ManifestReader;
use super::memory::MemoryBudget;
use super::repository_contents::RepositoryContents;
use crate::clock;
use crate::registry::Contents;
use crate::registry::Fault;
use crate::registry::RegistryError;
use crate::registry::RepositoryRef;
use crate::registry::Tags;
use crate::snapshot::{KnownRepository, RepositoryState, SnapshotLookup};

/// Reads repositories.
#[derive(Clone, Debug)]
pub(super) struct ContentsReader<'a> {
    pub(super) contents: &'a dyn Contents,
    /// What the last snapshot holds.
    pub(super) known: Option<Arc<SnapshotLookup>>,
    pub(super) depth: Depth,
    /// Requests of one repository under way at once.
    pub(super) width: usize,
    /// The memory that all repositories share while they are read.
    pub(super) memory: MemoryBudget,
}

/// The result of reading one repository.
#[derive(Debug)]
pub(super) struct RepositoryReading {
    pub(super) repository: Arc<str>,
    pub(super) monitored: bool,
    pub(super) observed_at: DateTime<Utc>,
    /// An error where not even its tags could be listed.
    pub(super) found: Result<RepositoryContents, RegistryError>,
}

impl RepositoryReading {
    /// The error that ends the whole walk, because every other repository would fail as well.
    pub(super) fn fatal(&self) -> Option<&RegistryError> {
        self.error().filter(|e| matches!(e.fault(), Fault::CredentialsRejected | Fault::SecretUnreadable))
    }

    /// The error because of which the repository was not read completely.
    pub(super) fn error(&self) -> Option<&RegistryError> {
        match &self.found {
            Ok(found) => found.cut_short.as_ref(),
            Err(error) => Some(error),
        }
    }

    /// The row's `state` and `error_code`.
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

impl ContentsReader<'_> {
    /// Reads a repository; a monitored one with its tags at least.
    pub(super) async fn read(&self, place: RepositoryRef, monitored: bool) -> RepositoryReading {
        let depth = if monitored { self.depth.max(Depth::Tags) } else { self.depth };
        let found = self.found(&place, depth).await;
        RepositoryReading { repository: place.repository, monitored, observed_at: clock::now(), found }
    }

    async fn found(&self, place: &RepositoryRef, depth: Depth) -> Result<RepositoryContents, RegistryError> {
        let Tags { names, invalid, invalid_count, null } = self.contents.tags(place).await?;
        let mut found = RepositoryContents { tags: names, null, ..RepositoryContents::default() };
        if invalid_count > 0 {
            let message = format!("tags that break the specification's grammar are left out: {}", invalid.join(", "));
            let count = i64::try_from(invalid_count).unwrap_or(i64::MAX);
            found.note(place, RunError { count, ..RunError::of_run("tag_invalid", message) });
        }
        if depth == Depth::Manifests {
            let known = self.known(&place.repository).await;
            found = ManifestReader::new(self.contents, self.width, &self.memory, place, known, found).read().await;
        }
        Ok(found)
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
