//! Settings of a walk: which repositories it reads, and how deep.

use std::time::Duration;

use crate::snapshot::{Depth, NameFilter};

/// Which repositories a walk reads, and how deep.
#[derive(Clone, Debug, Default)]
pub struct WalkSettings {
    /// The most repositories that a walk takes; 0 takes all.
    pub max_repositories: u64,
    /// Which repositories are kept.
    pub filter: NameFilter,
    /// What is read of each repository.
    pub depth: Depth,
    /// Repositories that are read first, with their tags, even if the registry does not list them. Case is ignored.
    pub monitored: Vec<String>,
    /// An interrupted walk is resumed if it began less than this ago; zero: never.
    pub resume_within: Duration,
}
