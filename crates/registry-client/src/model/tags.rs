//! All tags of a repository.

use crate::model::names::Names;

/// All tags of a repository.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// The tags that follow the grammar of the specification, in the server's order, each once.
    pub names: Names,
    /// The first 100 of the tags that break the grammar, escaped and cut.
    pub invalid: Vec<String>,
    /// How many tags break the grammar.
    pub invalid_count: u64,
    /// Whether the server wrote `null` instead of a list. docker-registry does so for a repository without tags, other
    /// registries if their database does not answer.
    pub null: bool,
}
