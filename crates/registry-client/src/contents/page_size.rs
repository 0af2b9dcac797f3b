//! The page size to ask for tags with.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::paging::page::MODEST;

/// The page size to ask for: the configured one, until the registry refuses it. docker-registry ignores it and gives all
/// tags at once, Quay gives 100 whatever is asked; others would take their own default, often 100, as an answer.
#[derive(Debug)]
pub(crate) struct PageSize {
    pub(crate) asked: AtomicU32,
    /// Whether the registry was seen to give all tags at once, whatever size and place it is asked for.
    pub(crate) whole: AtomicBool,
}

impl PageSize {
    pub(crate) fn new(configured: u32) -> Self {
        Self { asked: AtomicU32::new(configured), whole: AtomicBool::new(false) }
    }

    /// None: the registry's own. Never `n=0`, which is an empty page to some.
    pub(crate) fn get(&self) -> Option<u32> {
        Some(self.asked.load(Ordering::Relaxed)).filter(|size| *size > 0)
    }

    /// Notes that a size was refused, for all that follows: other requests may have learnt more meanwhile.
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
