//! The Parquet sink: one file per table and snapshot, published by [`stocktake_sink_objects`].
//!
//! This crate is the encoding. File names, manifests and durability are in that crate.
#![deny(missing_docs)]

mod read;

use std::fs::File;
use std::io::Write;

use async_trait::async_trait;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use stocktake_sink::{
    BatchIter, ConfiguredSink, Receipt, SCHEMA_VERSION, Sink, SinkError, SinkKind, SinkOption, Snapshot, SnapshotId,
    Table,
};
use stocktake_sink_objects::{
    FormatError, ObjectFormat, ObjectRows, ObjectSink, PublishedObjects, ReadableFormat, Target,
};

/// A reader skips whole groups of rows. A group is in memory while it is written, so it has not more rows than this.
const ROW_GROUP_ROWS: usize = 131_072;

/// A group of large rows ends earlier: manifests, each with all its layers, would fill hundreds of MiB.
const ROW_GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Smaller and faster than level 3 for these tables.
const ZSTD_LEVEL: i32 = 1;

static URL: SinkOption = Target::option("./inventory");

/// The kind `parquet`.
pub const KIND: SinkKind = SinkKind {
    name: "parquet",
    summary: "`parquet`: Parquet, one file per table and snapshot.",
    configure: |options| {
        let target = Target::read(options, &URL)?;
        let (sink, published) = (target.clone(), target.clone());
        let sink = ConfiguredSink::new(move || Ok(ParquetSink::new(&sink)));
        Ok(target.claimed_by(sink).with_published(move || PublishedObjects::opening(&published, Parquet)))
    },
};

/// Opens what a sink of this kind has published to this target.
///
/// # Errors
/// As of [`Target::open`].
pub async fn published(target: &Target) -> Result<PublishedObjects, SinkError> {
    PublishedObjects::open(target, Parquet).await
}

/// Publishes snapshots as Parquet files.
#[derive(Clone, Debug)]
pub struct ParquetSink(ObjectSink);

impl ParquetSink {
    /// A sink that writes to this target. Touches nothing yet.
    pub fn new(target: &Target) -> Self {
        Self(ObjectSink::new(target, Parquet))
    }
}

#[async_trait]
impl Sink for ParquetSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        self.0.publish(snapshot).await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.0.probe().await
    }
}

/// The format of the files.
#[derive(Debug)]
struct Parquet;

impl ObjectFormat for Parquet {
    fn extension(&self) -> &'static str {
        "parquet"
    }

    fn write(
        &self,
        id: &SnapshotId,
        table: Table,
        batches: BatchIter<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), FormatError> {
        let mut writer = ArrowWriter::try_new(out, table.schema(), Some(properties(id, table)?))?;
        for batch in batches {
            writer.write(&batch?)?;
        }
        writer.close()?;
        Ok(())
    }
}

impl ReadableFormat for Parquet {
    fn read(&self, table: Table, columns: &[&str], file: File) -> Result<ObjectRows, FormatError> {
        read::rows(table, columns, file)
    }

    fn count(&self, id: &SnapshotId, table: Table, file: File) -> Result<u64, FormatError> {
        read::count(id, table, &file)
    }
}

fn properties(id: &SnapshotId, table: Table) -> Result<WriterProperties, FormatError> {
    let schema = table.schema();
    let sorting = table.sort_key().iter().map(|name| {
        // Numbers of leaves and fields are equal as long as no nested column is before a key.
        let column_idx = i32::try_from(schema.index_of(name)?)?;
        Ok(SortingColumn { column_idx, descending: false, nulls_first: false })
    });
    let metadata = metadata(id, table);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_statistics_enabled(EnabledStatistics::Page)
        // All names are distinct, so a dictionary of them would overflow and be dropped.
        .set_dictionary_enabled(false)
        .set_sorting_columns(Some(sorting.collect::<Result<_, FormatError>>()?))
        .set_key_value_metadata(Some(metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec()));
    for column in table.repetitive_columns() {
        properties = properties.set_column_dictionary_enabled(leaf(column), true);
    }
    Ok(properties.build())
}

/// What the footer of a file says about it.
fn metadata(id: &SnapshotId, table: Table) -> [(&'static str, String); 4] {
    [
        ("stocktake.table", table.to_string()),
        ("stocktake.schema_version", SCHEMA_VERSION.to_string()),
        ("stocktake.run_id", id.run_id()),
        ("stocktake.generation", id.generation.to_string()),
    ]
}

/// The path of a column in Parquet; for `layers.media_type`, that of the field in the entries of the list.
fn leaf(name: &str) -> ColumnPath {
    let parts: Vec<&str> = match name.split_once('.') {
        Some((column, field)) => vec![column, "list", "item", field],
        None => vec![name],
    };
    ColumnPath::new(parts.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
