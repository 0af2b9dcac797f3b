//! JSON lines: all tables of the snapshot in their order. Nulls are written.

use std::io::Write;

use arrow_json::writer::{LineDelimited, WriterBuilder};
use stocktake_sink::offset_times;

use crate::escape;
use crate::rows::{RenderError, SnapshotReader};

pub(crate) fn write(source: &SnapshotReader<'_>, out: &mut impl Write) -> Result<(), RenderError> {
    let (mut json, mut text) = (Vec::new(), String::new());
    for table in source.snapshot.tables() {
        source.read(table, |batch| {
            json.clear();
            text.clear();
            let builder = WriterBuilder::new().with_explicit_nulls(true);
            builder.build::<_, LineDelimited>(&mut json).write(&offset_times(batch)?)?;
            escape::in_json(&String::from_utf8_lossy(&json), &mut text);
            Ok(out.write_all(text.as_bytes())?)
        })?;
    }
    Ok(())
}
