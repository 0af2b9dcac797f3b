//! One file of sorted, unique rows: the Arrow IPC file format, compressed. Its footer is written last, so a file that
//! was cut off is refused rather than read short.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use super::{BATCH_ROWS, ORDERED_BATCH_ROWS};

/// One of Zstandard's fast levels: the spool is read back soon and thrown away. LZ4 would be no faster here: its encoder
/// is made, and its tables cleared, anew for each buffer of each batch, while Zstandard's is kept.
const ZSTD_LEVEL: i32 = -5;

pub(super) struct SegmentWriter {
    writer: FileWriter<BufWriter<File>>,
    rows: u64,
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl SegmentWriter {
    pub(super) fn create(path: &Path, schema: &SchemaRef) -> Result<Self, ArrowError> {
        let options = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))?
            .try_with_compression_level(Some(ZSTD_LEVEL))?;
        let file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        Ok(Self { writer: FileWriter::try_new_with_options(file, schema, options)?, rows: 0 })
    }

    /// Appends rows, which must follow all earlier ones.
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let rows = batch.num_rows();
        self.rows += rows as u64;
        if rows <= ORDERED_BATCH_ROWS {
            return self.writer.write(batch);
        }
        for start in (0..rows).step_by(BATCH_ROWS) {
            self.writer.write(&batch.slice(start, BATCH_ROWS.min(rows - start)))?;
        }
        Ok(())
    }

    /// Closes the file without making it durable, for segments that are merged into another file; returns its rows.
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
        self.writer.finish()?;
        let file = self.writer.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((self.rows, file))
    }
}

/// The batches of a segment, in order.
pub(super) fn read(path: &Path) -> Result<FileReader<BufReader<File>>, ArrowError> {
    FileReader::try_new_buffered(File::open(path)?, None)
}
