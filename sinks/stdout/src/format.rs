//! The formats in which snapshots are printed, and their names in configurations.

use std::fmt;
use std::str::FromStr;

/// How snapshots are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdoutFormat {
    /// A line with the run and its counts, then the repositories in aligned columns. A run that may not be published prints
    /// nothing.
    Table,
    /// One object per row: repositories, tags and manifests if they were read, and last the row of the run. That row has a
    /// `verdict` and tells a reader that all rows came. A run that may not be published prints only that row.
    Jsonl,
    /// RFC 4180. All repositories of a process have one header. If tags and manifests were read, each table of each snapshot
    /// follows after an empty line and with its own header. A run that may not be published prints nothing.
    Csv,
}

impl StdoutFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Table, Self::Jsonl, Self::Csv];

    /// The word used in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

impl fmt::Display for StdoutFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is not the name of a [`StdoutFormat`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}; known are: table, jsonl, csv")]
pub struct UnknownFormat(String);

impl FromStr for StdoutFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|f| f.as_str() == word).ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}
