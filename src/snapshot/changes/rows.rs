//! Writes table `changes`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use stocktake_sink::{ChangeOp, Table};

use super::super::ChangeCounts;
use super::super::columns::spooled_schema;
use super::super::disk_retry::DiskRetry;
use super::super::files::{segment_file, table_file};
use super::super::limit::ORDERED_BATCH;
use super::super::own::remove_if_there;
use super::super::segment::{self, SegmentWriter};
use super::decision::ChangeCause;

/// A row of table `changes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeRow<'a> {
    /// In microseconds.
    pub(super) observed_at: i64,
    pub(super) repository: &'a str,
    /// `None`: the repository itself.
    pub(super) tag: Option<&'a str>,
    pub(super) op: ChangeOp,
    pub(super) cause: ChangeCause,
    pub(super) old_digest: Option<&'a str>,
    pub(super) new_digest: Option<&'a str>,
    pub(super) previous_run_id: &'a str,
}

/// Writes rows that come sorted by repository and tag, and puts those of repositories before those of tags.
#[derive(Debug)]
pub(super) struct ChangeWriter {
    repositories: Half,
    tags: Half,
    tags_path: PathBuf,
    detected_at: i64,
    counts: ChangeCounts,
}

#[derive(Debug)]
struct Half {
    writer: SegmentWriter,
    rows: ChangeColumns,
}

impl ChangeWriter {
    /// Creates the table in this directory, instead of what a try before has left.
    pub(super) fn create(directory: &Path, detected_at: DateTime<Utc>) -> Result<Self, ArrowError> {
        let tags_path = directory.join(segment_file(Table::Changes, 0));
        let half = |path: &Path| {
            remove_if_there(path)?;
            let writer = SegmentWriter::create(path, &spooled_schema(Table::Changes), &DiskRetry::default())?;
            Ok::<_, ArrowError>(Half { writer, rows: ChangeColumns::default() })
        };
        let (repositories, tags) = (half(&directory.join(table_file(Table::Changes)))?, half(&tags_path)?);
        let detected_at = detected_at.timestamp_micros();
        Ok(Self { repositories, tags, tags_path, detected_at, counts: ChangeCounts::default() })
    }

    pub(super) fn push(&mut self, row: &ChangeRow<'_>) -> Result<(), ArrowError> {
        self.counts.add(row.op);
        let half = if row.tag.is_some() { &mut self.tags } else { &mut self.repositories };
        half.rows.push(row, self.detected_at);
        if half.rows.count < ORDERED_BATCH.rows { Ok(()) } else { half.flush() }
    }

    /// Makes the table durable.
    pub(super) fn finish(mut self) -> Result<ChangeCounts, ArrowError> {
        self.repositories.flush()?;
        self.tags.flush()?;
        self.tags.writer.finish()?;
        for batch in segment::read(&self.tags_path)? {
            self.repositories.writer.append(&batch?)?;
        }
        fs::remove_file(&self.tags_path)?;
        self.repositories.writer.finish_durably()?;
        Ok(self.counts)
    }
}

impl Half {
    fn flush(&mut self) -> Result<(), ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.count == 0 { Ok(()) } else { self.writer.append(&rows.finish()?) }
    }
}

#[derive(Debug, Default)]
struct ChangeColumns {
    observed_at: TimestampMicrosecondBuilder,
    entity: StringBuilder,
    repository: StringBuilder,
    tag: StringBuilder,
    op: StringBuilder,
    cause: StringBuilder,
    old_digest: StringBuilder,
    new_digest: StringBuilder,
    previous_run_id: StringBuilder,
    detected_at: TimestampMicrosecondBuilder,
    count: usize,
}

impl ChangeColumns {
    fn push(&mut self, row: &ChangeRow<'_>, detected_at: i64) {
        self.observed_at.append_value(row.observed_at);
        self.entity.append_value(if row.tag.is_some() { "tag" } else { "repository" });
        self.repository.append_value(row.repository);
        self.tag.append_option(row.tag);
        self.op.append_value(row.op.as_str());
        self.cause.append_value(row.cause.as_str());
        self.old_digest.append_option(row.old_digest);
        self.new_digest.append_option(row.new_digest);
        self.previous_run_id.append_value(row.previous_run_id);
        self.detected_at.append_value(detected_at);
        self.count += 1;
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.observed_at.finish().with_timezone("UTC")),
            Arc::new(self.entity.finish()),
            Arc::new(self.repository.finish()),
            Arc::new(self.tag.finish()),
            Arc::new(self.op.finish()),
            Arc::new(self.cause.finish()),
            Arc::new(self.old_digest.finish()),
            Arc::new(self.new_digest.finish()),
            Arc::new(self.previous_run_id.finish()),
            Arc::new(self.detected_at.finish().with_timezone("UTC")),
        ];
        RecordBatch::try_new(spooled_schema(Table::Changes), columns)
    }
}
