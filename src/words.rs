//! Counts in words, for messages: the one place for plurals of the log, the summary, progress and reasons.

use std::fmt::Display;

/// `1 page`, `2 pages`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { many })
}

/// The first of these, at most so many, and how many more there are: `a, b and 37 more`.
pub fn first_of<T: Display>(all: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut all = all.into_iter();
    let shown = all.by_ref().take(most).map(|one| one.to_string()).collect::<Vec<_>>().join(", ");
    match all.count() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_everything_else_is_many() {
        for (count, expected) in [(0_u64, "0 pages"), (1, "1 page"), (2, "2 pages"), (11, "11 pages")] {
            assert_eq!(counted(count, "page", "pages"), expected);
        }
        assert_eq!(counted(1_usize, "registry", "registries"), "1 registry");
    }

    #[test]
    fn the_first_are_named_and_the_others_counted() {
        assert_eq!(first_of(["a"], 2), "a");
        assert_eq!(first_of(["a", "b"], 2), "a, b");
        assert_eq!(first_of(["a", "b"].into_iter().chain(["c"; 37]), 2), "a, b and 37 more");
    }
}
