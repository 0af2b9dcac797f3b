//! One task at a time until something has been proven, such as that a password is right. So a wrong password is sent
//! once, and not by all requests in flight at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Whether something has been proven, and the turn of the task that tries it before that.
#[derive(Debug, Default)]
pub(crate) struct ProveFirst {
    proven: AtomicBool,
    turn: Arc<Mutex<()>>,
}

/// The turn of a task. When it is dropped, the next task gets its turn.
#[derive(Debug)]
pub(crate) struct FirstTurn(#[allow(dead_code)] OwnedMutexGuard<()>); // held, never read

impl ProveFirst {
    /// Whether it has been proven.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// Notes that it has been proven. Tasks that wait for a turn then continue, all of them.
    pub(crate) fn prove(&self) {
        self.proven.store(true, Ordering::Release);
    }

    /// Waits for a turn. None if it has been proven by then: no turn is needed.
    pub(crate) async fn turn(&self) -> Option<FirstTurn> {
        if self.is_proven() {
            return None;
        }
        let turn = self.turn.clone().lock_owned().await;
        (!self.is_proven()).then_some(FirstTurn(turn))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn tasks_go_one_at_a_time_until_it_has_proven_good_and_then_all_at_once() {
        let first = ProveFirst::default();
        let turn = first.turn().await.expect("nothing is proven");
        let (mut second, mut third) = (Box::pin(first.turn()), Box::pin(first.turn()));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        first.prove();
        drop(turn);
        assert!(second.await.is_none() && third.await.is_none());
        assert!(first.turn().await.is_none() && first.is_proven());
    }

    #[tokio::test]
    async fn a_turn_that_proves_nothing_goes_to_the_next() {
        let first = ProveFirst::default();
        drop(first.turn().await);
        assert!(first.turn().await.is_some() && !first.is_proven());
    }

    #[tokio::test]
    async fn a_task_that_is_cancelled_in_its_turn_or_while_it_waits_blocks_no_other() {
        let first = ProveFirst::default();
        let turn = first.turn().await;
        assert!(timeout(Duration::ZERO, first.turn()).await.is_err(), "it waits, and is cancelled");
        drop(turn);
        assert!(first.turn().await.is_some());
    }
}
