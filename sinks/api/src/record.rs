//! The row of table `runs`: what one run did, published or not.

use std::fmt;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::table::error_fields;
use crate::{SCHEMA_VERSION, SnapshotId, Table, Verdict};

/// Who asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The schedule.
    Schedule,
    /// A person, on the command line or over HTTP.
    Manual,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Schedule => "schedule",
            Self::Manual => "manual",
        })
    }
}

/// One kind of error seen during a run; equal ones are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The repository, where the error belongs to one.
    pub repository: Option<String>,
    /// A word of a closed list, such as `denied` or `name_invalid`.
    pub code: String,
    /// One line for people, without secrets or control characters.
    pub message: String,
    /// How often it was seen.
    pub count: i64,
}

impl RunError {
    /// An error of the run as a whole, seen once.
    pub fn of_run(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { repository: None, code: code.into(), message: message.into(), count: 1 }
    }
}

/// One row of `runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The snapshot's identity.
    pub id: SnapshotId,
    /// When the walk began.
    pub started_at: DateTime<Utc>,
    /// When the snapshot was sealed.
    pub finished_at: DateTime<Utc>,
    /// Who asked.
    pub trigger: Trigger,
    /// The judgement.
    pub verdict: Verdict,
    /// Catalog pages read.
    pub pages: u64,
    /// HTTP requests sent to the registry, retries and token requests included.
    pub requests: u64,
    /// Requests repeated after a failure.
    pub retries: u64,
    /// Requests to the token endpoint.
    pub token_requests: u64,
    /// Rows sealed in table `repositories`, also when they are not published.
    pub rows_repositories: u64,
    /// Rows sealed in table `tags`, likewise.
    #[serde(default)]
    pub rows_tags: u64,
    /// Rows sealed in table `manifests`, likewise.
    #[serde(default)]
    pub rows_manifests: u64,
    /// Rows sealed in table `changes`.
    #[serde(default)]
    pub rows_changes: u64,
    /// Requests not sent because the last snapshot had the answer.
    #[serde(default)]
    pub requests_saved: u64,
    /// The reason of an unpublishable verdict first, then what went wrong with single repositories.
    pub errors: Vec<RunError>,
    /// The version of stocktake.
    pub exporter_version: String,
    /// SHA-256 of all configuration files as read, lower-case hex.
    pub config_sha256: String,
    /// The run of the snapshot that table `changes` was computed against; none on a first night.
    #[serde(default)]
    pub previous_run_id: Option<String>,
}

impl RunRecord {
    /// The record as the one row of table `runs`.
    ///
    /// # Errors
    /// Only if the columns disagree with [`Table::schema`], which a test rules out.
    pub fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            text(&self.id.run_id()),
            time(self.finished_at),
            Arc::new(Int32Array::from(vec![self.id.generation])),
            time(self.id.scheduled_at),
            time(self.started_at),
            time(self.finished_at),
            text(&self.trigger.to_string()),
            text(self.verdict.as_str()),
            count(self.pages),
            count(self.requests),
            count(self.retries),
            count(self.token_requests),
            count(self.rows_repositories),
            count(self.rows_tags),
            count(self.rows_manifests),
            count(self.rows_changes),
            self.error_list()?,
            text(&self.exporter_version),
            Arc::new(Int32Array::from(vec![SCHEMA_VERSION])),
            text(&self.config_sha256),
            count(self.requests_saved),
            Arc::new(StringArray::from_iter([self.previous_run_id.as_deref()])),
        ];
        RecordBatch::try_new(Table::Runs.schema(), columns)
    }

    fn error_list(&self) -> Result<ArrayRef, ArrowError> {
        let errors = &self.errors;
        let entries = StructArray::try_new(
            error_fields(),
            vec![
                Arc::new(errors.iter().map(|e| e.repository.as_deref()).collect::<StringArray>()),
                Arc::new(StringArray::from_iter_values(errors.iter().map(|e| &e.code))),
                Arc::new(StringArray::from_iter_values(errors.iter().map(|e| &e.message))),
                Arc::new(Int64Array::from_iter_values(errors.iter().map(|e| e.count))),
            ],
            None,
        )?;
        let item = Arc::new(Field::new("item", DataType::Struct(error_fields()), true));
        Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths([errors.len()]), Arc::new(entries), None)?))
    }
}

fn text(value: &str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values([value]))
}

fn time(value: DateTime<Utc>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(vec![value.timestamp_micros()]).with_timezone("UTC"))
}

fn count(value: u64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;

    #[test]
    fn a_record_fits_the_schema_with_and_without_errors() {
        let slot = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
        let mut record = RunRecord {
            id: SnapshotId::new("quay".parse().expect("a name"), slot),
            started_at: slot,
            finished_at: slot,
            trigger: Trigger::Manual,
            verdict: Verdict::Denied,
            pages: 1,
            requests: 2,
            retries: 3,
            token_requests: 4,
            rows_repositories: 5,
            rows_tags: 6,
            rows_manifests: 7,
            rows_changes: 9,
            requests_saved: 8,
            errors: Vec::new(),
            exporter_version: "0.1.0".into(),
            config_sha256: "00".into(),
            previous_run_id: Some("quay-20231113T221320Z".into()),
        };
        let batch = record.to_batch().expect("no errors");
        assert_eq!(batch.num_rows(), 1);
        for (column, expected) in [
            ("rows_repositories", 5),
            ("rows_tags", 6),
            ("rows_manifests", 7),
            ("rows_changes", 9),
            ("requests_saved", 8),
        ] {
            let values = batch.column_by_name(column).expect(column).as_primitive::<Int64Type>();
            assert_eq!(values.value(0), expected, "{column}");
        }
        record.errors.push(RunError { repository: None, code: "denied".into(), message: "no".into(), count: 2 });
        let batch = record.to_batch().expect("one error");
        let list = batch.column_by_name("errors").expect("errors").as_list::<i32>().value(0);
        assert_eq!(list.len(), 1);
        assert!(list.as_struct().column(0).is_null(0));
    }
}
