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
