//! How large a batch of rows gets, in memory and on disk.

/// A batch or buffer is full at this many rows or this many bytes, whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchLimit {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// A batch where many segments are read at once: 256 of them, one batch of each in memory, stay within 32 MiB.
pub(super) const MERGED_BATCH: BatchLimit = BatchLimit { rows: 2048, bytes: 128 * 1024 };

/// A batch where rows come in order and one segment takes them all: large enough to amortise a batch's headers. Some
/// four thousand repositories, two and a half thousand tags, two to three hundred manifests.
pub(super) const ORDERED_BATCH: BatchLimit = BatchLimit { rows: 4096, bytes: 512 * 1024 };
