//! The trait of a sink, receipts and errors.

use std::error::Error;
use std::fmt;
use std::io;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Snapshot, SnapshotError, Table};

/// A destination of snapshots.
///
/// A sink does not retry, count or log. The program does that for all sinks.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// Makes all of the snapshot visible, or nothing.
    ///
    /// A second call for the same snapshot, also from a later process, changes nothing and returns the same receipt. If the
    /// future is dropped or the process is killed, readers see the same as before. Leftovers are hidden from readers, and
    /// a later call removes them.
    async fn publish(&self, snapshot: &Snapshot) -> Result<Receipt, SinkError>;

    /// Whether publishing could succeed now. Leaves nothing behind.
    async fn probe(&self) -> Result<(), SinkError>;

    /// Whether published snapshots can be read later. The reader of a stream has gone, so a snapshot that it missed is not
    /// delivered again.
    fn keeps(&self) -> bool {
        true
    }
}

/// What a sink made visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Where a person finds the snapshot: the path of the manifest, the name of a table, `standard output`.
    pub location: String,
    /// The written objects, in the order of the tables; empty if the sink writes none.
    pub objects: Vec<WrittenObject>,
    /// Warnings though all is published, such as unknown files at the target. The program logs them and does not store them.
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
    /// May pass by itself: the program tries again.
    Unavailable,
    /// No space, or over a quota: make room.
    Full,
    /// Writing is not allowed: correct permissions or credentials.
    Forbidden,
    /// The settings, or files at the target, make publishing impossible.
    Invalid,
    /// The sealed rows could not be read.
    Snapshot,
    /// It took longer than the deadline of the sink allows. The program itself makes this error.
    Overdue,
}

impl SinkErrorKind {
    /// Whether trying again soon may help.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable)
    }

    /// What the operator should do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => "check the target if this continues",
            Self::Full => "make room at the target; the earlier snapshot is untouched",
            Self::Forbidden => "give this user the right to write there",
            Self::Invalid => "correct the settings of the sink, or the files at its target",
            Self::Overdue => "find out why the target is slow, or raise `deadline` of the sink",
            Self::Snapshot => "check the disk of the state directory; the next run walks the registry again",
        }
    }
}

/// A snapshot could not be made visible. No part of it is visible.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct SinkError {
    kind: SinkErrorKind,
    context: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl SinkError {
    /// An error of this kind; `context` says what could not be done, e.g. `cannot create inventory/v1/_runs`.
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
