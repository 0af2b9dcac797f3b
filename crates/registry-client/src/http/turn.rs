//! A permit to have one request in flight, and the request's turn to begin.

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// What is left of a request's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The request may begin now.
    Whole,
    /// A request to another endpoint may begin in its place, as far as the pace is concerned.
    Pace,
    /// The turn has been used.
    Over,
}

/// A permit to have one request in flight, and perhaps the turn to begin it now.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) turn: Mutex<Turn>,
}

impl Admission {
    /// Gives the turn to a request for a token.
    pub(crate) fn lend_turn(&self) {
        let mut turn = self.turn();
        if *turn == Turn::Whole {
            *turn = Turn::Pace;
        }
    }

    /// Notes that the turn has passed while the request waited for a token: requests that waited for the same token
    /// must not all begin at once.
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
    /// Attempts that count towards the bound of the retry policy.
    pub(crate) charged: u32,
    /// The time of the first attempt.
    pub(crate) begun: Instant,
    /// The time of the latest attempt.
    pub(crate) sent: Instant,
    /// Since when, and how often, the request has been refused with 429.
    pub(crate) turned_away: Option<(Instant, u32)>,
}

impl Tries {
    /// Before the first attempt.
    pub(crate) fn none() -> Self {
        let now = Instant::now();
        Self { charged: 0, begun: now, sent: now, turned_away: None }
    }
}
