//! What the configuration says about judging a snapshot.

/// When a snapshot that arrived whole is still not believed.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeSettings {
    /// Whether an inventory without a repository is published.
    pub allow_empty: bool,
    /// The part of the repositories, 0 to 1, that may be missing against the last complete snapshot.
    pub shrink_limit: f64,
}
