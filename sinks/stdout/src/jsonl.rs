//! JSON lines: all tables of the snapshot in their order. Each row begins with its `table` and `registry`, because rows of
//! several tables and registries are on one stream. Nulls are written.

use std::fmt::Write as _;
use std::io::Write;

use arrow_json::writer::{LineDelimited, WriterBuilder};
use stocktake_sink::{RegistryName, Table, offset_times};

use crate::rows::{RenderError, SnapshotReader};
use stocktake_sink::text;

pub(crate) fn write(source: &SnapshotReader<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    let (mut json, mut text) = (Vec::new(), String::new());
    let registry = &source.snapshot.id().registry;
    for table in source.snapshot.tables() {
        source.read(table, |batch| {
            json.clear();
            text.clear();
            let builder = WriterBuilder::new().with_explicit_nulls(true);
            builder.build::<_, LineDelimited>(&mut json).write(&offset_times(batch)?)?;
            let has_registry = batch.schema_ref().column_with_name("registry").is_some();
            let named = named(&String::from_utf8_lossy(&json), table, (!has_registry).then_some(registry));
            text::in_json(&named, &mut text);
            Ok(out.write_all(text.as_bytes())?)
        })?;
    }
    Ok(())
}

/// The rows, each with its `table` first, and its `registry` unless it has that column. JSON escapes line breaks, so a line
/// is a row; both names need no escaping.
fn named(rows: &str, table: Table, registry: Option<&RegistryName>) -> String {
    let mut named = String::with_capacity(rows.len() * 2);
    for row in rows.lines() {
        let columns = row.strip_prefix('{').unwrap_or(row);
        let _ = write!(named, "{{\"table\":\"{table}\",");
        if let Some(registry) = registry {
            let _ = write!(named, "\"registry\":\"{registry}\",");
        }
        named.extend([columns, "\n"]);
    }
    named
}
