//! Aligned columns. Rows are read twice, first for the widths, so memory does not grow with the number of rows.

use std::io::Write;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use stocktake_sink::Table;

use crate::rows::{RenderError, SnapshotReader};
use stocktake_sink::text;

/// The columns that are printed.
const COLUMNS: [&str; 5] = ["repository", "tag_count", "state", "error_code", "monitored"];
const TITLES: [&str; 5] = ["REPOSITORY", "TAGS", "STATE", "ERROR", "MONITORED"];
const NUMBER: usize = 1;

/// The widest padding of a column. A longer cell is printed whole, and only its line is longer.
const WIDEST: usize = 80;

pub(crate) fn write(source: &SnapshotReader<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    let (record, rows) = (source.snapshot.record(), source.snapshot.rows(Table::Repositories));
    let slot = record.id.scheduled_at.format("%Y-%m-%d %H:%M:%SZ");
    let counts: Vec<_> = source.snapshot.tables().filter_map(|table| counted(table, source)).collect();
    writeln!(out, "{} {slot} {}: {}", record.id.registry, record.verdict, counts.join(", "))?;
    if rows == 0 {
        // The table is read anyway: a row would be an error.
        return source.read(Table::Repositories, |_| Ok(()));
    }
    let mut widths = TITLES.map(width);
    source.read(Table::Repositories, |batch| {
        each_row(batch, |cells| {
            for (width_, cell) in widths.iter_mut().zip(cells) {
                *width_ = (*width_).max(width(cell).min(WIDEST));
            }
            Ok(())
        })
    })?;
    let mut line = String::new();
    push_line(&TITLES.map(str::to_owned), &widths, &mut line);
    out.write_all(line.as_bytes())?;
    source.read(Table::Repositories, |batch| {
        each_row(batch, |cells| {
            line.clear();
            push_line(cells, &widths, &mut line);
            Ok(out.write_all(line.as_bytes())?)
        })
    })
}

/// `1 repository`, `20 tags`.
fn counted(table: Table, source: &SnapshotReader<'_>) -> Option<String> {
    let (one, more) = match table {
        Table::Repositories => ("repository", "repositories"),
        Table::Tags => ("tag", "tags"),
        Table::Manifests => ("manifest", "manifests"),
        Table::Changes if source.snapshot.record().previous_run_id.is_some() => ("change", "changes"),
        Table::Changes | Table::Runs => return None,
    };
    let rows = source.snapshot.rows(table);
    Some(format!("{rows} {}", if rows == 1 { one } else { more }))
}

fn each_row(
    batch: &RecordBatch,
    mut each: impl FnMut(&[String; 5]) -> Result<(), RenderError>,
) -> Result<(), RenderError> {
    let options = FormatOptions::new();
    let column = |name: &&str| -> Result<(&ArrayRef, ArrayFormatter<'_>), RenderError> {
        let array = &batch.columns()[batch.schema_ref().index_of(name)?];
        Ok((array, ArrayFormatter::try_new(array, &options)?))
    };
    let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let mut cells: [String; 5] = Default::default();
    for row in 0..batch.num_rows() {
        for (cell, (array, formatter)) in cells.iter_mut().zip(&columns) {
            cell.clear();
            if array.is_null(row) {
                cell.push('-');
            } else {
                text::for_people(&formatter.value(row).to_string(), cell);
            }
        }
        each(&cells)?;
    }
    Ok(())
}

fn push_line(cells: &[String; 5], widths: &[usize; 5], line: &mut String) {
    for (i, (cell, &column)) in cells.iter().zip(widths).enumerate() {
        let padding = " ".repeat(column.saturating_sub(width(cell)));
        let (before, after) = if i == NUMBER { (padding.as_str(), "") } else { ("", padding.as_str()) };
        line.extend([if i == 0 { "" } else { "  " }, before, cell, after]);
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
}

/// Names of repositories are ASCII (distribution-spec, "Pulling manifests"); with other names, columns may not be aligned.
fn width(cell: &str) -> usize {
    cell.chars().count()
}
