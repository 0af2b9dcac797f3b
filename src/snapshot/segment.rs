//! One file of sorted, unique rows in the Arrow IPC file format, compressed. Its footer is written last, so a truncated
//! file is an error. The footer also stores the first repository of each batch.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IntoInnerError};
use std::path::Path;

use arrow::array::{Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use super::cells::text_column;
use super::disk_retry::{DiskRetry, RetryingFile};
use super::limit::{BatchLimit, MERGED_BATCH, ORDERED_BATCH};

/// One of Zstandard's fast levels: the spool is read back soon and thrown away. LZ4 would be no faster here: its
/// encoder is made, and its tables cleared, anew for each buffer of each batch, while Zstandard's is kept.
const ZSTD_LEVEL: i32 = -5;

/// The key in the footer's metadata under which a JSON list holds each batch's first repository.
const FIRST_REPOSITORIES: &str = "stocktake.first_repositories";

pub(super) type SegmentReader = FileReader<BufReader<File>>;

pub(super) struct SegmentWriter {
    writer: FileWriter<BufWriter<RetryingFile>>,
    rows: u64,
    widest: usize,
    first_repositories: Vec<String>,
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SegmentWriter {
    /// A new file; there must be none.
    pub(super) fn create(path: &Path, schema: &SchemaRef, disk_retry: &DiskRetry) -> Result<Self, ArrowError> {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))?
            .try_with_compression_level(Some(ZSTD_LEVEL))?;
        let file = BufWriter::with_capacity(256 * 1024, RetryingFile::create(path, disk_retry)?);
        let writer = FileWriter::try_new_with_options(file, schema, options)?;
        Ok(Self { writer, rows: 0, widest: 0, first_repositories: Vec::new() })
    }

    /// Appends rows in order, which must follow all earlier ones.
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let (rows, bytes) = (batch.num_rows(), size(batch)?);
        let step = rows_within(&ORDERED_BATCH, rows, bytes);
        for start in (0..rows).step_by(step) {
            let piece = step.min(rows - start);
            self.write(&batch.slice(start, piece), bytes / rows * piece)?;
        }
        Ok(())
    }

    /// Appends these rows of a batch, which in this order must follow all earlier ones. Pieces are small, for such
    /// segments are read many at once.
    pub(super) fn append_in_order(&mut self, batch: &RecordBatch, order: &[u32]) -> Result<(), ArrowError> {
        let (rows, bytes) = (batch.num_rows(), size(batch)?);
        for piece in order.chunks(rows_within(&MERGED_BATCH, rows, bytes)) {
            let sorted = take_record_batch(batch, &UInt32Array::from(piece.to_vec()))?;
            self.write(&sorted, size(&sorted)?)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch, bytes: usize) -> Result<(), ArrowError> {
        self.first_repositories.push(text_column(batch, "repository")?.value(0).to_owned());
        self.rows += batch.num_rows() as u64;
        self.widest = self.widest.max(bytes);
        self.writer.write(batch)
    }

    /// About how many bytes the largest batch takes in memory.
    pub(super) fn widest(&self) -> usize {
        self.widest
    }

    /// Closes the file without making it durable; returns its rows.
    pub(super) fn finish(self) -> Result<u64, ArrowError> {
        self.close().map(|(rows, _)| rows)
    }

    /// Closes the file and makes it durable; returns its rows.
    pub(super) fn finish_durably(self) -> Result<u64, ArrowError> {
        let (rows, file) = self.close()?;
        file.sync_all()?;
        Ok(rows)
    }

    fn close(mut self) -> Result<(u64, File), ArrowError> {
        let firsts = serde_json::to_string(&self.first_repositories).map_err(io::Error::from)?;
        self.writer.write_metadata(FIRST_REPOSITORIES, firsts);
        self.writer.finish()?;
        let file = self.writer.into_inner()?.into_inner().map_err(IntoInnerError::into_error)?;
        Ok((self.rows, file.into_file()))
    }
}

/// The batches of a segment, in order; none is empty.
pub(super) fn read(path: &Path) -> Result<SegmentReader, ArrowError> {
    FileReader::try_new_buffered(File::open(path)?, None)
}

/// The same of these columns alone, as far as the file has them; others are not decoded.
pub(super) fn read_columns(path: &Path, columns: &[&str]) -> Result<SegmentReader, ArrowError> {
    let schema = read(path)?.schema();
    let projection = columns.iter().filter_map(|name| schema.index_of(name).ok()).collect();
    FileReader::try_new_buffered(File::open(path)?, Some(projection))
}

/// What was opened; none if there is no such file.
pub(super) fn if_there(opened: Result<SegmentReader, ArrowError>) -> Result<Option<SegmentReader>, ArrowError> {
    match opened {
        Ok(reader) => Ok(Some(reader)),
        Err(ArrowError::IoError(_, e)) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The repository that each batch begins with; none in a file of a version that did not write them.
pub(super) fn first_repositories(reader: &SegmentReader) -> Option<Vec<String>> {
    let firsts: Vec<String> = serde_json::from_str(reader.custom_metadata().get(FIRST_REPOSITORIES)?).ok()?;
    (firsts.len() == reader.num_batches()).then_some(firsts)
}

/// How many rows a piece of so many rows and bytes may have.
fn rows_within(limit: &BatchLimit, rows: usize, bytes: usize) -> usize {
    let by_bytes = if bytes <= limit.bytes { rows } else { rows * limit.bytes / bytes };
    by_bytes.clamp(1, limit.rows)
}

/// The bytes that a batch takes, which must not be a slice of a larger one.
pub(super) fn size(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}
