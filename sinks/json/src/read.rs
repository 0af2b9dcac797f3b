//! Reading the files back: rows of some columns, and whether every line is JSON.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_json::ReaderBuilder;
use serde::de::IgnoredAny;
use stocktake_sink::{Table, offset_schema, utc_times};
use stocktake_sink_objects::{FormatError, ObjectRows};
use zstd::Decoder;

pub(crate) fn rows(table: Table, columns: &[&str], file: File) -> Result<ObjectRows, FormatError> {
    let schema = table.schema();
    let wanted = schema.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    let schema = offset_schema(&Schema::new(wanted.map(Arc::clone).collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(schema).build(BufReader::new(Decoder::new(file)?))?;
    Ok(Box::new(reader.map(|batch| Ok(utc_times(&batch?)?))))
}

/// The number of lines, if the compressed data is whole and each line is one JSON value.
pub(crate) fn count(file: File) -> Result<u64, FormatError> {
    let mut lines = BufReader::new(Decoder::new(file)?);
    let (mut line, mut count) = (Vec::new(), 0);
    while lines.read_until(b'\n', &mut line)? > 0 {
        count += 1;
        serde_json::from_slice::<IgnoredAny>(&line).map_err(|e| format!("line {count} is no JSON: {e}"))?;
        line.clear();
    }
    Ok(count)
}
