//! Rows as the binary format of `COPY`: <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use stocktake_sink::SnapshotId;

/// What a stream begins with: the signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What a stream ends with, in place of a row's number of columns.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// In place of a value's length.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// 2000-01-01 in microseconds and in days since 1970-01-01. Postgres counts from there.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 10_957;
/// Postgres has no NUL in its texts. U+FFFD says that something cannot be shown.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Turns batches into the bytes of one `COPY`.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// What each row begins with: its number of columns, the registry and the date.
    prefix: Vec<u8>,
    json: EncoderOptions,
}

impl Encoder {
    /// An encoder for rows of this snapshot, in tables with so many columns besides registry and date.
    pub(crate) fn new(id: &SnapshotId, columns: usize) -> Self {
        let mut prefix = Vec::new();
        let columns = i16::try_from(columns + 2).expect("Postgres has at most 1600 columns in a table");
        prefix.extend_from_slice(&columns.to_be_bytes());
        put(&mut prefix, id.registry.as_str().as_bytes());
        let days = id.scheduled_at.timestamp().div_euclid(86_400);
        let days = i32::try_from(days).unwrap_or(i32::MAX) - EPOCH_DAYS;
        put(&mut prefix, &days.to_be_bytes());
        Self { prefix, json: EncoderOptions::default().with_explicit_nulls(true) }
    }

    pub(crate) fn begin(out: &mut Vec<u8>) {
        out.extend_from_slice(HEADER);
    }

    pub(crate) fn end(out: &mut Vec<u8>) {
        out.extend_from_slice(&TRAILER);
    }

    /// Appends the rows of a batch; `full` is called after each row and may take the bytes.
    ///
    /// # Errors
    /// If a column is of a type that no table has.
    pub(crate) fn rows<E: From<ArrowError>>(
        &self,
        batch: &RecordBatch,
        out: &mut Vec<u8>,
        mut full: impl FnMut(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, array)| CopyColumn::new(field, array, &self.json));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(&self.prefix);
            for column in &mut columns {
                column.put(row, out);
            }
            full(out)?;
        }
        Ok(())
    }
}

/// One column of a batch. Finding out its type once per batch keeps the loop over rows tight.
struct CopyColumn<'a> {
    nulls: Option<&'a NullBuffer>,
    values: ColumnValues<'a>,
}

enum ColumnValues<'a> {
    Text { offsets: &'a [i32], bytes: &'a [u8], has_nul: bool },
    Boolean(&'a BooleanArray),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Micros(&'a [i64]),
    Json { encoder: NullableEncoder<'a>, text: Vec<u8> },
}

impl<'a> CopyColumn<'a> {
    fn new(field: &'a FieldRef, array: &'a ArrayRef, json: &'a EncoderOptions) -> Result<Self, ArrowError> {
        let values = match field.data_type() {
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                let (offsets, bytes) = (array.value_offsets(), array.value_data());
                ColumnValues::Text { offsets, bytes, has_nul: bytes.contains(&0) }
            }
            DataType::Boolean => ColumnValues::Boolean(array.as_boolean()),
            DataType::Int32 => ColumnValues::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => ColumnValues::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                ColumnValues::Micros(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::List(_) => ColumnValues::Json { encoder: make_encoder(field, array, json)?, text: Vec::new() },
            other => {
                let message = format!("column {} is of type {other}, which has no place in Postgres", field.name());
                return Err(ArrowError::NotYetImplemented(message));
            }
        };
        Ok(Self { nulls: array.nulls(), values })
    }

    fn put(&mut self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(&NULL);
            return;
        }
        match &mut self.values {
            ColumnValues::Text { offsets, bytes, has_nul } => {
                let text = &bytes[index(offsets[row])..index(offsets[row + 1])];
                if *has_nul && text.contains(&0) { put_without_nul(out, text) } else { put(out, text) }
            }
            ColumnValues::Boolean(array) => put(out, &[u8::from(array.value(row))]),
            ColumnValues::Int32(values) => put(out, &values[row].to_be_bytes()),
            ColumnValues::Int64(values) => put(out, &values[row].to_be_bytes()),
            ColumnValues::Micros(values) => put(out, &values[row].saturating_sub(EPOCH_MICROS).to_be_bytes()),
            ColumnValues::Json { encoder, text } => {
                text.clear();
                encoder.encode(row, text);
                replace_escaped_nul(text);
                put(out, text);
            }
        }
    }
}

fn index(offset: i32) -> usize {
    usize::try_from(offset).expect("offsets of an array are not negative")
}

fn put(out: &mut Vec<u8>, value: &[u8]) {
    let length = i32::try_from(value.len()).expect("a value of an array with 32-bit offsets");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

#[cold]
fn put_without_nul(out: &mut Vec<u8>, text: &[u8]) {
    let mut replaced = Vec::with_capacity(text.len() + 8);
    for part in text.split_inclusive(|&byte| byte == 0) {
        match part.split_last() {
            Some((0, before)) => {
                replaced.extend_from_slice(before);
                replaced.extend_from_slice(REPLACEMENT);
            }
            _ => replaced.extend_from_slice(part),
        }
    }
    put(out, &replaced);
}

/// Makes `\u0000` in JSON an escaped U+FFFD, because a cast to `jsonb` refuses it.
fn replace_escaped_nul(json: &mut [u8]) {
    const NUL: &[u8] = b"\\u0000";
    let mut at = 0;
    while at < json.len() {
        if json[at] != b'\\' {
            at += 1;
        } else if json[at..].starts_with(NUL) {
            json[at + 2..at + 6].copy_from_slice(b"fffd");
            at += NUL.len();
        } else {
            // The character after a backslash belongs to it, also a second backslash.
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests;
