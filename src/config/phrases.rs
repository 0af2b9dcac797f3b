//! Texts that several descriptions of keys share.

use std::time::Duration;

use yaml_sections::Phrase::{self, Computed, Plain};
use yaml_sections::{LONGEST_DURATION, Written};

pub(super) const TEXT: Phrase = Plain("text");
pub(super) const PATH: Phrase = Plain("the path of a file");
pub(super) const BOOL: Phrase = Plain("`true` or `false`");
pub(super) const NAMES: Phrase = Plain("a name, or a list of names");
pub(super) const REPOSITORIES: Phrase = Plain("a repository's name, or a list of names");
pub(super) const NONE: Phrase = Plain("none");
/// What `Field::duration` accepts.
pub(super) const DURATION: Phrase = Computed(|| duration(LONGEST_DURATION));
/// What `Field::duration_or_off` accepts.
pub(super) const DURATION_OR_OFF: Phrase = Computed(|| duration_or_off(LONGEST_DURATION));

pub(super) fn duration(most: Duration) -> String {
    format!("a duration, at most {}", most.written())
}

pub(super) fn duration_or_off(most: Duration) -> String {
    format!("a duration, at most {}, or `off`", most.written())
}

pub(super) fn whole(from: u64, to: u64) -> String {
    format!("a whole number from {from} to {to}")
}
