//! The permission to have one request in flight, and its turn to begin.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What a request still has of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It may begin now.
    Whole,
    /// A request elsewhere may begin in its place, as far as the pace is concerned.
    Pace,
    /// It has been taken.
    Over,
}

/// The permission to have one request in flight, and perhaps the turn to begin it now.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) turn: Mutex<Turn>,
}

impl Admission {
    /// Gives the turn to a request for a token.
    pub(crate) fn give_way(&self) {
        let mut turn = self.turn();
        if *turn == Turn::Whole {
            *turn = Turn::Pace;
        }
    }

    /// Notes that the turn has passed while a token was waited for: those who waited for the same one are not to begin all
    /// at once.
    pub(crate) fn lose_turn(&self) {
        *self.turn() = Turn::Over;
    }

    pub(crate) fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock()
    }
}

/// How often a request has been sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    /// Attempts that count towards the policy's bound.
    pub(crate) charged: u32,
    /// When the latest was sent.
    pub(crate) sent: Instant,
    /// Since when, and how often, it has been turned away with 429.
    pub(crate) turned_away: Option<(Instant, u32)>,
}

impl Tries {
    /// Before the first attempt.
    pub(crate) fn none() -> Self {
        Self { charged: 0, sent: Instant::now(), turned_away: None }
    }
}
