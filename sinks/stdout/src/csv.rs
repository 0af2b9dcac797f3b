//! CSV (RFC 4180) in which no cell can be a formula. The table of repositories comes first. The tables of tags and
//! manifests follow if they were read, each after an empty line and with its own header. Nested values are JSON in one cell.
//!
//! The crate `csv` applies one style of quotes to all cells. Here the quotes tell an empty text from a null, so they are
//! written by hand; a test reads them with that crate.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::FieldRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use stocktake_sink::{Table, offset_times, text};

use crate::rows::{RenderError, SnapshotReader};

pub(crate) const LINE_END: &str = "\r\n";

/// The names of the columns, with the end of their line.
pub(crate) fn header(table: Table) -> String {
    let schema = table.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.join(",") + LINE_END
}

/// The tables of a snapshot that become CSV, in their order: what was read. A program that expects one table gets one,
/// so what was derived is left to `jsonl`.
pub(crate) fn tables(source: &SnapshotReader<'_>) -> Vec<Table> {
    source.snapshot.tables().filter(|table| !matches!(table, Table::Changes | Table::Runs)).collect()
}

/// Writes everything except the header of the first table, which may have been printed before.
pub(crate) fn write(source: &SnapshotReader<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    for (at, table) in tables(source).into_iter().enumerate() {
        if at > 0 {
            write!(out, "{LINE_END}{}", header(table))?;
        }
        write_rows(source, table, out)?;
    }
    Ok(())
}

fn write_rows(source: &SnapshotReader<'_>, table: Table, out: &mut impl Write) -> Result<(), RenderError> {
    let mut line = String::new();
    let options = EncoderOptions::default();
    source.read(table, |batch| {
        let batch = offset_times(batch)?;
        let arrays = batch.schema_ref().fields().iter().zip(batch.columns());
        let mut columns =
            arrays.map(|(field, array)| CsvColumn::new(field, array, &options)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            line.clear();
            for (i, column) in columns.iter_mut().enumerate() {
                if i > 0 {
                    line.push(',');
                }
                column.push(row, &mut line);
            }
            line.push_str(LINE_END);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    })
}

/// A column. Only text may need quotes.
enum CsvColumn<'a> {
    Text(&'a ArrayRef),
    Nested(NullableEncoder<'a>),
    Other(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> CsvColumn<'a> {
    fn new(field: &'a FieldRef, array: &'a ArrayRef, options: &'a EncoderOptions) -> Result<Self, RenderError> {
        if array.data_type().is_nested() {
            return Ok(Self::Nested(make_encoder(field, array, options)?));
        }
        match array.as_string_opt::<i32>() {
            Some(_) => Ok(Self::Text(array)),
            None => Ok(Self::Other(array, ArrayFormatter::try_new(array, &FormatOptions::new())?)),
        }
    }

    /// A null is an empty cell. An empty text is a quoted empty cell.
    fn push(&mut self, row: usize, line: &mut String) {
        match self {
            Self::Text(array) if array.is_valid(row) => text::in_csv(array.as_string::<i32>().value(row), line),
            Self::Nested(encoder) if !encoder.is_null(row) => push_nested(encoder, row, line),
            Self::Other(array, formatter) if array.is_valid(row) => line.push_str(&formatter.value(row).to_string()),
            Self::Text(_) | Self::Nested(_) | Self::Other(..) => {}
        }
    }
}

/// JSON starts with a bracket, so a spreadsheet does not read it as a formula.
fn push_nested(encoder: &mut NullableEncoder<'_>, row: usize, line: &mut String) {
    let (mut json, mut cell) = (Vec::new(), String::new());
    encoder.encode(row, &mut json);
    text::in_json(&String::from_utf8_lossy(&json), &mut cell);
    text::in_quotes(&cell, line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_a_formula() {
        for (text, cell) in [
            ("library/a", "library/a"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            (" a", "\" a\""),
            ("=1+1", "\"'=1+1\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\\u{9}=1\""),
            ("＝1", "\"'＝1\""),
            ("a;=1", "\"a;=1\""),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ] {
            let mut line = String::new();
            text::in_csv(text, &mut line);
            assert_eq!(line, cell);
        }
    }

    #[test]
    fn a_reader_of_rfc_4180_finds_the_cells_that_were_written() {
        let cells = ["library/a", "", "a,b", "say \"hi\"", "\"", " a", "a;b", "ä", "[{\"a\":\"b,\"}]"];
        let mut line = String::new();
        for cell in cells {
            line.push_str(if line.is_empty() { "" } else { "," });
            text::in_csv(cell, &mut line);
        }
        line.push_str(LINE_END);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let records: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len(), 1);
        assert!(records[0].iter().eq(cells), "{records:?}");
    }
}
