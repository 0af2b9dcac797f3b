//! Publishing a snapshot as whole objects, manifest last: the commit protocol that the Parquet and JSON sinks share.
//!
//! An [`ObjectFormat`] turns rows into bytes; [`ObjectSink`] decides under which names the bytes become visible, and when. It
//! knows neither Parquet nor JSON.
//!
//! ```text
//! <root>/v1/<table>/registry=R/snapshot_date=D/<run_id>.<extension>      generation 1
//! <root>/v1/<table>/registry=R/snapshot_date=D/<run_id>.g2.<extension>   generation 2, and so on
//! <root>/v1/_runs/registry=R/<run_id>.g<generation>.json                 the manifest: the commit point
//! <root>/v1/latest/<table>/registry=R/latest.<extension>                 the newest published object of each table
//! <root>/v1/_latest/registry=R.json                                      the newest published run, advisory
//! <root>/v1/_removed/registry=R/<run_id>.g<generation>.json              a removal that has begun
//! ```
//!
//! In a bucket, the names of the first two have a seal before their ends, as in `<run_id>.0123abcd.parquet`.
//!
//! To read, take the manifests of a registry, for each run the one with the highest generation, and the objects that they
//! name. A reader that takes all files below a table instead reads a forced run twice.
#![deny(missing_docs)]

#[cfg(feature = "contract")]
pub mod contract;
mod leftovers;
mod manifest;
mod names;
mod publish;
mod published;
mod readable;
mod remove;
mod rows;
mod target;
mod tee;

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::Write;

use arrow::array::RecordBatch;
use stocktake_sink::{BatchIter, SnapshotId, Table};

pub use manifest::{LatestPointer, ManifestObject, SnapshotManifest};
pub use publish::ObjectSink;
pub use published::PublishedObjects;
pub use target::Target;

/// Why an [`ObjectFormat`] could not write an object. [`ObjectSink`] finds out whether the rows or the target failed.
pub type FormatError = Box<dyn Error + Send + Sync>;

/// The rows of one object, as [`ObjectFormat::read`] finds them.
pub type ObjectRows = Box<dyn Iterator<Item = Result<RecordBatch, FormatError>> + Send>;

/// How the rows of a table become the bytes of one object.
pub trait ObjectFormat: fmt::Debug + Send + Sync {
    /// The end of the object's name, without the dot; also the name of the format in manifests.
    fn extension(&self) -> &'static str;

    /// Writes all batches in their order, and the end of the object. Equal rows give equal bytes.
    ///
    /// # Errors
    /// The first error of `batches` or `out`, passed on; or the format's own.
    fn write(
        &self,
        id: &SnapshotId,
        table: Table,
        batches: BatchIter<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), FormatError>;
}

/// A format whose objects are read back.
pub trait ReadableFormat: ObjectFormat {
    /// The rows of an object with these columns, in the order of [`Table::schema`]. Memory does not grow with the rows.
    ///
    /// # Errors
    /// If the file is not of this format, or lacks a column.
    fn read(&self, table: Table, columns: &[&str], file: File) -> Result<ObjectRows, FormatError>;

    /// Checks everything that the format itself says about an object, and counts its rows.
    ///
    /// # Errors
    /// What is wrong: the file is cut short, or holds another table or another run.
    fn count(&self, id: &SnapshotId, table: Table, file: File) -> Result<u64, FormatError>;
}
