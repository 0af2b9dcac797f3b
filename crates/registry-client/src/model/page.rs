//! One page of a list of names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::names::Names;

/// Where a walk can continue: written by the source of a page, and meaningful to that source only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String);

/// One page of a registry's catalog.
#[derive(Clone, Debug)]
pub struct Page {
    /// Which page this is, from 1.
    pub number: u64,
    /// The names on it that follow the specification's grammar, in the server's order.
    pub names: Names,
    /// The names that break the grammar, without secrets that the server was sent, escaped and cut; the first 100.
    pub invalid: Vec<String>,
    /// How many names break the grammar.
    pub invalid_count: u64,
    /// When the complete page had been received.
    pub received_at: DateTime<Utc>,
    /// Whether the server says that no further page follows.
    pub last: bool,
    /// Where to continue after this page and all pages before it. None if that is not known, and after the last page.
    pub cursor: Option<Cursor>,
    /// Whether the consumer need not check that the page brings a new name, because the source itself ensures that the
    /// list ends. This is so for ranges of an ordered catalog, and for names that are listed again after ranges did not
    /// fit.
    pub proven_new: bool,
    /// Why the list may not be complete, as far as this page shows it. A walk with shortfalls has the verdict `gaps`.
    pub shortfalls: Vec<ListNote>,
    /// Further remarks about how the list was read. They do not change the verdict.
    pub remarks: Vec<ListNote>,
}

/// A remark about how a list was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNote {
    /// The code. Of shortfalls: `missing`, `unproven` or `shifting`; of remarks: `link_missing` or `list_end`.
    pub code: &'static str,
    /// One line for people, without secrets.
    pub message: String,
}
