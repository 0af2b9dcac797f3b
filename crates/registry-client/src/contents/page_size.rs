//! The page size of requests for tags.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::paging::page::MODEST;

/// The page size to request: the configured one, until the registry refuses it. docker-registry ignores the size and
/// returns all tags at once; Quay returns 100 for any size. Without a size, other registries would return their own
/// default, often 100.
#[derive(Debug)]
pub(crate) struct PageSize {
    pub(crate) asked: AtomicU32,
    /// Whether the registry returns all tags at once, for any size and any `last`.
    pub(crate) whole: AtomicBool,
}

impl PageSize {
    pub(crate) fn new(configured: u32) -> Self {
        Self { asked: AtomicU32::new(configured), whole: AtomicBool::new(false) }
    }

    /// None: the registry's own size. `n=0` is never sent: some registries answer with an empty page.
    pub(crate) fn get(&self) -> Option<u32> {
        Some(self.asked.load(Ordering::Relaxed)).filter(|size| *size > 0)
    }

    /// Notes that a size was refused, unless another request has noted it meanwhile.
    pub(crate) fn refused(&self, size: u32) {
        let smaller = if size > MODEST { MODEST } else { 0 };
        self.asked.fetch_min(smaller, Ordering::Relaxed);
    }

    pub(crate) fn are_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    pub(crate) fn note_whole(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }
}
