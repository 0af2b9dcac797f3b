//! One page of a list of names.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::names::Names;

/// Where a walk can be taken up again: what the source of a page wrote down about all that comes after it. Opaque to
/// everybody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String);

/// One page of a registry's catalog.
#[derive(Clone, Debug)]
pub struct Page {
    /// Which page this is, from 1.
    pub number: u64,
    /// The names on it that follow the specification's grammar, in the server's order.
    pub names: Names,
    /// The names that do not, without what the server was sent, escaped and cut; the first 100.
    pub invalid: Vec<String>,
    /// How many names do not.
    pub invalid_count: u64,
    /// When the whole page had been received.
    pub received_at: DateTime<Utc>,
    /// Whether the server says that no further page follows.
    pub last: bool,
    /// Where to go on after this page and all that were handed out before it; none where that cannot be told, and
    /// after the last.
    pub cursor: Option<Cursor>,
    /// Whether nobody needs to check that the page brings a new name: the source sees to it itself that the list ends.
    /// So it is with ranges of an ordered catalog, and with what is listed again after ranges did not fit.
    pub proven_new: bool,
    /// Why the list may not be whole, as far as this page shows it. They make `gaps` of a walk that else went well.
    pub shortfalls: Vec<ListNote>,
    /// What else there is to say about how the list was read; the walk is as good as without it.
    pub remarks: Vec<ListNote>,
}

/// Something to say about how a list was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNote {
    /// A word of a closed list. Of shortfalls: `missing`, `unproven` or `shifting`; of remarks: `link_missing` or `list_end`.
    pub code: &'static str,
    /// One line for people, without secrets.
    pub message: String,
}
