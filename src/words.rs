//! Counts in words, for messages: the one place for plurals of the log, the summary, progress and reasons.

use std::fmt::Display;

/// `1 page`, `2 pages`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, one: &str, many: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { many })
}

/// The first of some, and how many more there are: `a, b and 37 more`.
pub fn first_of<T: Display>(shown: impl IntoIterator<Item = T>, more: u64) -> String {
    let shown: Vec<_> = shown.into_iter().map(|one| one.to_string()).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
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
        assert_eq!(first_of(["a"], 0), "a");
        assert_eq!(first_of(["a", "b"], 37), "a, b and 37 more");
    }
}
