//! Settings of a walk: which repositories it reads, and how deep.

use std::time::Duration;

use globset::{Glob, GlobBuilder, GlobSet};

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

/// What is read of each repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// Its name.
    #[default]
    Repositories,
    /// Its name and its tags.
    Tags,
    /// Its tags, the manifests that they lead to, and the configurations of images.
    Manifests,
}

/// Accepts names that match one of the `include` patterns, or any name if there is none, and no pattern of `exclude`.
///
/// `*` and `?` stay within one part of a name, `**` crosses `/`, `{a,b}` is either: `my-org/*` accepts `my-org/app`
/// and not `my-org/team/app`, which `my-org/**` does.
#[derive(Clone, Debug, Default)]
pub struct NameFilter {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl NameFilter {
    /// Compiles one pattern.
    pub fn pattern(text: &str) -> Result<Glob, globset::Error> {
        GlobBuilder::new(text).literal_separator(true).build()
    }

    /// A filter of these patterns; fails when they are too large together.
    pub fn new(include: &[Glob], exclude: &[Glob]) -> Result<Self, globset::Error> {
        let include = if include.is_empty() { None } else { Some(GlobSet::new(include)?) };
        Ok(Self { include, exclude: GlobSet::new(exclude)? })
    }

    /// Whether the repository of this name is kept.
    pub fn accepts(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(name)) && !self.exclude.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> NameFilter {
        let compile = |texts: &[&str]| -> Vec<Glob> {
            texts.iter().map(|text| NameFilter::pattern(text).expect("a pattern")).collect()
        };
        NameFilter::new(&compile(include), &compile(exclude)).expect("a filter")
    }

    #[test]
    fn a_star_stays_within_one_part_and_two_cross_them() {
        for (include, exclude, name, accepted) in [
            (&[][..], &[][..], "any/thing", true),
            (&["my-org/*"], &[], "my-org/app", true),
            (&["my-org/*"], &[], "my-org/team/app", false),
            (&["my-org/**"], &[], "my-org/team/app", true),
            (&["**"], &[], "a/b/c", true),
            (&["*"], &[], "a/b", false),
            (&["**/app"], &[], "app", true),
            (&["my-org/*", "other/x"], &[], "other/x", true),
            (&["{a,b}/?"], &[], "b/c", true),
            (&[], &["**/*-test"], "a/b-test", false),
            (&["a/*"], &["a/b"], "a/b", false),
            (&["a/*"], &["a/b"], "a/c", true),
            (&["A/*"], &[], "a/c", false),
        ] {
            assert_eq!(filter(include, exclude).accepts(name), accepted, "{include:?} {exclude:?} {name}");
        }
    }
}
