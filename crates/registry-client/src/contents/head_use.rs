//! Whether HEAD is useful in this run.

use parking_lot::Mutex;

use crate::concurrency::prove_first::ProveFirst;

/// Whether HEAD is useful in this run.
#[derive(Debug, Default)]
pub(crate) struct HeadUse {
    pub(crate) pause: Mutex<HeadPause>,
    /// The first tag is resolved alone. So if HEAD is refused or gets no answer, one request finds out, and not all
    /// requests in flight.
    pub(crate) first: ProveFirst,
}

impl HeadUse {
    /// Whether to resolve the next tag with HEAD.
    pub(crate) fn are_wanted(&self) -> bool {
        let mut pause = self.pause();
        if pause.last == 0 {
            return true;
        }
        if pause.left > 0 {
            pause.left -= 1;
            return false;
        }
        !std::mem::replace(&mut pause.probing, true)
    }

    pub(crate) fn worked(&self) {
        let mut pause = self.pause();
        if pause.last != u64::MAX {
            *pause = HeadPause::default();
        }
    }

    /// Uses no HEAD for a while. HEADs that were in flight at the same time failed together, and count once.
    pub(crate) fn failed(&self) {
        let mut pause = self.pause();
        if pause.last == 0 || pause.probing {
            let length = pause.last.max(1).saturating_mul(REST);
            *pause = HeadPause { left: length, last: length, probing: false };
        }
    }

    /// Notes that a HEAD has shown nothing about further ones.
    pub(crate) fn unsettled(&self) {
        self.pause().probing = false;
    }

    /// Uses no HEAD any more.
    pub(crate) fn give_up(&self) {
        *self.pause() = HeadPause { left: u64::MAX, last: u64::MAX, probing: false };
    }

    pub(crate) fn pause(&self) -> parking_lot::MutexGuard<'_, HeadPause> {
        self.pause.lock()
    }
}

#[derive(Debug, Default)]
pub(crate) struct HeadPause {
    /// For how many further tags no HEAD is used.
    pub(crate) left: u64,
    /// The number of tags of the last pause; 0 before the first.
    pub(crate) last: u64,
    /// Whether one HEAD is in flight to test whether HEAD works again.
    pub(crate) probing: bool,
}

/// For how many tags no HEAD is used after a failure that may pass. With each further failure, the number is multiplied
/// by this: if a server does not answer HEAD, each costs the time limit of a request.
pub(crate) const REST: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn tags_until_wanted(heads: &HeadUse) -> u64 {
        (0..100_000).take_while(|_| !heads.are_wanted()).count() as u64
    }

    #[test]
    fn after_a_failure_head_is_left_alone_for_longer_each_time_until_it_works() {
        let heads = HeadUse::default();
        assert!(heads.are_wanted());
        for pause in [16, 256, 4096] {
            heads.failed();
            // HEADs that were in flight at the same time.
            heads.failed();
            assert_eq!(tags_until_wanted(&heads), pause);
            assert!(!heads.are_wanted(), "one looks whether it works again");
        }
        heads.worked();
        assert!(heads.are_wanted());
        heads.failed();
        assert_eq!(tags_until_wanted(&heads), 16);
        heads.unsettled();
        assert!(heads.are_wanted(), "that one found nothing out");
    }

    #[test]
    fn a_head_that_is_given_up_is_not_tried_again() {
        let heads = HeadUse::default();
        heads.give_up();
        heads.failed();
        assert!((0..100_000).all(|_| !heads.are_wanted()));
    }
}
