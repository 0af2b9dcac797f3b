//! What became of a repository or a tag.

use std::fmt;

/// What became of a repository or a tag between two runs: the word in column `op` of table `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeOp {
    /// Only the later run has it.
    Added,
    /// Only the earlier run has it.
    Removed,
    /// The tag points to another digest.
    Moved,
}

impl ChangeOp {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Added, Self::Removed, Self::Moved];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
        }
    }
}

impl fmt::Display for ChangeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
