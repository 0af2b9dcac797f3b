//! The ground floor of stocktake: what a sink compiles against, and all it may see.
//!
//! A sink receives a sealed [`Snapshot`] and makes it visible whole, or not at all. It knows no registry, no
//! configuration file, no metric and no retry: the runner brings those.
#![deny(missing_docs)]

#[cfg(feature = "blocking")]
mod blocking;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod durable;
mod id;
mod kind;
mod record;
mod sink;
mod snapshot;
mod table;
mod verdict;
mod zone;

#[cfg(feature = "blocking")]
pub use blocking::{Abandoned, blocking};
pub use id::{BadRegistryName, RegistryName, SnapshotId};
pub use kind::ManifestKind;
pub use record::{RunError, RunRecord, Trigger};
pub use sink::{Receipt, Sink, SinkError, SinkErrorKind, WrittenObject};
pub use snapshot::{BatchIter, MemoryRows, Rows, Snapshot, SnapshotError};
pub use table::{SCHEMA_VERSION, Table};
pub use verdict::Verdict;
pub use zone::{offset_schema, offset_times};
