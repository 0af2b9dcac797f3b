//! One table through a format into a writer: rows counted, bytes counted and hashed, failures told apart.

use std::io::{self, Write};

use stocktake_sink::{Abandoned, SinkError, SinkErrorKind, Snapshot, Table};

use crate::rows::Counted;
use crate::tee::Tee;
use crate::{FormatError, ObjectFormat};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The rows, as many as were sealed.
    pub rows: u64,
    /// The bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
}

/// Writes one table of a snapshot to `out`. `context` begins the message of an error, e.g.
/// `cannot write tags.parquet`.
///
/// # Errors
/// [`SinkErrorKind::Snapshot`] if the rows cannot be read, are not as many as were sealed, or this call was abandoned; else
/// the error of `out`, classed by its kind.
pub fn encode(
    snapshot: &Snapshot,
    table: Table,
    format: &dyn ObjectFormat,
    out: &mut (dyn Write + Send),
    context: &str,
    abandoned: &Abandoned,
) -> Result<Encoded, SinkError> {
    let mut rows = Counted::new(snapshot, table, abandoned);
    let mut tee = Tee::new(out);
    let written = format.write(snapshot.id(), table, Box::new(&mut rows), &mut tee);
    let (target, rows_failed) = (tee.take_failure(), rows.failed());
    // A format may hide an error, so the reader of rows and the writer of bytes are asked.
    let error = match (written, rows.exact()) {
        (Ok(()), Some(rows)) if target.is_none() => {
            let (_, bytes, sha256) = tee.finish();
            return Ok(Encoded { rows, bytes, sha256 });
        }
        (Ok(()), _) => FormatError::from("the format ended early"),
        (Err(e), _) => e,
    };
    Err(write_error(context, error, target, rows_failed))
}

/// The error of an object that could not be written: of the target if it refused bytes, else of the rows.
fn write_error(context: &str, error: FormatError, target: Option<io::Error>, rows_failed: bool) -> SinkError {
    match target {
        Some(refusal) if !rows_failed => SinkError::io(context, refusal),
        _ => SinkError::new(SinkErrorKind::Snapshot, context).with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_target_are_told_from_errors_of_the_rows() {
        use io::ErrorKind::{PermissionDenied, StorageFull};
        for (target, rows_failed, kind) in [
            (Some(StorageFull), false, SinkErrorKind::Full),
            (Some(PermissionDenied), false, SinkErrorKind::Forbidden),
            (None, true, SinkErrorKind::Snapshot),
            (None, false, SinkErrorKind::Snapshot),
        ] {
            let error = write_error("write x", "wrapped".into(), target.map(io::Error::from), rows_failed);
            assert_eq!(error.kind(), kind, "{target:?}");
        }
    }
}
