//! What a store gives its callers to keep: the lock on a directory, and what it knows of an object.

use std::fs::File;

use chrono::{DateTime, Utc};

/// While it lives, no other process or task has the lock on the same directory.
#[derive(Debug)]
pub struct Lock {
    _directory: Option<File>,
}

impl Lock {
    /// A locked directory.
    pub(crate) fn of(directory: File) -> Self {
        Self { _directory: Some(directory) }
    }

    /// For stores that have no locks: no other process is kept out.
    #[cfg(feature = "bucket")]
    pub(crate) fn none() -> Self {
        Self { _directory: None }
    }
}

/// An object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the clock of the store.
    pub modified: DateTime<Utc>,
}
