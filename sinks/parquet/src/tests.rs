use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use stocktake_sink::{MemoryRows, Verdict, contract};
use stocktake_sink_objects::contract::Directory;

use super::*;

#[tokio::test]
async fn keeps_the_contract() {
    contract::run(|| Directory::new(tempfile::tempdir().unwrap(), |target| Arc::new(sink(target)), read)).await;
}

fn sink(target: Target) -> ParquetSink {
    ParquetSink::new(&Settings { target })
}

fn read(path: &Path, table: Table) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    assert_eq!(builder.schema().fields(), table.schema().fields());
    builder.build().unwrap().map(Result::unwrap).collect()
}

fn encoded(rows: usize) -> (SnapshotId, ParquetMetaData) {
    let id = contract::id("quay", 0);
    let rows = MemoryRows::new(contract::repositories(&id, rows));
    let snapshot = contract::snapshot(&id, Verdict::Complete, rows);
    let mut bytes = Vec::new();
    Parquet.write(&id, Table::Repositories, snapshot.batches(Table::Repositories), &mut bytes).unwrap();
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("x.parquet");
    std::fs::write(&path, bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    (id, ParquetMetaData::clone(builder.metadata()))
}

#[test]
fn files_say_what_they_are() {
    let (id, metadata) = encoded(100);
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| pairs.iter().find(|p| p.key == key).and_then(|p| p.value.clone()).unwrap();
    assert_eq!(value("stocktake.table"), "repositories");
    assert_eq!(value("stocktake.schema_version"), SCHEMA_VERSION.to_string());
    assert_eq!(value("stocktake.run_id"), id.run_id());
    assert_eq!(value("stocktake.generation"), "1");
    let sorting = metadata.row_group(0).sorting_columns().unwrap();
    assert_eq!(sorting.len(), 1);
    let leaf = usize::try_from(sorting[0].column_idx).unwrap();
    assert_eq!(metadata.row_group(0).column(leaf).column_path().string(), "repository");
}

#[test]
fn only_repetitive_columns_have_dictionaries_and_all_have_statistics() {
    let (_, metadata) = encoded(5_000);
    for column in metadata.row_group(0).columns() {
        let name = column.column_path().string();
        let repetitive = Table::Repositories.repetitive_columns().contains(&name.as_str());
        let has_dictionary = column.encodings().any(|e| e == Encoding::RLE_DICTIONARY);
        assert_eq!(has_dictionary, repetitive, "{name}");
        assert!(column.statistics().is_some(), "{name}");
        assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
    }
}

#[test]
fn row_groups_are_bounded() {
    let (_, metadata) = encoded(ROW_GROUP_ROWS + 1);
    let rows: Vec<_> = metadata.row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(rows, [i64::try_from(ROW_GROUP_ROWS).unwrap(), 1]);
}

#[test]
fn sort_keys_stand_before_nested_columns() {
    for table in Table::ALL {
        let schema = table.schema();
        let nested = schema.fields().iter().position(|f| f.data_type().is_nested()).unwrap_or(usize::MAX);
        assert!(table.sort_key().iter().all(|key| schema.index_of(key).unwrap() < nested), "{table}");
    }
}
