//! A set of texts that were seen before, in little memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// A set of texts. Stores two keyed hashes of each text instead of the text; both together are unique in practice.
#[derive(Debug, Default)]
pub(super) struct SeenTexts {
    hashers: (RandomState, RandomState),
    texts: HashSet<(u64, u64)>,
}

impl SeenTexts {
    /// Adds a text; false if it was added before.
    pub(super) fn is_new(&mut self, text: &str) -> bool {
        self.texts.insert((self.hashers.0.hash_one(text), self.hashers.1.hash_one(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn met_names_are_known_again() {
        let mut met = SeenTexts::default();
        assert!(met.is_new("a") && met.is_new("b") && !met.is_new("a"));
    }
}
