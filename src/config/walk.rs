//! What is read of a registry, and which inventories are not published.

use std::time::Duration;

use globset::Glob;
use url::Url;
use yaml_sections::Phrase::Plain;
use yaml_sections::{Checked, DefaultKey, Field, OptionalKey, Phrase, Section};

use super::phrases::{BOOL, DURATION_OR_OFF, NONE, REPOSITORIES};
use super::{discovery, hints};
use crate::registry::RegistryKind;
use crate::snapshot::JudgeSettings;
use crate::walk::{Depth, NameFilter, WalkSettings};

const DEPTHS: [(&str, Depth); 3] =
    [("repositories", Depth::Repositories), ("tags", Depth::Tags), ("manifests", Depth::Manifests)];
const PATTERNS: Phrase = Plain("a pattern, or a list of patterns");

static DEPTH: DefaultKey<Depth> = DefaultKey::one_of(
    "depth",
    &DEPTHS,
    Depth::default,
    "What is read of each repository: its name; also its tags; also manifests and images.",
);
static MONITORED_REPOSITORIES: OptionalKey = OptionalKey::new(
    "monitored_repositories",
    REPOSITORIES,
    NONE,
    "Repositories that are read first and with their tags, even if the list of repositories does not have them.",
);
static RESUME_WITHIN: DefaultKey<Duration> = DefaultKey::new(
    "resume_within",
    DURATION_OR_OFF,
    || Duration::from_hours(1),
    "Longest age of an interrupted walk that the next run continues; `off`: never continue.",
);
static MAX_REPOSITORIES: DefaultKey<u64> = DefaultKey::new(
    "max_repositories",
    Plain("a whole number, `0` or more"),
    || 0,
    "The inventory ends after this number of repositories; `0`: all.",
);
static INCLUDE: OptionalKey = OptionalKey::new(
    "include",
    PATTERNS,
    Plain("all"),
    "Repositories by name. `*` stays within one part of a name, `**` crosses `/`, `{a,b}` is either.",
);
static EXCLUDE: OptionalKey =
    OptionalKey::new("exclude", PATTERNS, NONE, "Repositories that are left out though `include` has them.");
static ALLOW_EMPTY: DefaultKey<bool> = DefaultKey::new(
    "allow_empty",
    BOOL,
    || JudgeSettings::default().allow_empty,
    "Publish an inventory without any repository.",
);
static SHRINK_LIMIT: DefaultKey<f64> = DefaultKey::new(
    "shrink_limit",
    Plain("a number from 0 to 1"),
    || JudgeSettings::default().shrink_limit,
    "Share of the repositories by which an inventory may be smaller than the last one and still be published.",
);

/// Reads how far the walk goes.
pub(super) fn read(section: &mut Section<'_>, kind: Option<RegistryKind>, url: Option<&Url>) -> Checked<WalkSettings> {
    let depth = section.one_of(&DEPTH);
    let monitored = section.or_empty(&MONITORED_REPOSITORIES, |field| discovery::repositories(field, url));
    let resume_within = section.or(&RESUME_WITHIN, Field::duration_or_off);
    let max_repositories = section.or(&MAX_REPOSITORIES, |field| {
        let most = field.whole(0..=u64::MAX)?;
        hints::limit(kind, field, most);
        Ok(most)
    });
    let mut patterns = |key: &'static OptionalKey| section.or_empty(key, |field| field.each(pattern));
    let (include, exclude) = (patterns(&INCLUDE), patterns(&EXCLUDE));
    let filter = NameFilter::new(&include?, &exclude?).map_err(|_| {
        section.problem("`include` and `exclude` are too large together", "name fewer or simpler patterns")
    });
    Ok(WalkSettings {
        max_repositories: max_repositories?,
        filter: filter?,
        depth: depth?,
        monitored: monitored?,
        resume_within: resume_within?,
    })
}

/// Reads the limits of the verdict.
pub(super) fn judge(section: &mut Section<'_>) -> Checked<JudgeSettings> {
    let allow_empty = section.or(&ALLOW_EMPTY, Field::bool);
    let shrink_limit = section.or(&SHRINK_LIMIT, Field::share);
    Ok(JudgeSettings { allow_empty: allow_empty?, shrink_limit: shrink_limit? })
}

fn pattern(field: &Field<'_>) -> Checked<Glob> {
    // No repository has a blank in its name, so such a pattern would match nothing.
    if field.text()?.contains(char::is_whitespace) {
        let help = "write several patterns as a list: `[my-org/*, other/*]`".to_owned();
        return Err(field.problem("expected a pattern, found a blank in it", Some(help)));
    }
    field.parse(|text| NameFilter::pattern(text).map_err(|error| format!("not a pattern: {}", error.kind())))
}
