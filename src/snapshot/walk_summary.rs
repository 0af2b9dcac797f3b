//! The facts of a walk that its verdict depends on.

use serde::{Deserialize, Serialize};

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkCompletion {
    /// After the last page, or at the configured number of repositories.
    Whole,
    /// By an error before anything was read: the registry refused us.
    Denied,
    /// By an error before the first page: there is no catalog.
    Unsupported,
    /// By any other error before anything was read, or by our own disk.
    Failed,
    /// By an error after something was read.
    CutShort,
}

/// The counts of a snapshot that the next one is compared with. `None`: not asked for, or not counted by an earlier
/// version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extent {
    /// Rows of table `repositories`.
    pub repositories: u64,
    /// Names the registry listed, before include and exclude.
    pub listed: Option<u64>,
    /// Of the rows, the repositories that the registry says are gone; counted of those that were read.
    pub gone: u64,
    /// Repositories with at least one tag; none where tags were not asked for of every repository, as with the rest.
    pub tagged: Option<u64>,
    /// Rows of table `tags`.
    pub tags: Option<u64>,
    /// Tags that lead to a digest; none where manifests were not asked for, as with the rest.
    pub digests: Option<u64>,
    /// Rows of table `manifests`.
    pub manifests: Option<u64>,
    /// Manifests and configurations that something leads to, and that the registry says are not there.
    pub missing: Option<u64>,
}

/// Whose permissions the list of repositories depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Credentials are configured.
    Account,
    /// No credentials are configured, and the registry has accounts: it may show nothing to anonymous callers.
    Anonymous,
    /// No credentials are configured, and the registry asks for none.
    Anybody,
}

/// Repositories of which not even the tags could be listed, because of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The registry refused access.
    pub denied: u64,
    /// Anything else went wrong.
    pub failed: u64,
}

impl Refused {
    /// Both together.
    pub fn count(self) -> u64 {
        self.denied + self.failed
    }
}

/// The facts of a walk that its verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct WalkSummary {
    /// How it ended.
    pub ending: WalkCompletion,
    /// Names the registry listed, before include and exclude.
    pub listed: u64,
    /// The counts of what can be published.
    pub found: Extent,
    /// Listed names that break the grammar; no rows are made of them.
    pub invalid: u64,
    /// Invalid names, and repositories that could not be read, or only in part.
    pub unreadable: u64,
    /// Of those, the repositories of which not even the tags are known.
    pub refused: Refused,
    /// Repositories of which all is known that was asked for, or their tags at least.
    pub readable: u64,
    /// Repositories for which the registry wrote `null` instead of a list of tags.
    pub null: u64,
    /// How many reasons there are why the list of names may be incomplete.
    pub shortfalls: u64,
    /// Repositories that were complete in the last snapshot and are gone; at most [`Extent::gone`], and 0 where that is
    /// few more than last time.
    pub newly_gone: u64,
    /// Whose permissions the list depends on.
    pub caller: Caller,
    /// The counts of the last published snapshot.
    pub previous: Option<Extent>,
}
