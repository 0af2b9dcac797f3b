//! Rows that fail, are miscounted or wait. A sink must not publish them. Good rows are in [`super::rows`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use arrow::array::RecordBatch;
use parking_lot::{Condvar, Mutex};

use crate::snapshot::BatchIter;
use crate::{MemoryRows, Rows, SnapshotError, Table};

/// Rows that cannot be read to the end.
#[derive(Debug)]
pub(super) struct Failing(pub(super) Table, pub(super) Vec<RecordBatch>);

impl Rows for Failing {
    fn count(&self) -> u64 {
        MemoryRows::new(self.1.clone()).count()
    }

    fn batches(&self) -> BatchIter<'_> {
        let Self(table, batches) = self;
        let good = batches.iter().take(batches.len() / 2).cloned().map(Ok);
        let bad = std::iter::once_with(|| Err(SnapshotError::new(*table, "checksum mismatch")));
        // What follows an error must not be taken either.
        Box::new(good.chain(bad).chain(batches.iter().skip(batches.len() / 2).cloned().map(Ok)))
    }
}

/// Rows that announce another number than they give.
#[derive(Debug)]
pub(super) struct Miscounting {
    pub(super) announced: u64,
    pub(super) given: Vec<RecordBatch>,
}

impl Rows for Miscounting {
    fn count(&self) -> u64 {
        self.announced
    }

    fn batches(&self) -> BatchIter<'_> {
        Box::new(self.given.iter().cloned().map(Ok))
    }
}

/// Rows that stop half way until they are let go.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    batches: Vec<RecordBatch>,
    gate: Arc<ReaderGate>,
}

#[derive(Debug, Default)]
struct ReaderGate {
    reached: AtomicBool,
    waker: Mutex<Option<Waker>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Waiting {
    pub(super) fn new(batches: Vec<RecordBatch>) -> Self {
        Self { batches, gate: Arc::default() }
    }

    /// Whether a reader waits at the gate. If not, `waker` is woken when a reader arrives.
    pub(super) fn is_reached(&self, waker: &Waker) -> bool {
        *self.gate.waker.lock() = Some(waker.clone());
        self.gate.reached.load(Ordering::SeqCst)
    }

    /// Lets every reader pass, now and later.
    pub(super) fn let_go(&self) {
        *self.gate.open.lock() = true;
        self.gate.opened.notify_all();
    }
}

impl ReaderGate {
    fn wait(&self) {
        self.reached.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
        // The wait is bounded, because a sink may read on the thread that would call `let_go`.
        let mut open = self.open.lock();
        self.opened.wait_while_for(&mut open, |open| !*open, Duration::from_secs(5));
    }
}

impl Rows for Waiting {
    fn count(&self) -> u64 {
        MemoryRows::new(self.batches.clone()).count()
    }

    fn batches(&self) -> BatchIter<'_> {
        let half = self.batches.len() / 2;
        Box::new(self.batches.iter().enumerate().map(move |(i, batch)| {
            if i == half {
                self.gate.wait();
            }
            Ok(batch.clone())
        }))
    }
}
