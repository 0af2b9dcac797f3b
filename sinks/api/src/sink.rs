//! The contract of a sink.

use std::error::Error;
use std::fmt;
use std::io;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Snapshot, SnapshotError, Table};

/// Somewhere that snapshots are delivered to.
///
/// A sink neither retries nor counts nor logs: the runner does, so that none can forget.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// Makes the whole snapshot visible, or nothing of it.
    ///
    /// Called again for the same id and generation, also by a later process: nothing changes, and the receipt is the
    /// same. Dropping the future, or killing the process, leaves what was visible before; leftovers are hidden from
    /// readers and swept by a later call.
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError>;

    /// Whether publishing could work now; leaves nothing behind.
    async fn probe(&self) -> Result<(), SinkError>;

    /// Whether what was published stays to be read. A stream's reader is gone: a snapshot that it missed is not
    /// delivered to it later.
    fn keeps(&self) -> bool {
        true
    }
}

/// What a sink made visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Where a person finds the whole: the manifest's path, a table's name, `standard output`.
    pub location: String,
    /// The objects written, in the order of the tables; empty where the sink writes none.
    pub objects: Vec<WrittenObject>,
    /// What a person should look at though all is published, such as something that is not ours at the target. The runner
    /// logs it; it is not remembered.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// One object (a file, or an entry of an object store) that a sink made visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenObject {
    /// The table that it holds.
    pub table: Table,
    /// Its path or URL.
    pub location: String,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What the operator, or the runner, does about a [`SinkError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// May pass by itself: the runner tries again.
    Unavailable,
    /// No space, or over a quota: make room.
    Full,
    /// Not allowed to write there: mend permissions or credentials.
    Forbidden,
    /// The settings, or what already stands at the target, make publishing impossible.
    Invalid,
    /// The sealed rows could not be read back.
    Snapshot,
}

impl SinkErrorKind {
    /// Whether trying again soon may help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable)
    }

    /// What to do now, for people.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => "look at the target if this goes on",
            Self::Full => "make room at the target; the earlier snapshot is untouched",
            Self::Forbidden => "give this user the right to write there",
            Self::Invalid => "correct the sink's settings, or what stands at its target",
            Self::Snapshot => "look at the state directory's disk; the next run walks the registry anew",
        }
    }
}

/// A snapshot could not be made visible; nothing of it is.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct SinkError {
    kind: SinkErrorKind,
    context: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SinkError {
    /// An error of this kind; `context` says what was being done, e.g. `create inventory/v1/_runs`.
    pub fn new(kind: SinkErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// An input or output error of the operating system, classed by its kind.
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        use io::ErrorKind as K;
        let kind = match source.kind() {
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => SinkErrorKind::Full,
            K::PermissionDenied | K::ReadOnlyFilesystem => SinkErrorKind::Forbidden,
            K::NotADirectory | K::IsADirectory | K::InvalidFilename | K::NotFound => SinkErrorKind::Invalid,
            _ => SinkErrorKind::Unavailable,
        };
        Self::new(kind, context).with_source(source)
    }

    /// What the operator, or the runner, should do about it.
    pub fn kind(&self) -> SinkErrorKind {
        self.kind
    }
}

impl From<SnapshotError> for SinkError {
    fn from(source: SnapshotError) -> Self {
        Self::new(SinkErrorKind::Snapshot, "take the snapshot's rows").with_source(source)
    }
}
