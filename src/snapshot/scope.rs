//! What of a registry a snapshot covers: which repositories, and how much of each.

use globset::{Glob, GlobBuilder, GlobSet};
use serde::{Deserialize, Serialize};

use super::MonitoredNames;

/// What is read of each repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Patterns", into = "Patterns")]
pub struct NameFilter {
    include: Option<GlobSet>,
    exclude: GlobSet,
    patterns: Patterns,
}

/// The patterns of a filter as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Patterns {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl NameFilter {
    /// Compiles one pattern.
    pub fn pattern(text: &str) -> Result<Glob, globset::Error> {
        GlobBuilder::new(text).literal_separator(true).build()
    }

    /// A filter of these patterns; fails when they are too large together.
    pub fn new(include: &[Glob], exclude: &[Glob]) -> Result<Self, globset::Error> {
        let written = |globs: &[Glob]| globs.iter().map(|glob| glob.glob().to_owned()).collect();
        let patterns = Patterns { include: written(include), exclude: written(exclude) };
        let include = if include.is_empty() { None } else { Some(GlobSet::new(include)?) };
        Ok(Self { include, exclude: GlobSet::new(exclude)?, patterns })
    }

    /// Whether the repository of this name is kept.
    pub fn accepts(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(name)) && !self.exclude.is_match(name)
    }
}

impl TryFrom<Patterns> for NameFilter {
    type Error = globset::Error;

    fn try_from(written: Patterns) -> Result<Self, globset::Error> {
        let compiled = |texts: &[String]| texts.iter().map(|text| Self::pattern(text)).collect::<Result<Vec<_>, _>>();
        Self::new(&compiled(&written.include)?, &compiled(&written.exclude)?)
    }
}

impl From<NameFilter> for Patterns {
    fn from(filter: NameFilter) -> Self {
        filter.patterns
    }
}

/// How much of the registry's list of names a walk saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListCoverage {
    /// All of it.
    Whole,
    /// Up to `max_repositories`.
    Limited,
    /// The registry itself may have left out names.
    Incomplete,
}

/// What a snapshot covers: which names a walk took, from where, and how deep it read them. What differs between two
/// nights may come from a difference of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scope {
    /// What was read of each repository.
    pub depth: Depth,
    /// Which names were kept.
    pub filter: NameFilter,
    /// The monitored repositories. They are read with their tags at least, and past the filter.
    pub monitored: MonitoredNames,
    /// How much of the list the walk saw.
    pub list: ListCoverage,
    /// Where the names come from, and as whom the registry was asked. Only compared.
    pub source: String,
}

impl Scope {
    /// Whether a walk takes a repository of this name when it meets it.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.filter.accepts(name) || self.monitored.contains(name)
    }

    /// Whether the tags of a repository are read.
    pub(super) fn reads_tags(&self, monitored: bool) -> bool {
        monitored || self.depth >= Depth::Tags
    }

    /// Whether it is asked what tags point to.
    pub(super) fn reads_digests(&self) -> bool {
        self.depth == Depth::Manifests
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
