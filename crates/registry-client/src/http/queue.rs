//! A queue of requests: one at a time and in order, except that requests that have already had a turn go first. The
//! queue does not know how long a turn is.

use tokio::sync::{Mutex, MutexGuard};

/// A queue in which some requests go first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<()>,
    head_lock: Mutex<()>,
}

/// The head of the queue. When it is dropped, the next request becomes the head.
pub(crate) struct QueueHead<'l> {
    _waiting: Option<MutexGuard<'l, ()>>,
    _head: MutexGuard<'l, ()>,
}

impl Queue {
    /// Waits to become the head of the queue. A request that is sent again, or that had to fetch a new token in its
    /// turn, goes `first`: it waits only for the head and for other requests that go first.
    pub(crate) async fn head(&self, first: bool) -> QueueHead<'_> {
        let queue = if first { None } else { Some(self.waiting.lock().await) };
        QueueHead { _waiting: queue, _head: self.head_lock.lock().await }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use parking_lot::Mutex as Shared;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_order_and_one_that_goes_first_waits_for_the_head_alone() {
        let (line, order) = (Queue::default(), Shared::new(Vec::new()));
        let one = async |number: u64, first: bool| {
            sleep(Duration::from_millis(number)).await;
            let _head = line.head(first).await;
            order.lock().push(number);
            sleep(Duration::from_secs(1)).await;
        };
        join_all([one(1, false), one(2, false), one(3, false), one(4, false), one(5, true), one(6, true)]).await;
        assert_eq!(*order.lock(), [1, 5, 6, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_holds_nobody_up() {
        let line = Queue::default();
        let head = line.head(false).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), line.head(false)).await.is_err());
        drop(head);
        line.head(false).await;
    }
}
