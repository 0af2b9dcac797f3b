//! Publishing a snapshot as whole objects, manifest last: the commit protocol that the Parquet and JSON sinks share.
//!
//! A [`ObjectFormat`] turns rows into bytes; [`ObjectSink`] decides under which names the bytes become visible, and when. It
//! knows neither Parquet nor JSON.
//!
//! ```text
//! <root>/v1/<table>/registry=R/snapshot_date=D/<run_id>.<extension>      generation 1
//! <root>/v1/<table>/registry=R/snapshot_date=D/<run_id>.g2.<extension>   generation 2, and so on
//! <root>/v1/_runs/registry=R/<run_id>.g<generation>.json                 the manifest: the commit point
//! <root>/v1/_latest/registry=R.json                                      the newest published run, advisory
//! ```
//!
//! A reader takes the manifests of a registry, of each run the one of the highest generation, and the objects that it
//! names. One that takes every file below a table instead sees a forced run twice.
#![deny(missing_docs)]

#[cfg(feature = "contract")]
pub mod contract;
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

pub use manifest::{Latest, Manifest, ManifestObject};
pub use publish::ObjectSink;
pub use target::{Target, TargetError};

/// Why a [`ObjectFormat`] could not write an object; [`ObjectSink`] finds out whether the rows or the target were at fault.
pub type FormatError = Box<dyn Error + Send + Sync>;

/// How the rows of a table become the bytes of one object.
pub trait ObjectFormat: fmt::Debug + Send + Sync {
    /// What the object's name ends in, without the leading dot; also the format's name in manifests.
    fn extension(&self) -> &'static str;

    /// Writes all batches, in their order, and whatever ends the object. Equal rows give equal bytes.
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
