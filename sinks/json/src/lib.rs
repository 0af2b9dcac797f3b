//! The JSON lines sink: one compressed file per table and snapshot, published by [`stocktake_sink_objects`].
//!
//! One object per row. Nulls are written, so every line has every column, and a reader that takes the schema from the first
//! lines gets all columns. Times are RFC 3339 in UTC.
#![deny(missing_docs)]

mod read;

use std::fs::File;
use std::io::Write;

use arrow_json::LineDelimitedWriter;
use arrow_json::writer::{LineDelimited, WriterBuilder};
use async_trait::async_trait;
use stocktake_sink::{
    BatchIter, ConfiguredSink, Receipt, Sink, SinkError, SinkKind, SinkOption, Snapshot, SnapshotId, Table,
    offset_times,
};
use stocktake_sink_objects::{
    FormatError, ObjectFormat, ObjectRows, ObjectSink, PublishedObjects, ReadableFormat, Target,
};
use zstd::stream::write::Encoder;

/// Smaller and faster than level 3 for these rows: 11.9 against 13.2 MB for a million repositories.
const ZSTD_LEVEL: i32 = 1;

static URL: SinkOption = Target::option("./inventory-json");

/// The kind `json`.
pub const KIND: SinkKind = SinkKind {
    name: "json",
    summary: "`json`: compressed JSON lines, one file per table and snapshot.",
    configure: |options| {
        let target = Target::read(options, &URL)?;
        let (sink, published) = (target.clone(), target.clone());
        let sink = ConfiguredSink::new(move || Ok(JsonSink::new(&sink)));
        Ok(target.claimed_by(sink).with_published(move || PublishedObjects::opening(&published, JsonLines)))
    },
};

/// Opens what a sink of this kind has published to this target.
///
/// # Errors
/// As of [`Target::open`].
pub async fn published(target: &Target) -> Result<PublishedObjects, SinkError> {
    PublishedObjects::open(target, JsonLines).await
}

/// Publishes snapshots as compressed JSON lines.
#[derive(Clone, Debug)]
pub struct JsonSink(ObjectSink);

impl JsonSink {
    /// A sink that writes to this target. Touches nothing yet.
    pub fn new(target: &Target) -> Self {
        Self(ObjectSink::new(target, JsonLines))
    }
}

#[async_trait]
impl Sink for JsonSink {
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError> {
        self.0.publish(snapshot).await
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.0.probe().await
    }
}

/// The format of the files.
#[derive(Debug)]
struct JsonLines;

impl ObjectFormat for JsonLines {
    fn extension(&self) -> &'static str {
        "jsonl.zst"
    }

    fn write(
        &self,
        _id: &SnapshotId,
        _table: Table,
        batches: BatchIter<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), FormatError> {
        let mut compressed = Encoder::new(out, ZSTD_LEVEL)?;
        // With a checksum, a reader detects a damaged file.
        compressed.include_checksum(true)?;
        let mut writer: LineDelimitedWriter<_> =
            WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(compressed);
        for batch in batches {
            writer.write(&offset_times(&batch?)?)?;
        }
        writer.finish()?;
        writer.into_inner().finish()?;
        Ok(())
    }
}

impl ReadableFormat for JsonLines {
    fn read(&self, table: Table, columns: &[&str], file: File) -> Result<ObjectRows, FormatError> {
        read::rows(table, columns, file)
    }

    fn count(&self, _id: &SnapshotId, _table: Table, file: File) -> Result<u64, FormatError> {
        read::count(file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::BufReader;
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::RecordBatch;
    use arrow_json::ReaderBuilder;
    use stocktake_sink::{MemoryRows, Verdict, contract, offset_schema};
    use stocktake_sink_objects::contract::{Bucket, Directory};
    use stocktake_store::testing::BucketServer;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract::run(|| Directory::new(tempfile::tempdir().unwrap(), |target| Arc::new(JsonSink::new(&target)), read))
            .await;
    }

    #[tokio::test]
    async fn keeps_the_contract_on_s3() {
        keeps_the_contract_on(BucketServer::moto()).await;
    }

    #[tokio::test]
    #[ignore = "needs Azurite: tests/buckets.sh"]
    async fn keeps_the_contract_on_azure() {
        keeps_the_contract_on(BucketServer::azurite()).await;
    }

    async fn keeps_the_contract_on(server: BucketServer) {
        Bucket::run_contract(server, |target| Arc::new(JsonSink::new(&target)), read).await;
    }

    fn read(path: &Path, table: Table) -> Vec<RecordBatch> {
        let text = BufReader::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
        let reader = ReaderBuilder::new(offset_schema(&table.schema())).build(text).unwrap();
        reader.map(|batch| contract::as_written(&batch.unwrap())).collect()
    }

    #[test]
    fn a_line_is_an_object_with_nulls_written_out() {
        let id = contract::id("quay", 0);
        let rows = MemoryRows::new(contract::repositories(&id, 20));
        let snapshot = contract::snapshot(&id, Verdict::Complete, rows);
        let mut bytes = Vec::new();
        JsonLines.write(&id, Table::Repositories, snapshot.batches(Table::Repositories), &mut bytes).unwrap();
        let text = String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 20);
        let denied = concat!(
            r#"{"run_id":"quay-20261123T030000Z","observed_at":"2026-11-23T03:00:00Z","#,
            r#""repository":"library/image-000002","namespace":"library","tag_count":null,"#,
            r#""state":"denied","error_code":"name_invalid","monitored":true}"#,
        );
        assert!(text.lines().any(|line| line == denied), "{text}");
    }

    #[test]
    fn every_line_has_every_column() {
        let id = contract::id("quay", 0);
        let walked = [Table::Repositories, Table::Tags, Table::Manifests, Table::Changes];
        let snapshot = contract::snapshot_of(&id, Verdict::Complete, contract::tables(&id, 100, &walked));
        for table in snapshot.tables() {
            let mut bytes = Vec::new();
            JsonLines.write(&id, table, snapshot.batches(table), &mut bytes).unwrap();
            let text = String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap();
            assert_eq!(text.lines().count() as u64, snapshot.rows(table), "{table}");
            let columns = table.schema();
            for (line, column) in text.lines().flat_map(|l| columns.fields().iter().map(move |f| (l, f.name()))) {
                assert!(line.contains(&format!("\"{column}\":")), "{column} in {line}");
            }
        }
    }
}
