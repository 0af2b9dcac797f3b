//! What was known before a night: the last sealed snapshot, and what was carried on beside it.

use std::cmp::Ordering;

use stocktake_sink::Table;

use super::super::files::table_file;
use super::super::sorted_rows::SortedRows;
use super::super::{RepositoryState, Scope, SealError, Sealed};
use super::carried::{self, RememberedRepository};
use super::decision::KnownTags;
use super::tag_rows::TagRows;
use super::tonight::{SeenRepository, repository_rows};

/// What was known before, repository by repository.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) scope: Scope,
    pub(super) run_id: String,
    rows: SortedRows<SeenRepository>,
    carried: SortedRows<RememberedRepository>,
    next_row: Option<SeenRepository>,
    next_carried: Option<RememberedRepository>,
    last_tags: TagRows,
    carried_tags: TagRows,
}

/// A repository of the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BaselineEntry {
    /// The registry said that it is gone.
    Gone(String),
    /// It is there, and its tags are those of the last snapshot.
    Last(RememberedRepository),
    /// It is there, and its tags were carried on.
    Carried(RememberedRepository),
}

impl BaselineEntry {
    /// What is known of it; `None` if it is gone.
    pub(super) fn known(&self) -> Option<&RememberedRepository> {
        match self {
            Self::Gone(_) => None,
            Self::Last(known) | Self::Carried(known) => Some(known),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Gone(name) => name,
            Self::Last(known) | Self::Carried(known) => &known.name,
        }
    }
}

impl Baseline {
    /// Opens the last snapshot; `None` if a version has written it that did not note what it covers.
    pub(super) fn open(sealed: &Sealed) -> Result<Option<Self>, SealError> {
        let Some(scope) = sealed.scope.clone() else { return Ok(None) };
        let path = |table| sealed.directory.join(table_file(table));
        let mut rows = repository_rows(path(Table::Repositories))?;
        let mut carried = carried::carried_repositories(&sealed.directory)?;
        let (next_row, next_carried) = (rows.next()?, carried.next()?);
        let last_tags = TagRows::open(path(Table::Tags))?;
        let carried_tags = TagRows::open(carried::tags_file(&sealed.directory))?;
        let run_id = sealed.snapshot.id().run_id();
        Ok(Some(Self { scope, run_id, rows, carried, next_row, next_carried, last_tags, carried_tags }))
    }

    /// The next repository, in order.
    pub(super) fn next(&mut self) -> Result<Option<BaselineEntry>, SealError> {
        let order = match (&self.next_row, &self.next_carried) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(row), Some(carried)) => row.name.cmp(&carried.name),
        };
        let row = if order.is_le() { std::mem::replace(&mut self.next_row, self.rows.next()?) } else { None };
        let carried = match order {
            Ordering::Less => None,
            // What was carried on stands for the row of a repository that could not be read.
            _ => std::mem::replace(&mut self.next_carried, self.carried.next()?),
        };
        Ok(carried.map(BaselineEntry::Carried).or_else(|| row.map(|row| self.of_row(row))))
    }

    fn of_row(&self, row: SeenRepository) -> BaselineEntry {
        let SeenRepository { name, state, monitored, .. } = row;
        if state == RepositoryState::Gone {
            return BaselineEntry::Gone(name);
        }
        let digests = self.scope.reads_digests();
        let tags = match state {
            RepositoryState::Complete if self.scope.reads_tags(monitored) => KnownTags::Listed,
            RepositoryState::Complete => KnownTags::Unasked,
            _ => KnownTags::Unread,
        };
        BaselineEntry::Last(RememberedRepository {
            name,
            run_id: self.run_id.clone(),
            tags,
            tags_run_id: (tags == KnownTags::Listed).then(|| self.run_id.clone()),
            digests_asked: digests,
            digests_known: digests,
            monitored,
        })
    }

    /// The tags of a repository, as far as they are known.
    pub(super) fn tags(&mut self, entry: &BaselineEntry) -> Result<&mut TagRows, SealError> {
        let tags = match entry {
            BaselineEntry::Carried(_) => &mut self.carried_tags,
            BaselineEntry::Last(_) | BaselineEntry::Gone(_) => &mut self.last_tags,
        };
        tags.seek(entry.name())?;
        Ok(tags)
    }
}
