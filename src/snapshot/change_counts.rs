//! How much has changed since the night before.

use std::fmt;

use serde::{Deserialize, Serialize};
use stocktake_sink::ChangeOp;

/// How many rows of table `changes` there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Repositories and tags that came.
    pub added: u64,
    /// Repositories and tags that went.
    pub removed: u64,
    /// Tags that point to another digest.
    pub moved: u64,
}

impl ChangeCounts {
    /// Counts one more.
    pub fn add(&mut self, op: ChangeOp) {
        match op {
            ChangeOp::Added => self.added += 1,
            ChangeOp::Removed => self.removed += 1,
            ChangeOp::Moved => self.moved += 1,
        }
    }

    /// Those of one kind.
    pub fn of(self, op: ChangeOp) -> u64 {
        match op {
            ChangeOp::Added => self.added,
            ChangeOp::Removed => self.removed,
            ChangeOp::Moved => self.moved,
        }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.added + self.removed + self.moved
    }
}

impl fmt::Display for ChangeCounts {
    /// `+12 −3 ~7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, removed, moved } = self;
        write!(f, "+{added} −{removed} ~{moved}")
    }
}
