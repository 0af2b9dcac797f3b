//! CSV (RFC 4180), in which no cell can be a formula: the repositories, and below them, each after an empty line and
//! under a header of its own, the tags and manifests where they were read. What is nested is JSON in one cell.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::FieldRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use stocktake_sink::{Table, offset_times};

use crate::escape;
use crate::render::{RenderError, Source};

pub(crate) const LINE_END: &str = "\r\n";

/// The names of the columns, with the end of their line.
pub(crate) fn header(table: Table) -> String {
    let schema = table.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.join(",") + LINE_END
}

/// The tables of a snapshot that become CSV, in their order.
pub(crate) fn tables(source: &Source<'_>) -> Vec<Table> {
    source.snapshot.tables().filter(|table| *table != Table::Runs).collect()
}

/// Writes everything but the first table's header, which may stand there already.
pub(crate) fn write(source: &Source<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    for (at, table) in tables(source).into_iter().enumerate() {
        if at > 0 {
            write!(out, "{LINE_END}{}", header(table))?;
        }
        write_rows(source, table, out)?;
    }
    Ok(())
}

fn write_rows(source: &Source<'_>, table: Table, out: &mut impl Write) -> Result<(), RenderError> {
    let mut line = String::new();
    let options = EncoderOptions::default();
    source.read(table, |batch| {
        let batch = offset_times(batch)?;
        let arrays = batch.schema_ref().fields().iter().zip(batch.columns());
        let mut columns =
            arrays.map(|(field, array)| Column::new(field, array, &options)).collect::<Result<Vec<_>, _>>()?;
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

/// Text needs care; what we format ourselves does not.
enum Column<'a> {
    Text(&'a ArrayRef),
    Nested(NullableEncoder<'a>),
    Other(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> Column<'a> {
    fn new(field: &'a FieldRef, array: &'a ArrayRef, options: &'a EncoderOptions) -> Result<Self, RenderError> {
        if array.data_type().is_nested() {
            return Ok(Self::Nested(make_encoder(field, array, options)?));
        }
        match array.as_string_opt::<i32>() {
            Some(_) => Ok(Self::Text(array)),
            None => Ok(Self::Other(array, ArrayFormatter::try_new(array, &FormatOptions::new())?)),
        }
    }

    /// Null is an empty cell, an empty text a quoted one.
    fn push(&mut self, row: usize, line: &mut String) {
        match self {
            Self::Text(array) if array.is_valid(row) => push_text(array.as_string::<i32>().value(row), line),
            Self::Nested(encoder) if !encoder.is_null(row) => push_nested(encoder, row, line),
            Self::Other(array, formatter) if array.is_valid(row) => line.push_str(&formatter.value(row).to_string()),
            Self::Text(_) | Self::Nested(_) | Self::Other(..) => {}
        }
    }
}

/// Begins with a bracket, so no spreadsheet takes it for a formula.
fn push_nested(encoder: &mut NullableEncoder<'_>, row: usize, line: &mut String) {
    let (mut json, mut cell) = (Vec::new(), String::new());
    encoder.encode(row, &mut json);
    escape::in_json(&String::from_utf8_lossy(&json), &mut cell);
    push_quoted(&cell, line);
}

fn push_text(text: &str, line: &mut String) {
    // What spreadsheets take for a formula (OWASP, "CSV injection"), the full-width forms included. The apostrophe makes
    // it text.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let mut cell = String::from(if is_formula { "'" } else { "" });
    escape::for_people(text, &mut cell);
    let plain = !cell.is_empty() && !cell.starts_with(' ') && !cell.ends_with(' ');
    // A semicolon separates cells where the comma is the decimal sign.
    if plain && !is_formula && !cell.contains(['"', ',', ';']) {
        line.push_str(&cell);
    } else {
        push_quoted(&cell, line);
    }
}

fn push_quoted(cell: &str, line: &mut String) {
    line.push('"');
    line.push_str(&cell.replace('"', "\"\""));
    line.push('"');
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
            push_text(text, &mut line);
            assert_eq!(line, cell);
        }
    }
}
