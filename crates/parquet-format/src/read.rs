//! Reading the files back: rows of some columns, and what the footer says.

use std::fs::File;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaDataReader;
use stocktake_sink::{SnapshotId, Table};
use stocktake_sink_objects::{FormatError, ObjectRows};

use crate::metadata;

pub(crate) fn rows(table: Table, columns: &[&str], file: File) -> Result<ObjectRows, FormatError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let found = builder.parquet_schema();
    let there = |name: &&str| found.root_schema().get_fields().iter().any(|field| field.name() == *name);
    if let Some(missing) = columns.iter().find(|name| !there(name)) {
        return Err(format!("the file of table {table} has no column {missing}").into());
    }
    let wanted = ProjectionMask::columns(found, columns.iter().copied());
    let reader = builder.with_projection(wanted).build()?;
    Ok(Box::new(reader.map(|batch| Ok(batch?))))
}

/// The number of rows, if the footer is whole and of this run and table.
pub(crate) fn count(id: &SnapshotId, table: Table, file: &File) -> Result<u64, FormatError> {
    let footer = ParquetMetaDataReader::new().parse_and_finish(file)?;
    let footer = footer.file_metadata();
    let said = |key: &str| footer.key_value_metadata()?.iter().find(|entry| entry.key == key)?.value.clone();
    for (key, expected) in metadata(id, table) {
        match said(key) {
            Some(found) if found == expected => {}
            found => return Err(format!("{key} in the footer is {found:?}, not {expected:?}").into()),
        }
    }
    Ok(u64::try_from(footer.num_rows())?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use arrow::array::{AsArray as _, RecordBatch};
    use stocktake_sink::{MemoryRows, Verdict, contract};
    use stocktake_sink_objects::ObjectFormat as _;

    use super::*;
    use crate::Parquet;

    /// A file of repositories.
    fn written(id: &SnapshotId) -> File {
        let rows = MemoryRows::new(contract::repositories(id, 300));
        let snapshot = contract::snapshot(id, Verdict::Complete, rows);
        let mut file = tempfile::tempfile().unwrap();
        Parquet.write(id, Table::Repositories, snapshot.batches(Table::Repositories), &mut file).unwrap();
        file
    }

    #[test]
    fn the_columns_that_are_asked_for_come_back() {
        let id = contract::id("quay", 0);
        let expected = contract::repositories(&id, 300);
        let read = rows(Table::Repositories, &["state", "repository"], written(&id)).unwrap();
        let batches: Vec<_> = read.map(Result::unwrap).collect();
        assert!(batches.iter().all(|batch| batch.num_columns() == 2));
        let names = |batches: &[RecordBatch]| {
            let of = |batch: &RecordBatch| {
                batch["repository"].as_string::<i32>().iter().map(|n| n.unwrap().to_owned()).collect::<Vec<_>>()
            };
            batches.iter().flat_map(of).collect::<Vec<_>>()
        };
        assert_eq!(names(&batches), names(&expected));
        let missing = rows(Table::Repositories, &["digest"], written(&id)).err().unwrap();
        assert_eq!(missing.to_string(), "the file of table repositories has no column digest");
    }

    #[test]
    fn a_file_of_another_run_or_table_and_one_that_is_cut_short_are_refused() {
        let (id, other) = (contract::id("quay", 0), contract::id("quay", 1));
        let file = written(&id);
        assert_eq!(count(&id, Table::Repositories, &file).unwrap(), 300);
        let refusal = |id, table| count(id, table, &file).unwrap_err().to_string();
        assert!(refusal(&other, Table::Repositories).starts_with("stocktake.run_id in the footer is Some("));
        assert!(refusal(&id, Table::Tags).starts_with("stocktake.table in the footer is Some("));
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        assert!(count(&id, Table::Repositories, &file).is_err());
        let mut empty = tempfile::tempfile().unwrap();
        empty.write_all(b"PAR1").unwrap();
        assert!(count(&id, Table::Repositories, &empty).is_err());
    }
}
