//! A list of rows as a table for people, as one JSON object, or as CSV. JSON and CSV are written row by row, so memory does not
//! grow with them.

use std::io::{self, BufWriter, Stdout, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};
use stocktake_sink::text;

use super::super::output::tell;

/// A table for people has so many rows. The message after it counts the others.
const SHOWN: u64 = 1000;

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ListingFormat {
    /// A table for people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// CSV with a header (RFC 4180).
    Csv,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(u64),
    Flag(bool),
    Nothing,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn time(time: DateTime<Utc>) -> Self {
        Self::Text(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    pub(super) fn of<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Nothing, cell)
    }

    fn for_people(&self) -> String {
        match self {
            Self::Text(written) => {
                let mut shown = String::new();
                text::for_people(written, &mut shown);
                shown
            }
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Nothing => String::new(),
        }
    }

    fn as_json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Nothing => Value::Null,
        }
    }

    fn push_csv(&self, line: &mut String) {
        match self {
            Self::Text(written) => text::in_csv(written, line),
            Self::Number(number) => line.push_str(&number.to_string()),
            Self::Flag(flag) => line.push_str(if *flag { "true" } else { "false" }),
            Self::Nothing => {}
        }
    }
}

/// Rows with the same columns, written to standard output.
pub(super) struct Listing {
    columns: &'static [&'static str],
    format: ListingFormat,
    out: BufWriter<Stdout>,
    table: Table,
    rows: u64,
    /// The reader of a pipe may have gone: nothing more is written.
    is_gone: bool,
}

impl Listing {
    /// Begins a list. In JSON, the rows are an array of this name, after the fields of `about`; a table has them before it as
    /// lines.
    pub(super) fn new(
        format: ListingFormat,
        name: &str,
        about: &[(&str, Cell)],
        columns: &'static [&'static str],
    ) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns);
        let out = BufWriter::new(io::stdout());
        let mut listing = Self { columns, format, out, table, rows: 0, is_gone: false };
        match format {
            ListingFormat::Table => {
                let widest = about.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
                for (key, cell) in about {
                    listing.write(&format!("{key:widest$}  {}\n", cell.for_people()));
                }
            }
            ListingFormat::Json => {
                listing.write("{\n");
                for (key, cell) in about {
                    listing.write_json(&format!("  {}: {},\n", json!(key), cell.as_json()));
                }
                listing.write(&format!("  {}: [", json!(name)));
            }
            ListingFormat::Csv => listing.write(&(columns.join(",") + "\r\n")),
        }
        listing
    }

    /// Writes one row, with a cell for each column.
    pub(super) fn row(&mut self, cells: &[Cell]) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows += 1;
        match self.format {
            ListingFormat::Table if self.rows > SHOWN => {}
            ListingFormat::Table => {
                self.table.add_row(cells.iter().map(Cell::for_people));
                for (at, _) in cells.iter().enumerate().filter(|(_, cell)| matches!(cell, Cell::Number(_))) {
                    if let Some(column) = self.table.column_mut(at) {
                        column.set_cell_alignment(CellAlignment::Right);
                    }
                }
            }
            ListingFormat::Json => {
                let fields =
                    self.columns.iter().zip(cells).map(|(name, cell)| format!("{}: {}", json!(name), cell.as_json()));
                let fields = fields.collect::<Vec<_>>().join(", ");
                let separator = if self.rows == 1 { "" } else { "," };
                self.write_json(&format!("{separator}\n    {{{fields}}}"));
            }
            ListingFormat::Csv => {
                let mut line = String::new();
                for (at, cell) in cells.iter().enumerate() {
                    line.push_str(if at == 0 { "" } else { "," });
                    cell.push_csv(&mut line);
                }
                self.write(&(line + "\r\n"));
            }
        }
    }

    /// Ends the list. Returns how many rows there were.
    pub(super) fn end(mut self) -> u64 {
        match self.format {
            ListingFormat::Table if self.rows > 0 => {
                let text = self.table.to_string();
                for line in text.lines() {
                    self.write(&format!("{}\n", line.trim_end()));
                }
            }
            ListingFormat::Table => {}
            ListingFormat::Json => self.write(if self.rows == 0 { "]\n}\n" } else { "\n  ]\n}\n" }),
            ListingFormat::Csv => {}
        }
        // The reader of a pipe may have gone.
        let _ = self.out.flush();
        if self.format == ListingFormat::Table && self.rows > SHOWN {
            tell(&format!("and {} more rows; `--format csv` or `json` has all of them", self.rows - SHOWN));
        }
        self.rows
    }

    fn write_json(&mut self, json: &str) {
        let mut escaped = String::new();
        text::in_json(json, &mut escaped);
        self.write(&escaped);
    }

    fn write(&mut self, text: &str) {
        self.is_gone = self.is_gone || self.out.write_all(text.as_bytes()).is_err();
    }
}
