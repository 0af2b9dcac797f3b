use std::fs::File;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Encoding;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use stocktake_sink::{MemoryRows, Rows, Snapshot, Verdict, contract};

use super::*;

fn encoded(table: Table, rows: usize) -> (SnapshotId, ParquetMetaData) {
    let id = contract::id("quay", 0);
    let snapshot = contract::snapshot_of(&id, Verdict::Complete, contract::tables(&id, rows, &[table]));
    let metadata = metadata(&id, &snapshot, table);
    (id, metadata)
}

fn metadata(id: &SnapshotId, snapshot: &Snapshot, table: Table) -> ParquetMetaData {
    let mut bytes = Vec::new();
    Parquet.write(id, table, snapshot.batches(table), &mut bytes).unwrap();
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("x.parquet");
    std::fs::write(&path, bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    ParquetMetaData::clone(builder.metadata())
}

const WALKED: [Table; 4] = [Table::Repositories, Table::Tags, Table::Manifests, Table::Changes];

#[test]
fn files_say_what_they_are() {
    for table in WALKED {
        let (id, metadata) = encoded(table, 100);
        let pairs = metadata.file_metadata().key_value_metadata().unwrap();
        let value = |key: &str| pairs.iter().find(|p| p.key == key).and_then(|p| p.value.clone()).unwrap();
        assert_eq!(value("stocktake.table"), table.as_str());
        assert_eq!(value("stocktake.schema_version"), SCHEMA_VERSION.to_string());
        assert_eq!(value("stocktake.run_id"), id.run_id());
        assert_eq!(value("stocktake.generation"), "1");
        let group = metadata.row_group(0);
        let leaves = group.sorting_columns().unwrap().iter().map(|c| usize::try_from(c.column_idx).unwrap());
        let sorted_by: Vec<_> = leaves.map(|leaf| group.column(leaf).column_path().string()).collect();
        assert_eq!(sorted_by, table.sort_key());
    }
}

#[test]
fn only_repetitive_columns_have_dictionaries_and_all_have_statistics() {
    for table in WALKED {
        let (_, metadata) = encoded(table, 5_000);
        let mut with_dictionary = Vec::new();
        for column in metadata.row_group(0).columns() {
            let name = column.column_path().string();
            if column.encodings().any(|e| e == Encoding::RLE_DICTIONARY) {
                with_dictionary.push(name.replace(".list.item", ""));
            }
            assert!(column.statistics().is_some(), "{name}");
            assert!(matches!(column.compression(), Compression::ZSTD(_)), "{name}");
        }
        assert_eq!(with_dictionary, table.repetitive_columns());
    }
}

#[test]
fn row_groups_are_bounded_in_rows() {
    let (_, metadata) = encoded(Table::Repositories, ROW_GROUP_ROWS + 1);
    let rows: Vec<_> = metadata.row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(rows, [i64::try_from(ROW_GROUP_ROWS).unwrap(), 1]);
}

/// Rows with labels of two kilobytes that do not compress well.
fn labelled(id: &SnapshotId, rows: usize) -> Vec<RecordBatch> {
    let mut state = 1_u64;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", state >> 32)
    };
    let mut labels = || (0..256).map(|_| word()).collect::<String>();
    let with_labels = |batch: RecordBatch| {
        let mut columns = batch.columns().to_vec();
        let labels_json = StringArray::from_iter_values((0..batch.num_rows()).map(|_| labels()));
        columns[batch.schema().index_of("labels_json").unwrap()] = Arc::new(labels_json);
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    contract::manifests(id, rows).into_iter().map(with_labels).collect()
}

#[test]
fn row_groups_are_bounded_in_bytes() {
    let id = contract::id("quay", 0);
    let rows: Arc<dyn Rows> = Arc::new(MemoryRows::new(labelled(&id, 24_000)));
    let snapshot = contract::snapshot_of(&id, Verdict::Complete, [(Table::Manifests, rows)].into());
    let metadata = metadata(&id, &snapshot, Table::Manifests);
    let groups: Vec<_> = metadata.row_groups().iter().map(RowGroupMetaData::compressed_size).collect();
    let most = i64::try_from(ROW_GROUP_BYTES).unwrap() * 5 / 4;
    assert!(groups.len() > 1 && groups.iter().all(|bytes| *bytes < most), "{groups:?}");
}

#[test]
fn sort_keys_stand_before_nested_columns() {
    for table in Table::ALL {
        let schema = table.schema();
        let nested = schema.fields().iter().position(|f| f.data_type().is_nested()).unwrap_or(usize::MAX);
        assert!(table.sort_key().iter().all(|key| schema.index_of(key).unwrap() < nested), "{table}");
    }
}
