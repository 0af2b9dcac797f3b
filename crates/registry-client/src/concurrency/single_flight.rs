//! One run of an operation at a time. Tasks that waited for a run share its failure and do not try again one by one.
//! The operation stores its result, where the tasks find it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The runs of one operation that may fail with `E`.
#[derive(Debug)]
pub(crate) struct SingleFlight<E> {
    finished: AtomicU64,
    /// Locked while the operation runs; the failure of the last run, if it failed.
    failed: Mutex<Option<E>>,
}

impl<E> Default for SingleFlight<E> {
    fn default() -> Self {
        Self { finished: AtomicU64::new(0), failed: Mutex::new(None) }
    }
}

impl<E: Clone> SingleFlight<E> {
    /// Returns what `ready` finds. Otherwise runs the operation, unless a run that began meanwhile has failed. `ready`
    /// is called again when the lock is held. A run that is cancelled does not count.
    pub(crate) async fn run<T>(
        &self,
        ready: impl Fn() -> Option<T>,
        operation: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let finished = self.finished.load(Ordering::Acquire);
        if let Some(found) = ready() {
            return Ok(found);
        }
        let mut failed = self.failed.lock().await;
        if let Some(found) = ready() {
            return Ok(found);
        }
        if let Some(error) = failed.as_ref().filter(|_| self.finished.load(Ordering::Acquire) != finished) {
            return Err(error.clone());
        }
        let outcome = operation().await;
        *failed = outcome.as_ref().err().cloned();
        self.finished.fetch_add(1, Ordering::Release);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use futures::future::{join3, pending};
    use tokio::sync::Notify;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn tasks_that_waited_find_the_result_and_run_nothing() {
        let (flight, found, runs) = (SingleFlight::<&str>::default(), Cell::new(None), Cell::new(0));
        let one = || {
            flight.run(
                || found.get(),
                async || {
                    runs.set(runs.get() + 1);
                    tokio::task::yield_now().await;
                    found.set(Some(7));
                    Ok(7)
                },
            )
        };
        assert_eq!(join3(one(), one(), one()).await, (Ok(7), Ok(7), Ok(7)));
        assert_eq!(runs.get(), 1);
    }

    #[tokio::test]
    async fn tasks_that_waited_share_a_failure_and_a_later_one_tries_again() {
        let (flight, runs) = (SingleFlight::default(), Cell::new(0));
        let one = || {
            flight.run(
                || None::<u8>,
                async || {
                    runs.set(runs.get() + 1);
                    tokio::task::yield_now().await;
                    Err(runs.get())
                },
            )
        };
        assert_eq!(join3(one(), one(), one()).await, (Err(1), Err(1), Err(1)));
        assert_eq!(one().await, Err(2));
    }

    #[tokio::test]
    async fn a_run_that_is_cancelled_leaves_its_turn_to_the_next_and_no_failure() {
        let (flight, order, begun) = (SingleFlight::<&str>::default(), RefCell::new(Vec::new()), Notify::new());
        let cancelled = flight.run(
            || None::<u8>,
            async || {
                order.borrow_mut().push("cancelled");
                begun.notify_one();
                pending().await
            },
        );
        let next = async {
            begun.notified().await;
            flight
                .run(
                    || None,
                    async || {
                        order.borrow_mut().push("next");
                        Ok(1)
                    },
                )
                .await
        };
        let (cancelled, next) = futures::future::join(timeout(Duration::from_millis(1), cancelled), next).await;
        assert!(cancelled.is_err());
        assert_eq!((next, order.into_inner()), (Ok(1), vec!["cancelled", "next"]));
    }
}
