//! How much memory the manifests of all repositories under way may take together, whatever the registry sends.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many manifests, layers and entries of indexes may be in memory, of all repositories together: about 300 MiB. A
/// repository with 90,000 images of ten layers fits; content that was pushed to fill our memory does not.
pub(super) const MOST_PARTS: usize = 1_000_000;
/// How many bytes of labels and annotations may be in memory beside them; for a moment each is there twice. If those of
/// an image do not fit, its row says so and the next run reads them: build tools write up to some hundred kilobytes
/// into a label.
pub(super) const MOST_TEXT_BYTES: usize = 128 << 20;

/// The memory that repositories under way share.
#[derive(Clone, Debug)]
pub(super) struct MemoryBudget {
    /// A permit for each of [`MOST_PARTS`].
    parts: Arc<Semaphore>,
    /// A permit for each byte of [`MOST_TEXT_BYTES`].
    texts: Arc<Semaphore>,
}

impl MemoryBudget {
    /// A budget of which nothing is reserved.
    pub(super) fn new() -> Self {
        Self::of(MOST_PARTS, MOST_TEXT_BYTES)
    }

    pub(super) fn of(parts: usize, text_bytes: usize) -> Self {
        Self { parts: Arc::new(Semaphore::new(parts)), texts: Arc::new(Semaphore::new(text_bytes)) }
    }

    /// Reserves memory for a manifest with this many layers and entries; `None` if other repositories hold too much.
    pub(super) fn reserve_parts(&self, count: usize) -> Option<ReservedMemory> {
        permits(&self.parts, 1 + count).map(|parts| ReservedMemory { parts: Some(parts), texts: None })
    }

    /// Reserves this many bytes for labels or annotations; `None` if other repositories hold too much.
    pub(super) fn reserve_texts(&self, bytes: usize) -> Option<ReservedMemory> {
        permits(&self.texts, bytes).map(|texts| ReservedMemory { parts: None, texts: Some(texts) })
    }

    /// The bytes of labels and annotations that are not reserved.
    #[cfg(test)]
    pub(super) fn free_text_bytes(&self) -> usize {
        self.texts.available_permits()
    }
}

fn permits(semaphore: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
    semaphore.clone().try_acquire_many_owned(u32::try_from(count).ok()?).ok()
}

/// Memory that is reserved until this is dropped, which is when the rows are in the spool.
#[derive(Debug, Default)]
pub(super) struct ReservedMemory {
    parts: Option<OwnedSemaphorePermit>,
    texts: Option<OwnedSemaphorePermit>,
}

impl ReservedMemory {
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
