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

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use stocktake_sink::{MemoryRows, Verdict, contract};
    use stocktake_sink_objects::ObjectFormat as _;

    use super::*;
    use crate::JsonLines;

    /// A file of repositories, and how many there are.
    fn written() -> (File, u64) {
        let id = contract::id("quay", 0);
        let snapshot = contract::snapshot(&id, Verdict::Complete, MemoryRows::new(contract::repositories(&id, 300)));
        let mut file = tempfile::tempfile().unwrap();
        JsonLines.write(&id, Table::Repositories, snapshot.batches(Table::Repositories), &mut file).unwrap();
        file.rewind().unwrap();
        (file, snapshot.rows(Table::Repositories))
    }

    #[test]
    fn the_columns_that_are_asked_for_come_back() {
        let (file, expected) = written();
        let read = rows(Table::Repositories, &["observed_at", "repository"], file).unwrap();
        let batches: Vec<_> = read.map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), expected);
        let columns = Table::Repositories.schema();
        for field in batches[0].schema().fields() {
            assert_eq!(field.data_type(), columns.field_with_name(field.name()).unwrap().data_type(), "{field}");
        }
        assert_eq!(batches[0].num_columns(), 2);
    }

    #[test]
    fn lines_are_counted_and_what_is_cut_short_or_no_json_is_refused() {
        let (file, expected) = written();
        let bytes = file.metadata().unwrap().len();
        let again = || {
            let mut file = file.try_clone().unwrap();
            file.rewind().unwrap();
            file
        };
        assert_eq!(count(again()).unwrap(), expected);
        file.set_len(bytes - 1).unwrap();
        assert!(count(again()).is_err());
        let mut lines = tempfile::tempfile().unwrap();
        lines.write_all(&zstd::encode_all(&b"{}\n{\"a\":\n"[..], 1).unwrap()).unwrap();
        lines.rewind().unwrap();
        assert!(count(lines).unwrap_err().to_string().starts_with("line 2 is no JSON: "));
    }
}
