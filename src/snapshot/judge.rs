//! The verdict: a pure function from what a walk saw to what may be done with it.
//!
//! Its rule of rules: good data is never replaced by less because of an error. What looks like an empty or a sharply
//! smaller registry is more often a lost permission than the truth.

use stocktake_sink::Verdict;

/// Below this many repositories, or tags, in the last snapshot, shrinking is everyday life.
const SHRINK_FLOOR: u64 = 20;
/// The share by which tags may become fewer, whatever the limit for repositories: cleaning up removes most of them at
/// once, and is no accident. A lost permission, or an answer that all is gone, leaves next to none.
const TAGS_SHRINK_LIMIT: f64 = 0.9;

/// How sceptical to be of one registry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgeSettings {
    /// Accept an empty inventory.
    pub allow_empty: bool,
    /// The share (0 to 1) by which the inventory may shrink against the last snapshot.
    pub shrink_limit: f64,
}

impl Default for JudgeSettings {
    fn default() -> Self {
        Self { allow_empty: false, shrink_limit: 0.2 }
    }
}

/// How the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After the last page, or at the configured number of repositories.
    Whole,
    /// By an error before the first page: the registry refused us.
    Denied,
    /// By an error before the first page: there is no catalog.
    Unsupported,
    /// By any other error before the first page, or by our own disk.
    Failed,
    /// By an error after at least one page.
    CutShort,
}

/// How much is in a snapshot, as far as it is compared with the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows of table `repositories`.
    pub repositories: u64,
    /// Rows of table `tags`; none where tags were not asked for of every repository.
    pub tags: Option<u64>,
}

/// What a walk saw.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// How it ended.
    pub ending: Ending,
    /// Names the registry listed, before include and exclude.
    pub listed: u64,
    /// What there is to publish.
    pub found: Extent,
    /// Listed names that break the grammar; no rows are made of them.
    pub invalid: u64,
    /// They, and repositories that could not be read.
    pub unreadable: u64,
    /// Reasons why the list of names may not be whole.
    pub shortfalls: u64,
    /// Whether credentials are configured.
    pub credentials: bool,
    /// What is in the last snapshot that could be published.
    pub previous: Option<Extent>,
}

/// The verdict, and why, where it is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// One line for people.
    pub reason: Option<String>,
}

/// Judges a walk.
pub fn judge(seen: &Evidence, settings: &JudgeSettings) -> Judgement {
    let verdict = match seen.ending {
        Ending::Denied => Verdict::Denied,
        Ending::Unsupported => Verdict::Unsupported,
        Ending::Failed => Verdict::Failed,
        Ending::CutShort => Verdict::Partial,
        Ending::Whole => return judge_whole(seen, settings),
    };
    // The error that ended the walk is the reason; whoever has it, tells it.
    Judgement { verdict, reason: None }
}

fn judge_whole(seen: &Evidence, settings: &JudgeSettings) -> Judgement {
    if let Some(reason) = suspicion(seen, settings) {
        return Judgement { verdict: Verdict::Suspicious, reason: Some(reason) };
    }
    if seen.unreadable > 0 {
        let all = seen.found.repositories + seen.invalid;
        let reason = format!("{} of {all} repositories could not be read", seen.unreadable);
        return Judgement { verdict: Verdict::Gaps, reason: Some(reason) };
    }
    if seen.shortfalls > 0 {
        let reason = "the list of repositories may not be whole".to_owned();
        return Judgement { verdict: Verdict::Gaps, reason: Some(reason) };
    }
    Judgement { verdict: Verdict::Complete, reason: None }
}

fn suspicion(seen: &Evidence, settings: &JudgeSettings) -> Option<String> {
    let before = seen.previous.unwrap_or_default();
    let (rows, previous) = (seen.found.repositories, before.repositories);
    // Monitored repositories have rows though nothing be listed.
    if seen.credentials && seen.listed == 0 && !settings.allow_empty {
        return Some(
            "credentials are configured and not one repository is visible: most likely the account lost its \
             permissions; if the registry really is empty, set `allow_empty: true`"
                .into(),
        );
    }
    if rows == 0 {
        if previous > 0 && !settings.allow_empty {
            return Some(format!(
                "the inventory is empty ({} names listed before include and exclude), the last one had {previous} \
                 repositories; if that is right, set `allow_empty: true`",
                seen.listed
            ));
        }
        return None;
    }
    let shrunk_by = shrinkage(previous, rows);
    if shrunk_by > settings.shrink_limit {
        return Some(format!(
            "the inventory shrank from {previous} to {rows} repositories ({:.0}%, more than `shrink_limit: {}`); if that \
             is right, raise the limit for one run (`shrink_limit: 1` accepts any shrinkage)",
            shrunk_by * 100.0,
            settings.shrink_limit
        ));
    }
    let (had, have) = (before.tags?, seen.found.tags?);
    (shrinkage(had, have) > settings.shrink_limit.max(TAGS_SHRINK_LIMIT)).then(|| {
        format!(
            "the inventory shrank from {had} to {have} tags: most likely the account lost its permissions; if that is \
             right, set `shrink_limit: 1` for one run"
        )
    })
}

/// By which share (0 to 1) there is less than there was; 0 where there was little.
fn shrinkage(previous: u64, now: u64) -> f64 {
    if previous < SHRINK_FLOOR {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss)] // a share needs no more than 52 bits
    let share = previous.saturating_sub(now) as f64 / previous as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Evidence = Evidence {
        ending: Ending::Whole,
        listed: 100,
        found: all(100),
        invalid: 0,
        unreadable: 0,
        shortfalls: 0,
        credentials: true,
        previous: None,
    };

    const fn all(repositories: u64) -> Extent {
        Extent { repositories, tags: None }
    }

    #[allow(clippy::unnecessary_wraps)] // as the evidence has it
    const fn of(repositories: u64) -> Option<Extent> {
        Some(all(repositories))
    }

    #[test]
    fn verdicts_by_what_was_seen() {
        let default = JudgeSettings::default();
        let trusting = JudgeSettings { allow_empty: true, shrink_limit: 1.0 };
        let empty = Evidence { listed: 0, found: all(0), ..WHOLE };
        let cases: &[(&str, Evidence, JudgeSettings, Verdict)] = &[
            ("a first night", WHOLE, default, Verdict::Complete),
            ("an unchanged night", Evidence { previous: of(100), ..WHOLE }, default, Verdict::Complete),
            ("growth", Evidence { previous: of(1), ..WHOLE }, default, Verdict::Complete),
            ("20% less is within 0.2", Evidence { previous: of(125), ..WHOLE }, default, Verdict::Complete),
            ("21% less is not", Evidence { previous: of(127), ..WHOLE }, default, Verdict::Suspicious),
            ("any shrinkage allowed", Evidence { previous: of(100_000), ..WHOLE }, trusting, Verdict::Complete),
            (
                "few repositories come and go",
                Evidence { found: all(1), previous: of(19), ..WHOLE },
                default,
                Verdict::Complete,
            ),
            (
                "from 20 on they do not",
                Evidence { found: all(1), previous: of(20), ..WHOLE },
                default,
                Verdict::Suspicious,
            ),
            ("credentials and nothing seen", empty, default, Verdict::Suspicious),
            ("allowed to be empty", empty, trusting, Verdict::Complete),
            (
                "allowed to be empty, whatever stood there",
                Evidence { previous: of(500), ..empty },
                JudgeSettings { allow_empty: true, ..default },
                Verdict::Complete,
            ),
            (
                "anonymous and empty from the start",
                Evidence { credentials: false, ..empty },
                default,
                Verdict::Complete,
            ),
            (
                "anonymous and empty, and was not",
                Evidence { credentials: false, previous: of(1), ..empty },
                default,
                Verdict::Suspicious,
            ),
            ("all filtered out on a first night", Evidence { found: all(0), ..WHOLE }, default, Verdict::Complete),
            (
                "all filtered out, and was not",
                Evidence { found: all(0), previous: of(3), ..WHOLE },
                default,
                Verdict::Suspicious,
            ),
            (
                "nothing listed, though monitored repositories are there",
                Evidence { found: all(3), ..empty },
                default,
                Verdict::Suspicious,
            ),
            ("a repository that could not be read", Evidence { unreadable: 1, ..WHOLE }, default, Verdict::Gaps),
            ("a list that may not be whole", Evidence { shortfalls: 1, ..WHOLE }, trusting, Verdict::Gaps),
            (
                "nothing listed, of owners that are not there",
                Evidence { shortfalls: 1, ..empty },
                trusting,
                Verdict::Gaps,
            ),
            ("cut short", Evidence { ending: Ending::CutShort, ..WHOLE }, trusting, Verdict::Partial),
            ("denied", Evidence { ending: Ending::Denied, ..empty }, trusting, Verdict::Denied),
            ("no catalog", Evidence { ending: Ending::Unsupported, ..empty }, trusting, Verdict::Unsupported),
            ("failed", Evidence { ending: Ending::Failed, ..empty }, trusting, Verdict::Failed),
        ];
        for (case, evidence, settings, expected) in cases {
            let judged = judge(evidence, settings);
            assert_eq!(judged.verdict, *expected, "{case}");
            assert_eq!(
                judged.reason.is_some(),
                matches!(expected, Verdict::Suspicious | Verdict::Gaps),
                "{case}: {judged:?}"
            );
        }
    }

    #[test]
    fn tags_may_become_fewer_but_not_nearly_all_of_them() {
        let default = JudgeSettings::default();
        let trusting = JudgeSettings { shrink_limit: 1.0, ..default };
        let cases = [
            ("nine in ten cleaned up", Some(1000), Some(100), default, Verdict::Complete),
            ("nearly all gone", Some(1000), Some(99), default, Verdict::Suspicious),
            ("any shrinkage allowed", Some(1000), Some(0), trusting, Verdict::Complete),
            ("few come and go", Some(19), Some(0), default, Verdict::Complete),
            ("no longer asked for", Some(1000), None, default, Verdict::Complete),
            ("asked for now", None, Some(0), default, Verdict::Complete),
        ];
        for (case, before, now, settings, expected) in cases {
            let of = |tags| Extent { repositories: 100, tags };
            let night = Evidence { found: of(now), previous: Some(of(before)), ..WHOLE };
            assert_eq!(judge(&night, &settings).verdict, expected, "{case}");
        }
        let all_denied = Extent { repositories: 100, tags: Some(0) };
        let previous = Some(Extent { repositories: 100, tags: Some(1000) });
        let denied = Evidence { found: all_denied, unreadable: 100, previous, ..WHOLE };
        assert_eq!(judge(&denied, &default).verdict, Verdict::Suspicious);
    }

    #[test]
    fn a_gap_is_told_among_all_that_were_to_be_read() {
        // Two monitored repositories that the list does not have, one listed name that is no name, and 50 filtered out.
        let seen = Evidence { listed: 100, found: all(51), invalid: 1, unreadable: 3, ..WHOLE };
        let told = judge(&seen, &JudgeSettings::default()).reason.unwrap();
        assert_eq!(told, "3 of 52 repositories could not be read");
    }
}
