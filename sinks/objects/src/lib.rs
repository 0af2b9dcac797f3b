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
//! ```
//!
//! To read, take the manifests of a registry, for each run the one with the highest generation, and the objects that they
//! name. A reader that takes all files below a table instead reads a forced run twice.
#![deny(missing_docs)]

#[cfg(feature = "contract")]
pub mod contract;
mod encode;
mod local;
mod manifest;
mod names;
mod publish;
mod rows;
mod target;
mod tee;

use std::error::Error;
use std::fmt;
use std::io::Write;

use stocktake_sink::{BatchIter, SnapshotId, Table};

pub use encode::{Encoded, encode};
pub use manifest::{LatestPointer, ManifestObject, SnapshotManifest};
pub use publish::ObjectSink;
pub use target::{Target, TargetError};

/// Why an [`ObjectFormat`] could not write an object. [`ObjectSink`] finds out whether the rows or the target failed.
pub type FormatError = Box<dyn Error + Send + Sync>;

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
