//! The page size of requests for tags.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// After so many repositories in a row whose pages were refused in every size, no smaller size is tried any more: the
/// registry refuses for another reason.
const IN_VAIN: u32 = 8;

/// The page size to request: the configured one, until the registry refuses it. docker-registry ignores the size and
/// returns all tags at once; Quay returns 100 for any size. Without a size, other registries would return their own
/// default, often 100.
#[derive(Debug)]
pub(crate) struct PageSize {
    pub(crate) asked: AtomicU32,
    /// Whether the registry returns all tags at once, for any size and any `last`.
    pub(crate) whole: AtomicBool,
    /// For how many repositories smaller sizes have not helped, in a row.
    in_vain: AtomicU32,
}

impl PageSize {
    pub(crate) fn new(configured: u32) -> Self {
        Self { asked: AtomicU32::new(configured), whole: AtomicBool::new(false), in_vain: AtomicU32::new(0) }
    }

    /// None: the registry's own size. `n=0` is never sent: some registries answer with an empty page.
    pub(crate) fn get(&self) -> Option<u32> {
        Some(self.asked.load(Ordering::Relaxed)).filter(|size| *size > 0)
    }

    /// Notes the size that was accepted after a larger one was refused; none for a request without a size.
    pub(crate) fn lowered(&self, accepted: Option<u32>) {
        self.asked.fetch_min(accepted.unwrap_or(0), Ordering::Relaxed);
        self.in_vain.store(0, Ordering::Relaxed);
    }

    /// Notes that a page was refused in every size.
    pub(crate) fn lowered_in_vain(&self) {
        self.in_vain.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a refused page is worth a request in a smaller size.
    pub(crate) fn is_worth_less(&self) -> bool {
        self.in_vain.load(Ordering::Relaxed) < IN_VAIN
    }

    pub(crate) fn are_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    pub(crate) fn note_whole(&self) {
        self.whole.store(true, Ordering::Relaxed);
    }
}
