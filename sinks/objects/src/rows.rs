//! The rows of one table, counted while a format reads them. Reading stops if there are too many, or if the publish was
//! dropped.

use stocktake_sink::{Abandoned, BatchIter, Snapshot, SnapshotError, Table};

/// An iterator over a table's batches that ends in an error unless exactly the sealed number of rows came.
pub(crate) struct Counted<'a> {
    batches: BatchIter<'a>,
    abandoned: &'a Abandoned,
    table: Table,
    sealed: u64,
    seen: u64,
    state: CountState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CountState {
    Reading,
    Exact,
    Failed,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, table: Table, abandoned: &'a Abandoned) -> Self {
        let (batches, sealed) = (snapshot.batches(table), snapshot.rows(table));
        Self { batches, abandoned, table, sealed, seen: 0, state: CountState::Reading }
    }

    /// Whether reading the rows failed.
    pub(crate) fn failed(&self) -> bool {
        self.state == CountState::Failed
    }

    /// The number of rows, if all were taken and are as many as were sealed.
    pub(crate) fn exact(&self) -> Option<u64> {
        (self.state == CountState::Exact).then_some(self.seen)
    }

    fn fail(&mut self, error: SnapshotError) -> SnapshotError {
        self.state = CountState::Failed;
        error
    }

    fn miscounted(&mut self, seen: &str) -> SnapshotError {
        let message = format!("{} rows were sealed, {seen} came", self.sealed);
        self.fail(SnapshotError::new(self.table, message))
    }
}

impl<'a> Iterator for Counted<'a> {
    type Item = <BatchIter<'a> as Iterator>::Item;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state != CountState::Reading {
            return None;
        }
        let next = self.batches.next();
        if self.abandoned.is_set() {
            return Some(Err(self.fail(SnapshotError::new(self.table, "this publish was abandoned"))));
        }
        match next {
            Some(Ok(batch)) => {
                self.seen += batch.num_rows() as u64;
                Some(if self.seen > self.sealed { Err(self.miscounted("more")) } else { Ok(batch) })
            }
            Some(Err(e)) => Some(Err(self.fail(e))),
            None if self.seen < self.sealed => Some(Err(self.miscounted(&self.seen.to_string()))),
            None => {
                self.state = CountState::Exact;
                None
            }
        }
    }
}
