//! Compares a night with the baseline, repository by repository, in one pass over both.

use std::cmp::Ordering;
use std::path::PathBuf;

use arrow::error::ArrowError;
use stocktake_sink::{ChangeOp, Table};

use super::super::files::table_file;
use super::super::{ChangeCounts, RepositoryState, SealError};
use super::baseline::{Baseline, BaselineEntry};
use super::carried::{CarriedWriter, RememberedRepository};
use super::decision::{Before, ChangeCause, Decision, KnownTags, Now, decide};
use super::night::{ChangesError, Night};
use super::rows::{ChangeRow, ChangeWriter};
use super::tag_rows::{TagRows, TagSeen};
use super::tonight::{SeenRepository, Tonight};

pub(super) struct Comparing<'a> {
    night: &'a Night<'a>,
    baseline: Option<Baseline>,
    tonight: Tonight,
    out: Output,
}

/// What is written.
struct Output {
    changes: ChangeWriter,
    carried: CarriedWriter,
    path: PathBuf,
}

impl Output {
    fn error(&self, source: ArrowError) -> ChangesError {
        ChangesError::Tonight(not_written(self.path.clone(), source))
    }

    fn change(&mut self, row: &ChangeRow<'_>) -> Result<(), ChangesError> {
        self.changes.push(row).map_err(|e| self.error(e))
    }

    fn carry(&mut self, known: RememberedRepository) -> Result<(), ChangesError> {
        self.carried.push(known).map_err(|e| self.error(e))
    }

    fn carry_tag(&mut self, repository: &str, seen: TagSeen<'_>) -> Result<(), ChangesError> {
        self.carried.push_tag(repository, seen).map_err(|e| self.error(e))
    }
}

impl<'a> Comparing<'a> {
    pub(super) fn new(baseline: Option<Baseline>, tonight: Tonight, night: &'a Night<'a>) -> Result<Self, SealError> {
        let path = night.directory.join(table_file(Table::Changes));
        let failed = |source| not_written(path.clone(), source);
        let changes = ChangeWriter::create(night.directory, night.detected_at).map_err(failed)?;
        let carried = CarriedWriter::new(night.directory).map_err(failed)?;
        Ok(Self { night, baseline, tonight, out: Output { changes, carried, path } })
    }

    /// Compares all repositories.
    pub(super) fn finish(mut self) -> Result<ChangeCounts, ChangesError> {
        let (mut known, mut seen) = (self.next_known()?, self.next_seen()?);
        loop {
            let order = match (&known, &seen) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(known), Some(seen)) => known.name().cmp(&seen.name),
            };
            let before = if order.is_le() { std::mem::replace(&mut known, self.next_known()?) } else { None };
            let now = if order.is_ge() { std::mem::replace(&mut seen, self.next_seen()?) } else { None };
            self.repository(before, now)?;
        }
        let Output { changes, carried, path } = self.out;
        let finished = carried.finish().and_then(|()| changes.finish());
        finished.map_err(|source| ChangesError::Tonight(not_written(path, source)))
    }

    fn next_known(&mut self) -> Result<Option<BaselineEntry>, ChangesError> {
        let Some(baseline) = &mut self.baseline else { return Ok(None) };
        baseline.next().map_err(ChangesError::Baseline)
    }

    fn next_seen(&mut self) -> Result<Option<SeenRepository>, ChangesError> {
        self.tonight.repositories.next().map_err(ChangesError::Tonight)
    }

    fn repository(&mut self, before: Option<BaselineEntry>, now: Option<SeenRepository>) -> Result<(), ChangesError> {
        let Some(baseline) = &self.baseline else {
            // A first night: the snapshot itself is the beginning.
            return now.filter(is_unread).map_or(Ok(()), |now| self.out.carry(unread(&now, self.night.run_id)));
        };
        let known_before = match &before {
            None => Before::Unknown,
            Some(entry) => entry.known().map_or(Before::Gone, |known| {
                let RememberedRepository { tags, monitored, .. } = *known;
                Before::Known { tags, monitored }
            }),
        };
        let seen_now = now.as_ref().map_or(Now::Absent, |now| {
            let SeenRepository { state, monitored, .. } = *now;
            Now::Seen { state, monitored }
        });
        let name = before.as_ref().map(BaselineEntry::name).or_else(|| now.as_ref().map(|now| now.name.as_str()));
        let decision = decide(name.unwrap_or_default(), known_before, seen_now, &baseline.scope, self.night.scope);
        match (decision, before, now) {
            (Decision::Add(cause), _, Some(now)) => self.add(&now, cause),
            (Decision::Remove(cause), Some(before), now) => self.remove(&before, now.as_ref(), cause),
            (Decision::Compare(cause), Some(before), Some(now)) => self.compare(&before, &now, cause),
            (Decision::CarryOn, Some(before), now) => self.carry_on(&before, now.as_ref()),
            _ => Ok(()),
        }
    }

    fn add(&mut self, now: &SeenRepository, cause: ChangeCause) -> Result<(), ChangesError> {
        let previous_run_id = self.baseline.as_ref().map_or("", |baseline| &baseline.run_id);
        let row = ChangeRow {
            observed_at: now.observed_at,
            repository: &now.name,
            tag: None,
            op: ChangeOp::Added,
            cause,
            old_digest: None,
            new_digest: None,
            previous_run_id,
        };
        self.out.change(&row)?;
        if is_unread(now) {
            return self.out.carry(unread(now, self.night.run_id));
        }
        let tags = &mut self.tonight.tags;
        tags.seek(&now.name).map_err(ChangesError::Tonight)?;
        while let Some(seen) = tags.current() {
            let observed_at = tags.observed_at().unwrap_or(now.observed_at);
            self.out.change(&ChangeRow { observed_at, tag: Some(seen.tag), new_digest: seen.digest, ..row })?;
            tags.advance(&now.name).map_err(ChangesError::Tonight)?;
        }
        Ok(())
    }

    fn remove(
        &mut self,
        before: &BaselineEntry,
        now: Option<&SeenRepository>,
        cause: ChangeCause,
    ) -> Result<(), ChangesError> {
        let Some(known) = before.known() else { return Ok(()) };
        let row = ChangeRow {
            observed_at: now.map_or(self.night.detected_at.timestamp_micros(), |now| now.observed_at),
            repository: &known.name,
            tag: None,
            op: ChangeOp::Removed,
            cause,
            old_digest: None,
            new_digest: None,
            previous_run_id: &known.run_id,
        };
        self.out.change(&row)?;
        let (Some(tags_run_id), Some(baseline)) = (&known.tags_run_id, &mut self.baseline) else { return Ok(()) };
        let tags = baseline.tags(before).map_err(ChangesError::Baseline)?;
        while let Some(old) = tags.current() {
            let (tag, old_digest) = (Some(old.tag), old.digest);
            self.out.change(&ChangeRow { tag, old_digest, previous_run_id: tags_run_id, ..row })?;
            tags.advance(&known.name).map_err(ChangesError::Baseline)?;
        }
        Ok(())
    }

    /// Nothing new is known. If the registry still lists it and no more was asked, the list itself is of this night.
    fn carry_on(&mut self, before: &BaselineEntry, now: Option<&SeenRepository>) -> Result<(), ChangesError> {
        let Some(known) = before.known() else { return Ok(()) };
        let mut known = known.clone();
        if let Some(now) = now.filter(|now| !is_unread(now)) {
            if known.tags != KnownTags::Listed {
                // Tonight's row says as much.
                return Ok(());
            }
            self.night.run_id.clone_into(&mut known.run_id);
            known.monitored = now.monitored;
        }
        let (name, has_tags) = (known.name.clone(), known.tags == KnownTags::Listed);
        self.out.carry(known)?;
        let Some(baseline) = self.baseline.as_mut().filter(|_| has_tags) else { return Ok(()) };
        let tags = baseline.tags(before).map_err(ChangesError::Baseline)?;
        while let Some(old) = tags.current() {
            self.out.carry_tag(&name, old)?;
            tags.advance(&name).map_err(ChangesError::Baseline)?;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        before: &BaselineEntry,
        now: &SeenRepository,
        cause_of_new: ChangeCause,
    ) -> Result<(), ChangesError> {
        let Some(known) = before.known() else { return Ok(()) };
        let Some(baseline) = &mut self.baseline else { return Ok(()) };
        let (asks, is_listed) = (self.night.scope.reads_digests(), known.tags == KnownTags::Listed);
        // Where digests are not asked for, those that were known before remain known.
        let keeps = is_listed && known.digests_known && !asks;
        if keeps {
            let run_id = self.night.run_id.to_owned();
            let tags_run_id = Some(run_id.clone());
            let monitored = now.monitored;
            let known = RememberedRepository { run_id, tags_run_id, digests_asked: false, monitored, ..known.clone() };
            self.out.carry(known)?;
        }
        let pair = TagPair {
            repository: &now.name,
            previous_run_id: known.tags_run_id.as_ref().unwrap_or(&known.run_id),
            read_at: now.observed_at,
            asks,
            keeps,
            cause_of_new,
            cause_of_digest: if known.digests_asked { ChangeCause::Registry } else { ChangeCause::Configuration },
        };
        let olds = if is_listed { Some(baseline.tags(before).map_err(ChangesError::Baseline)?) } else { None };
        self.tonight.tags.seek(&now.name).map_err(ChangesError::Tonight)?;
        pair.compare(olds, &mut self.tonight.tags, &mut self.out)
    }
}

/// How the tags of one repository are compared.
struct TagPair<'a> {
    repository: &'a str,
    previous_run_id: &'a str,
    /// When the repository was read, in microseconds.
    read_at: i64,
    /// Whether tonight asks what tags point to.
    asks: bool,
    /// Whether digests that were known are carried on.
    keeps: bool,
    cause_of_new: ChangeCause,
    /// Why a digest is known where none was.
    cause_of_digest: ChangeCause,
}

impl TagPair<'_> {
    fn compare(
        &self,
        mut olds: Option<&mut TagRows>,
        news: &mut TagRows,
        out: &mut Output,
    ) -> Result<(), ChangesError> {
        loop {
            let (old, new) = (olds.as_ref().and_then(|olds| olds.current()), news.current());
            let order = match (old, new) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.tag.cmp(new.tag),
            };
            let (old, new) = (old.filter(|_| order.is_le()), new.filter(|_| order.is_ge()));
            self.tag(old, new, news.observed_at(), out)?;
            if order.is_le()
                && let Some(olds) = &mut olds
            {
                olds.advance(self.repository).map_err(ChangesError::Baseline)?;
            }
            if order.is_ge() {
                news.advance(self.repository).map_err(ChangesError::Tonight)?;
            }
        }
    }

    fn tag(
        &self,
        old: Option<TagSeen<'_>>,
        new: Option<TagSeen<'_>>,
        observed_at: Option<i64>,
        out: &mut Output,
    ) -> Result<(), ChangesError> {
        let (old_digest, new_digest) = (old.and_then(|old| old.digest), new.and_then(|new| new.digest));
        let change = match (old, new) {
            (None, Some(_)) => Some((ChangeOp::Added, self.cause_of_new)),
            (Some(_), None) => Some((ChangeOp::Removed, ChangeCause::Registry)),
            (Some(_), Some(_)) if !self.asks || old_digest == new_digest => None,
            (Some(_), Some(_)) if old_digest.is_none() => Some((ChangeOp::Moved, self.cause_of_digest)),
            _ => Some((ChangeOp::Moved, ChangeCause::Registry)),
        };
        if let Some((op, cause)) = change {
            out.change(&ChangeRow {
                observed_at: observed_at.filter(|_| new.is_some()).unwrap_or(self.read_at),
                repository: self.repository,
                tag: old.or(new).map(|seen| seen.tag),
                op,
                cause,
                old_digest,
                new_digest,
                previous_run_id: self.previous_run_id,
            })?;
        }
        match new.filter(|_| self.keeps) {
            Some(new) => out.carry_tag(self.repository, TagSeen { digest: new_digest.or(old_digest), ..new }),
            None => Ok(()),
        }
    }
}

fn not_written(path: PathBuf, source: ArrowError) -> SealError {
    match source {
        ArrowError::IoError(_, source) => SealError::Disk { path, source },
        source => SealError::Damaged { path, source },
    }
}

fn is_unread(now: &SeenRepository) -> bool {
    matches!(now.state, RepositoryState::Denied | RepositoryState::Error)
}

/// A repository of which nothing but its name is known.
fn unread(now: &SeenRepository, run_id: &str) -> RememberedRepository {
    RememberedRepository {
        name: now.name.clone(),
        run_id: run_id.to_owned(),
        tags: KnownTags::Unread,
        tags_run_id: None,
        digests_asked: false,
        digests_known: false,
        monitored: now.monitored,
    }
}
