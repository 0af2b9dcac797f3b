//! What differs between two published runs of a registry: a merge of their sorted rows. Memory does not grow with them.
//!
//! What one of the two runs could not read is not taken for removed: the tags of a repository are compared if both runs have
//! read all of them.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::{fmt, mem};

use stocktake_sink::{ChangeOp, PublishedFiles, PublishedRun, Table};

use super::PublishedError;
use super::lines::{RepositoryLine, RepositoryLines, TagLines};

/// One repository or tag that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The repository.
    pub repository: String,
    /// The tag; `None` for the repository itself.
    pub tag: Option<String>,
    /// What became of it.
    pub op: ChangeOp,
    /// What the tag pointed to.
    pub old_digest: Option<String>,
    /// What the tag points to.
    pub new_digest: Option<String>,
}

/// The differences by repository, each with its tags after it.
pub struct DifferenceRows {
    repositories: [RepositoryLines; 2],
    current: [Option<RepositoryLine>; 2],
    tags: [TagLines; 2],
    /// The repository whose tags are being compared.
    within: Option<String>,
    pending: VecDeque<Difference>,
    incomparable: u64,
    has_failed: bool,
}

/// The differences from one run to another one of the same registry.
///
/// # Errors
/// If a run published nothing, or its rows cannot be read.
pub fn differences(
    files: &dyn PublishedFiles,
    before: &PublishedRun,
    after: &PublishedRun,
) -> Result<DifferenceRows, PublishedError> {
    let open = |run: &PublishedRun| {
        RepositoryLines::open(files, run)?.ok_or_else(|| {
            PublishedError::Absent(format!("{} is {} and has no inventory to compare", run.id.run_id(), run.verdict))
        })
    };
    let mut repositories = [open(before)?, open(after)?];
    let current = [repositories[0].next()?, repositories[1].next()?];
    // Where one run read no tags, none of the other one has appeared or disappeared.
    let both_have_tags = before.object(Table::Tags).is_some() && after.object(Table::Tags).is_some();
    let tags = if both_have_tags {
        [TagLines::open(files, before)?, TagLines::open(files, after)?]
    } else {
        [TagLines::none(), TagLines::none()]
    };
    let pending = VecDeque::new();
    Ok(DifferenceRows { repositories, current, tags, within: None, pending, incomparable: 0, has_failed: false })
}

impl DifferenceRows {
    /// How many repositories, of those that were passed, were not read wholly by one of the runs, so that their tags were not
    /// compared.
    pub fn incomparable(&self) -> u64 {
        self.incomparable
    }

    fn step(&mut self) -> Result<Option<Difference>, PublishedError> {
        loop {
            if let Some(difference) = self.pending.pop_front() {
                return Ok(Some(difference));
            }
            if let Some(repository) = &self.within {
                let [before, after] = &mut self.tags;
                match next_tag(repository, before, after)? {
                    Some(difference) => return Ok(Some(difference)),
                    None => self.within = None,
                }
            }
            let order = match &self.current {
                [None, None] => return Ok(None),
                [Some(_), None] => Ordering::Less,
                [None, Some(_)] => Ordering::Greater,
                [Some(before), Some(after)] => before.name.cmp(&after.name),
            };
            let before = if order.is_le() { self.take(0)? } else { None };
            let after = if order.is_ge() { self.take(1)? } else { None };
            self.compare(before, after);
        }
    }

    fn take(&mut self, side: usize) -> Result<Option<RepositoryLine>, PublishedError> {
        let next = self.repositories[side].next()?;
        Ok(mem::replace(&mut self.current[side], next))
    }

    /// A repository that the registry says is gone is as one that is not listed.
    fn compare(&mut self, before: Option<RepositoryLine>, after: Option<RepositoryLine>) {
        let is_there = |line: &RepositoryLine| line.state != "gone";
        match (before.filter(is_there), after.filter(is_there)) {
            (None, None) => {}
            (Some(line), None) => self.whole(line.name, ChangeOp::Removed),
            (None, Some(line)) => self.whole(line.name, ChangeOp::Added),
            (Some(before), Some(after)) if before.has_all_tags && after.has_all_tags => {
                self.within = Some(after.name);
            }
            (Some(before), Some(after)) => {
                let is_unread = |line: &RepositoryLine| line.state != "complete";
                self.incomparable += u64::from(is_unread(&before) || is_unread(&after));
            }
        }
    }

    fn whole(&mut self, repository: String, op: ChangeOp) {
        let difference = Difference { repository, tag: None, op, old_digest: None, new_digest: None };
        self.within = Some(difference.repository.clone());
        self.pending.push_back(difference);
    }
}

/// The next tag of a repository that differs.
fn next_tag(
    repository: &str,
    before: &mut TagLines,
    after: &mut TagLines,
) -> Result<Option<Difference>, PublishedError> {
    loop {
        let (old, new) = (before.of(repository)?, after.of(repository)?);
        let order = match (old, new) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let op = match order {
            Ordering::Less => Some(ChangeOp::Removed),
            Ordering::Greater => Some(ChangeOp::Added),
            // A digest that one of the runs does not know has not moved.
            Ordering::Equal => {
                let digests = (old.and_then(|(_, digest)| digest), new.and_then(|(_, digest)| digest));
                matches!(digests, (Some(old), Some(new)) if old != new).then_some(ChangeOp::Moved)
            }
        };
        let difference = op.map(|op| {
            let (old, new) = (old.filter(|_| order.is_le()), new.filter(|_| order.is_ge()));
            let digest = |of: Option<(&str, Option<&str>)>| of.and_then(|(_, digest)| digest).map(str::to_owned);
            let tag = old.or(new).map(|(tag, _)| tag.to_owned());
            Difference { repository: repository.to_owned(), tag, op, old_digest: digest(old), new_digest: digest(new) }
        });
        if order.is_le() {
            before.advance()?;
        }
        if order.is_ge() {
            after.advance()?;
        }
        if difference.is_some() {
            return Ok(difference);
        }
    }
}

impl fmt::Debug for DifferenceRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DifferenceRows").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Iterator for DifferenceRows {
    type Item = Result<Difference, PublishedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = self.step().transpose();
        self.has_failed = matches!(next, Some(Err(_)));
        next
    }
}

#[cfg(test)]
mod tests;
