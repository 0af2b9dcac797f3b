//! The rules of table `changes` for one repository: pure functions of what was known and what was seen.

use super::super::{ListCoverage, RepositoryState, Scope};

/// Why something appears or disappears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeCause {
    /// The registry has changed.
    Registry,
    /// The configuration has changed, so this may have been so before.
    Configuration,
}

impl ChangeCause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Configuration => "configuration",
        }
    }
}

/// What was known of a repository before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: no list had it.
    Unknown,
    /// The registry said that it is gone.
    Gone,
    /// It was there.
    Known {
        tags: KnownTags,
        /// Whether the configuration named it.
        monitored: bool,
    },
}

/// What was known of the tags of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownTags {
    /// A list of them, from some night.
    Listed,
    /// Nothing, because they were not asked for.
    Unasked,
    /// Nothing, because they could not be read.
    Unread,
}

/// What a night saw of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// No row.
    Absent,
    Seen {
        state: RepositoryState,
        monitored: bool,
    },
}

/// What a night says of a repository, compared with what was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing was known, and nothing is.
    Ignore,
    /// It came. Its tags, where they are read, came with it.
    Add(ChangeCause),
    /// It and all its tags went.
    Remove(ChangeCause),
    /// Its tags are compared; those that come where no tag was known have this cause.
    Compare(ChangeCause),
    /// Nothing new is known of it, or of its tags.
    CarryOn,
}

/// What became of a repository between the night of the scope `last` and that of the scope `tonight`.
pub(super) fn decide(name: &str, before: Before, now: Now, last: &Scope, tonight: &Scope) -> Decision {
    match (before, now) {
        (Before::Unknown | Before::Gone, Now::Absent | Now::Seen { state: RepositoryState::Gone, .. }) => {
            Decision::Ignore
        }
        (Before::Unknown, Now::Seen { monitored, .. }) => Decision::Add(cause_of_new(name, monitored, last, tonight)),
        // Registries list deleted repositories for years. Where only names are read, nothing tells that it is gone.
        (Before::Gone, Now::Seen { monitored, .. }) => Decision::Add(if_asked(tonight.reads_tags(monitored))),
        (Before::Known { monitored, .. }, Now::Absent) => absent(name, monitored, last, tonight),
        (Before::Known { tags, .. }, Now::Seen { state, monitored }) => match state {
            RepositoryState::Gone => Decision::Remove(if_asked(tags != KnownTags::Unasked)),
            RepositoryState::Denied | RepositoryState::Error => Decision::CarryOn,
            RepositoryState::Complete if !tonight.reads_tags(monitored) => Decision::CarryOn,
            RepositoryState::Complete => Decision::Compare(if_asked(tags != KnownTags::Unasked)),
        },
    }
}

/// The registry has changed, if both nights asked; else only the question has.
fn if_asked(both_asked: bool) -> ChangeCause {
    if both_asked { ChangeCause::Registry } else { ChangeCause::Configuration }
}

/// Why a repository is there that was not known. The registry is named only where the last night would have seen it.
fn cause_of_new(name: &str, monitored: bool, last: &Scope, tonight: &Scope) -> ChangeCause {
    let was_in_reach = last.list != ListCoverage::Limited && last.source == tonight.source && last.takes(name);
    // A monitored repository is read even if no list has it.
    let is_newly_monitored = monitored && !last.monitored.contains(name);
    if_asked(was_in_reach && !is_newly_monitored)
}

/// What a missing row says of a repository that was there.
fn absent(name: &str, was_monitored: bool, last: &Scope, tonight: &Scope) -> Decision {
    if !tonight.takes(name) {
        return Decision::Remove(ChangeCause::Configuration);
    }
    // It may come later in the list, or the registry has left it out.
    if tonight.list != ListCoverage::Whole {
        return Decision::CarryOn;
    }
    Decision::Remove(if_asked(!was_monitored && last.source == tonight.source))
}
