//! What HEAD has been good for in this run.

use parking_lot::Mutex;

use crate::concurrency::prove_first::ProveFirst;

/// What HEAD has been good for in this run.
#[derive(Debug, Default)]
pub(crate) struct HeadUse {
    pub(crate) rest: Mutex<HeadPause>,
    /// The first tag goes alone: where HEAD is refused or meets silence, that is learnt once and not by as many requests as
    /// may be in flight.
    pub(crate) first: ProveFirst,
}

impl HeadUse {
    /// Whether to ask for the next tag with HEAD.
    pub(crate) fn are_wanted(&self) -> bool {
        let mut rest = self.rest();
        if rest.last == 0 {
            return true;
        }
        if rest.left > 0 {
            rest.left -= 1;
            return false;
        }
        !std::mem::replace(&mut rest.probing, true)
    }

    pub(crate) fn worked(&self) {
        let mut rest = self.rest();
        if rest.last != u64::MAX {
            *rest = HeadPause::default();
        }
    }

    /// Leaves HEAD alone for a while. Those that were under way at the same time failed together, and count once.
    pub(crate) fn failed(&self) {
        let mut rest = self.rest();
        if rest.last == 0 || rest.probing {
            let length = rest.last.max(1).saturating_mul(REST);
            *rest = HeadPause { left: length, last: length, probing: false };
        }
    }

    /// Notes that a HEAD has taught nothing.
    pub(crate) fn unsettled(&self) {
        self.rest().probing = false;
    }

    /// Leaves HEAD alone for good.
    pub(crate) fn give_up(&self) {
        *self.rest() = HeadPause { left: u64::MAX, last: u64::MAX, probing: false };
    }

    pub(crate) fn rest(&self) -> parking_lot::MutexGuard<'_, HeadPause> {
        self.rest.lock()
    }
}

#[derive(Debug, Default)]
pub(crate) struct HeadPause {
    /// For how many further tags HEAD is left alone.
    pub(crate) left: u64,
    /// How long the last rest was; 0 before the first.
    pub(crate) last: u64,
    /// Whether one HEAD is under way to see whether it works again.
    pub(crate) probing: bool,
}

/// For how many tags HEAD is left alone after a failure that may pass. The next time it fails, for so many times as
/// many: a server that keeps silent about HEAD costs the time limit of a request each time.
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
        for rest in [16, 256, 4096] {
            heads.failed();
            // Those that were in flight with it.
            heads.failed();
            assert_eq!(tags_until_wanted(&heads), rest);
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
