//! The tables of schema version 1: names, columns, sort keys.
//!
//! Timestamps are microseconds in UTC, strings `Utf8`, no dictionaries: every reader of Arrow, Parquet and JSON
//! understands these. Allowed changes: new nullable columns at the end, or a column becomes nullable. Any other change is a
//! new version.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

/// The version of all table schemas. The metadata of each file and each row of `runs` have it.
pub const SCHEMA_VERSION: i32 = 1;

/// A table of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// One row per repository, sorted by `repository`.
    Repositories,
    /// One row per tag, sorted by `repository` and `tag`; only in snapshots of runs that read tags.
    Tags,
    /// One row per manifest of a repository, sorted by `repository` and `digest`; only in snapshots of runs that read
    /// manifests.
    Manifests,
    /// One row per difference from what was last known, sorted by `entity`, `repository` and `tag`; in every snapshot, and
    /// without rows in the first one.
    Changes,
    /// One row per run, published or not.
    Runs,
}

impl Table {
    /// All tables, in the order in which they are published.
    pub const ALL: [Self; 5] = [Self::Repositories, Self::Tags, Self::Manifests, Self::Changes, Self::Runs];

    /// The name used in paths and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Tags => "tags",
            Self::Manifests => "manifests",
            Self::Changes => "changes",
            Self::Runs => "runs",
        }
    }

    /// The columns. Every batch of this table has exactly these columns.
    pub fn schema(self) -> SchemaRef {
        static REPOSITORIES: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(repositories())));
        static TAGS: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(tags())));
        static MANIFESTS: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(manifests())));
        static CHANGES: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(changes())));
        static RUNS: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(Schema::new(runs())));
        match self {
            Self::Repositories => Arc::clone(&REPOSITORIES),
            Self::Tags => Arc::clone(&TAGS),
            Self::Manifests => Arc::clone(&MANIFESTS),
            Self::Changes => Arc::clone(&CHANGES),
            Self::Runs => Arc::clone(&RUNS),
        }
    }

    /// The columns by which rows are sorted (by bytes, ascending, no value first) and unique.
    pub fn sort_key(self) -> &'static [&'static str] {
        match self {
            Self::Repositories => &["repository"],
            Self::Tags => &["repository", "tag"],
            Self::Manifests => &["repository", "digest"],
            Self::Changes => &["entity", "repository", "tag"],
            Self::Runs => &["run_id"],
        }
    }

    /// The columns with few distinct values, for which a dictionary makes files smaller; `layers.media_type` is that
    /// field of the entries of `layers`. Never a digest.
    pub fn repetitive_columns(self) -> &'static [&'static str] {
        match self {
            Self::Repositories => &["run_id", "observed_at", "namespace", "tag_count", "state", "error_code"],
            Self::Tags => &["run_id", "observed_at", "repository", "tag", "media_type", "size_bytes"],
            Self::Manifests => &[
                "run_id",
                "observed_at",
                "repository",
                "media_type",
                "artifact_type",
                "kind",
                "os",
                "architecture",
                "variant",
                "layer_count",
                "layers.media_type",
            ],
            Self::Changes => &[
                "run_id",
                "observed_at",
                "entity",
                "repository",
                "tag",
                "op",
                "cause",
                "previous_run_id",
                "detected_at",
            ],
            Self::Runs => &[],
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Table {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|t| t.as_str() == name).ok_or(())
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn required(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, false)
}

fn optional(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
}

fn repositories() -> Vec<Field> {
    vec![
        required("run_id", DataType::Utf8),
        required("observed_at", timestamp()),
        required("repository", DataType::Utf8),
        optional("namespace", DataType::Utf8),
        optional("tag_count", DataType::Int64),
        required("state", DataType::Utf8),
        optional("error_code", DataType::Utf8),
        required("monitored", DataType::Boolean),
    ]
}

fn list(entries: DataType) -> DataType {
    DataType::List(Arc::new(optional("item", entries)))
}

fn tags() -> Vec<Field> {
    vec![
        required("run_id", DataType::Utf8),
        required("observed_at", timestamp()),
        required("repository", DataType::Utf8),
        required("tag", DataType::Utf8),
        optional("digest", DataType::Utf8),
        optional("media_type", DataType::Utf8),
        optional("size_bytes", DataType::Int64),
    ]
}

fn manifests() -> Vec<Field> {
    vec![
        required("run_id", DataType::Utf8),
        required("observed_at", timestamp()),
        required("repository", DataType::Utf8),
        required("digest", DataType::Utf8),
        required("media_type", DataType::Utf8),
        optional("artifact_type", DataType::Utf8),
        required("kind", DataType::Utf8),
        optional("config_digest", DataType::Utf8),
        optional("os", DataType::Utf8),
        optional("architecture", DataType::Utf8),
        optional("variant", DataType::Utf8),
        optional("layer_count", DataType::Int32),
        optional("total_size_bytes", DataType::Int64),
        optional("created_at", timestamp()),
        optional("subject_digest", DataType::Utf8),
        optional("child_digests", list(DataType::Utf8)),
        optional("layers", list(DataType::Struct(layer_fields()))),
        optional("annotations_json", DataType::Utf8),
        optional("labels_json", DataType::Utf8),
        optional("notes", list(DataType::Utf8)),
    ]
}

/// The fields of one entry of `manifests.layers`.
fn layer_fields() -> Fields {
    Fields::from(vec![
        required("digest", DataType::Utf8),
        optional("size", DataType::Int64),
        required("media_type", DataType::Utf8),
    ])
}

fn changes() -> Vec<Field> {
    vec![
        required("run_id", DataType::Utf8),
        required("observed_at", timestamp()),
        required("entity", DataType::Utf8),
        required("repository", DataType::Utf8),
        optional("tag", DataType::Utf8),
        required("op", DataType::Utf8),
        required("cause", DataType::Utf8),
        optional("old_digest", DataType::Utf8),
        optional("new_digest", DataType::Utf8),
        required("previous_run_id", DataType::Utf8),
        required("detected_at", timestamp()),
    ]
}

/// The fields of one entry of `runs.errors`.
pub(crate) fn error_fields() -> Fields {
    Fields::from(vec![
        optional("repository", DataType::Utf8),
        required("code", DataType::Utf8),
        required("message", DataType::Utf8),
        required("count", DataType::Int64),
    ])
}

fn runs() -> Vec<Field> {
    vec![
        required("run_id", DataType::Utf8),
        required("observed_at", timestamp()),
        required("generation", DataType::Int32),
        required("scheduled_at", timestamp()),
        required("started_at", timestamp()),
        required("finished_at", timestamp()),
        required("trigger", DataType::Utf8),
        required("verdict", DataType::Utf8),
        required("pages", DataType::Int64),
        required("requests", DataType::Int64),
        required("retries", DataType::Int64),
        required("token_requests", DataType::Int64),
        required("rows_repositories", DataType::Int64),
        required("rows_tags", DataType::Int64),
        required("rows_manifests", DataType::Int64),
        required("rows_changes", DataType::Int64),
        required("errors", list(DataType::Struct(error_fields()))),
        required("exporter_version", DataType::Utf8),
        required("schema_version", DataType::Int32),
        required("config_sha256", DataType::Utf8),
        optional("requests_saved", DataType::Int64),
        optional("previous_run_id", DataType::Utf8),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Whether there is a column, or a field of a column's entries, of this name.
    fn is_there(schema: &Schema, name: &str) -> bool {
        let Some((column, field)) = name.split_once('.') else { return schema.field_with_name(name).is_ok() };
        match schema.field_with_name(column).expect(column).data_type() {
            DataType::List(item) => match item.data_type() {
                DataType::Struct(fields) => fields.find(field).is_some(),
                _ => false,
            },
            _ => false,
        }
    }

    #[test]
    fn column_names_are_unique_and_every_table_says_run_and_time() {
        for table in Table::ALL {
            let schema = table.schema();
            let names: BTreeSet<_> = schema.fields().iter().map(|f| f.name()).collect();
            assert_eq!(names.len(), schema.fields().len(), "{table}");
            for needed in ["run_id", "observed_at"] {
                assert!(!schema.field_with_name(needed).expect(needed).is_nullable(), "{table}.{needed}");
            }
            for name in table.sort_key().iter().chain(table.repetitive_columns()) {
                assert!(is_there(&schema, name), "{table}.{name}");
                let is_key = table.sort_key().contains(name);
                assert!(is_key || !name.contains("digest"), "{table}.{name}: no dictionary of digests");
            }
            assert_eq!(table.as_str().parse(), Ok(table));
        }
    }
}
