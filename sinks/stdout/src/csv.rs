//! CSV of the repositories (RFC 4180), in which no cell can be a formula.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use stocktake_sink::{Table, offset_times};

use crate::escape;
use crate::render::{RenderError, Source};

/// The names of the columns, with the end of their line.
pub(crate) fn header() -> String {
    let schema = Table::Repositories.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.join(",") + "\r\n"
}

pub(crate) fn write(source: &Source<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    let mut line = String::new();
    source.read(Table::Repositories, |batch| {
        let batch = offset_times(batch)?;
        let columns = batch.columns().iter().map(Column::new).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            line.clear();
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    line.push(',');
                }
                column.push(row, &mut line);
            }
            line.push_str("\r\n");
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    })
}

/// Text needs care; what we format ourselves does not.
enum Column<'a> {
    Text(&'a ArrayRef),
    Other(&'a ArrayRef, ArrayFormatter<'a>),
}

impl<'a> Column<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self, RenderError> {
        match array.as_string_opt::<i32>() {
            Some(_) => Ok(Self::Text(array)),
            None => Ok(Self::Other(array, ArrayFormatter::try_new(array, &FormatOptions::new())?)),
        }
    }

    /// Null is an empty cell, an empty text a quoted one.
    fn push(&self, row: usize, line: &mut String) {
        match self {
            Self::Text(array) if array.is_valid(row) => push_text(array.as_string::<i32>().value(row), line),
            Self::Other(array, formatter) if array.is_valid(row) => line.push_str(&formatter.value(row).to_string()),
            Self::Text(_) | Self::Other(..) => {}
        }
    }
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
        line.push('"');
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    }
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
