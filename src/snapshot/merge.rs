//! Merges sorted segments into one sorted, unique stream. Holds one batch of each segment in memory.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use stocktake_sink::Table;

use super::keys::RowKeys;
use super::limit::{BatchLimit, ORDERED_BATCH};
use super::segment::{self, SegmentReader};

/// The rows of several segments in order; of equal keys only the row of the earliest segment. Each segment is sorted
/// and unique in itself.
pub(super) struct Merge {
    table: Table,
    /// A binary min-heap by (current row's key, segment's place); kept by hand because comparing needs the batches.
    heap: Vec<SegmentCursor>,
    /// The batches that rows of `picked` point into.
    batches: Vec<RecordBatch>,
    picked: Vec<(usize, usize)>,
    /// About how many bytes the picked rows take.
    picked_bytes: usize,
    last: Option<(Arc<RowKeys>, usize)>,
}

struct SegmentCursor {
    place: usize,
    reader: SegmentReader,
    keys: Arc<RowKeys>,
    rows: usize,
    at: usize,
    /// What a row of the current batch takes on average.
    row_bytes: usize,
    /// Where the current batch stands in `Merge::batches`.
    batch: usize,
}

impl SegmentCursor {
    fn precedes(&self, other: &Self) -> bool {
        self.keys.at(self.at).cmp(&other.keys.at(other.at)).then(self.place.cmp(&other.place)).is_lt()
    }
}

impl Merge {
    /// Opens all segments, the earliest written first.
    pub(super) fn open<'a>(table: Table, segments: impl IntoIterator<Item = &'a Path>) -> Result<Self, ArrowError> {
        let (heap, batches, picked) = (Vec::new(), Vec::new(), Vec::new());
        let mut merge = Self { table, heap, batches, picked, picked_bytes: 0, last: None };
        for (place, path) in segments.into_iter().enumerate() {
            let mut reader = segment::read(path)?;
            if let Some(batch) = reader.next().transpose()? {
                let keys = Arc::new(RowKeys::of(table, &batch)?);
                let (rows, row_bytes) = (batch.num_rows(), row_bytes(&batch)?);
                merge.heap.push(SegmentCursor {
                    place,
                    reader,
                    keys,
                    rows,
                    at: 0,
                    row_bytes,
                    batch: merge.batches.len(),
                });
                merge.batches.push(batch);
            }
        }
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(at);
        }
        Ok(merge)
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.heap[child].precedes(&self.heap[least]) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    /// Takes the least row, unless its key was taken already; false when no row is left.
    fn step(&mut self) -> Result<bool, ArrowError> {
        let Some(least) = self.heap.first() else { return Ok(false) };
        let repeated = self.last.as_ref().is_some_and(|(keys, row)| keys.at(*row) == least.keys.at(least.at));
        if !repeated {
            self.picked.push((least.batch, least.at));
            self.picked_bytes += least.row_bytes;
            self.last = Some((Arc::clone(&least.keys), least.at));
        }
        self.advance(1)?;
        Ok(true)
    }

    /// Whether the least row begins a batch whose rows are all yet to come, and no other row comes between them: so it
    /// is nearly always where a registry lists in order, or its repositories are read in nearly that order.
    fn is_whole(&self) -> bool {
        let Some(least) = self.heap.first().filter(|least| least.at == 0) else { return false };
        let end = least.keys.at(least.rows - 1);
        // One of these two is the least of all others.
        let precedes = self.heap.iter().skip(1).take(2).all(|other| end < other.keys.at(other.at));
        precedes && self.last.as_ref().is_none_or(|(keys, row)| keys.at(*row) < least.keys.at(0))
    }

    /// Takes the least row's batch as it is.
    fn take_whole(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(least) = self.heap.first() else { return Ok(None) };
        let (batch, rows) = (self.batches[least.batch].clone(), least.rows);
        self.last = Some((Arc::clone(&least.keys), rows - 1));
        self.advance(rows)?;
        self.forget_used_batches();
        Ok(Some(batch))
    }

    /// Whether the picked rows make a batch: a small one will do where the next rows are a batch already.
    fn is_full(&self) -> bool {
        let BatchLimit { rows, bytes } = ORDERED_BATCH;
        let fills = |parts: usize| self.picked.len() * parts >= rows || self.picked_bytes * parts >= bytes;
        fills(1) || (fills(4) && self.is_whole())
    }

    /// Passes over rows of the least cursor's batch, and puts it where it then belongs.
    fn advance(&mut self, rows: usize) -> Result<(), ArrowError> {
        let Some(least) = self.heap.first_mut() else { return Ok(()) };
        least.at += rows;
        if least.at == least.rows {
            match least.reader.next().transpose()? {
                Some(batch) => {
                    least.keys = Arc::new(RowKeys::of(self.table, &batch)?);
                    (least.rows, least.row_bytes) = (batch.num_rows(), row_bytes(&batch)?);
                    least.at = 0;
                    least.batch = self.batches.len();
                    self.batches.push(batch);
                }
                None => drop(self.heap.swap_remove(0)),
            }
        }
        self.sift_down(0);
        Ok(())
    }

    /// The next rows, about as many as [`ORDERED_BATCH`] says; none at the end.
    fn fill(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.is_whole() {
            return self.take_whole();
        }
        while !self.is_full() && self.step()? {}
        if self.picked.is_empty() {
            return Ok(None);
        }
        let all: Vec<&RecordBatch> = self.batches.iter().collect();
        let merged = interleave_record_batch(&all, &self.picked)?;
        self.picked.clear();
        self.picked_bytes = 0;
        self.forget_used_batches();
        Ok(Some(merged))
    }

    fn forget_used_batches(&mut self) {
        let current = self.heap.iter().map(|cursor| self.batches[cursor.batch].clone()).collect();
        self.batches = current;
        for (place, cursor) in self.heap.iter_mut().enumerate() {
            cursor.batch = place;
        }
    }
}

fn row_bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    Ok(segment::size(batch)? / batch.num_rows().max(1))
}

impl Iterator for Merge {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill().transpose()
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
