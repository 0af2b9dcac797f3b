//! The interface between stocktake and its sinks.
//!
//! A sink receives a sealed [`Snapshot`] and makes all of it visible, or nothing. Registries, configuration files, metrics
//! and retries are not its task: the program brings those. A crate of a sink has a [`SinkKind`], which names it in the
//! configuration, reads its settings from [`SinkOptions`] and makes the [`Sink`].
#![deny(missing_docs)]

#[cfg(feature = "blocking")]
mod blocking;
mod change_op;
pub mod clock;
mod configured;
#[cfg(feature = "contract")]
pub mod contract;
pub mod durable;
mod id;
mod kind;
mod options;
mod published;
mod record;
mod secret;
mod sink;
mod snapshot;
mod table;
pub mod text;
mod verdict;
mod zone;

#[cfg(feature = "blocking")]
pub use blocking::{Abandoned, blocking};
pub use change_op::ChangeOp;
pub use configured::{ConfiguredSink, LocalFault, PublishedOpening, SinkKind, SinkPlace};
pub use id::{BadRegistryName, RegistryName, SnapshotId};
pub use kind::ManifestKind;
pub use options::{AbsentOption, OptionEntry, OptionRefused, SecretOption, SinkOption, SinkOptions};
pub use published::{Damage, PublishedFiles, PublishedObject, PublishedRows, PublishedRun, PublishedRuns};
pub use record::{RunError, RunRecord, Trigger};
pub use secret::{SecretPlace, SecretText, UnreadableSecret};
pub use sink::{Receipt, Sink, SinkError, SinkErrorKind, WrittenObject};
pub use snapshot::{BatchIter, MemoryRows, Rows, Snapshot, SnapshotError};
pub use table::{SCHEMA_VERSION, Table};
pub use verdict::Verdict;
pub use zone::{offset_schema, offset_times, utc_times};
