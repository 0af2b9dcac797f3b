//! Where requests wait for their turn: one at a time and in order, but for those that have had a turn already. It does
//! not know how long a turn is.

use tokio::sync::{Mutex, MutexGuard};

/// A queue with two entrances.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    queue: Mutex<()>,
    door: Mutex<()>,
}

/// The head of the line. The next request is there as soon as this is dropped.
pub(crate) struct QueueHead<'l> {
    _queue: Option<MutexGuard<'l, ()>>,
    _door: MutexGuard<'l, ()>,
}

impl Queue {
    /// Waits to be the next. A request that is sent again, or that had to get a new token in its turn, goes `first`: it
    /// waits for the request at the head, and for those that go first as well.
    pub(crate) async fn head(&self, first: bool) -> QueueHead<'_> {
        let queue = if first { None } else { Some(self.queue.lock().await) };
        QueueHead { _queue: queue, _door: self.door.lock().await }
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
