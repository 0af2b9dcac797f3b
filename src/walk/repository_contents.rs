//! The contents of one repository, and the errors that occurred while they were read.

use stocktake_sink::RunError;
use tracing::debug;

use super::memory::ReservedMemory;
use super::notes::Notes;
use crate::registry::Names;
use crate::registry::RegistryError;
use crate::registry::RepositoryRef;
use crate::registry::Resolved;
use crate::snapshot::ManifestRow;

/// What a repository holds.
#[derive(Debug, Default)]
pub(super) struct RepositoryContents {
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
    /// What the fetched manifests take of the memory budget.
    pub(super) memory: ReservedMemory,
}

impl RepositoryContents {
    /// Notes something about this repository.
    pub(super) fn note(&mut self, place: &RepositoryRef, note: RunError) {
        debug!(repository = %place.repository, code = note.code, "noted: {}", note.message);
        self.notes.add(RunError { repository: Some(place.repository.to_string()), ..note });
    }
}
