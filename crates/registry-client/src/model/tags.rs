//! All tags of a repository.

use crate::model::names::Names;

/// All tags of a repository.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// Those that follow the specification's grammar, in the server's order, each once.
    pub names: Names,
    /// The first of those that do not, escaped and cut.
    pub invalid: Vec<String>,
    /// How many do not.
    pub invalid_count: u64,
    /// Whether the server wrote `null` instead of a list: what docker-registry says of a repository without tags, and
    /// others where their database does not answer.
    pub null: bool,
}
