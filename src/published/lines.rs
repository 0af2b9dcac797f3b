//! The sorted rows of tables `repositories` and `tags`, one at a time. One batch of each is in memory.

use arrow::array::{Array, Int64Array, StringArray};
use stocktake_sink::{PublishedFiles, PublishedRows, PublishedRun, Table};

use super::PublishedError;
use super::cells::{ReadTable, text};

/// The repositories of a run.
pub(super) struct RepositoryLines {
    rows: PublishedRows,
    from: ReadTable,
    batch: Option<RepositoryBatch>,
    at: usize,
}

struct RepositoryBatch {
    names: StringArray,
    tag_counts: Int64Array,
    states: StringArray,
    codes: StringArray,
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RepositoryLine {
    pub(super) name: String,
    /// `complete`, `denied`, `gone` or `error`.
    pub(super) state: String,
    pub(super) error_code: Option<String>,
    /// Whether its tags were asked for, and all were read.
    pub(super) has_all_tags: bool,
}

impl RepositoryLines {
    /// The repositories of a run; `None` if it has no such table, because it published nothing.
    pub(super) fn open(files: &dyn PublishedFiles, run: &PublishedRun) -> Result<Option<Self>, PublishedError> {
        let Some(object) = run.object(Table::Repositories) else { return Ok(None) };
        let rows = files.rows(object, &["repository", "tag_count", "state", "error_code"])?;
        Ok(Some(Self { rows, from: ReadTable::new(run, object), batch: None, at: 0 }))
    }

    /// The next repository.
    pub(super) fn next(&mut self) -> Result<Option<RepositoryLine>, PublishedError> {
        loop {
            if let Some(batch) = &self.batch
                && self.at < batch.names.len()
            {
                let at = self.at;
                self.at += 1;
                let (name, state) = (batch.names.value(at).to_owned(), batch.states.value(at).to_owned());
                let has_all_tags = batch.tag_counts.is_valid(at) && state == "complete";
                return Ok(Some(RepositoryLine { name, state, error_code: text(&batch.codes, at), has_all_tags }));
            }
            let Some(batch) = self.rows.next().transpose()? else { return Ok(None) };
            self.at = 0;
            self.batch = Some(RepositoryBatch {
                names: self.from.texts(&batch, "repository")?.clone(),
                tag_counts: self.from.numbers(&batch, "tag_count")?.clone(),
                states: self.from.texts(&batch, "state")?.clone(),
                codes: self.from.texts(&batch, "error_code")?.clone(),
            });
        }
    }
}

/// The tags of a run, the current one in sight.
pub(super) struct TagLines {
    rows: Option<(PublishedRows, ReadTable)>,
    batch: Option<TagBatch>,
    at: usize,
}

struct TagBatch {
    repositories: StringArray,
    tags: StringArray,
    digests: StringArray,
}

impl TagLines {
    /// The tags of a run; without any if the run did not read tags.
    pub(super) fn open(files: &dyn PublishedFiles, run: &PublishedRun) -> Result<Self, PublishedError> {
        let mut lines = Self { rows: None, batch: None, at: 0 };
        if let Some(object) = run.object(Table::Tags) {
            let rows = files.rows(object, &["repository", "tag", "digest"])?;
            lines.rows = Some((rows, ReadTable::new(run, object)));
            lines.fill()?;
        }
        Ok(lines)
    }

    /// No tags.
    pub(super) fn none() -> Self {
        Self { rows: None, batch: None, at: 0 }
    }

    /// The current tag if it is of this repository; tags of earlier repositories are passed over.
    pub(super) fn of(&mut self, repository: &str) -> Result<Option<(&str, Option<&str>)>, PublishedError> {
        while self.batch.as_ref().is_some_and(|batch| batch.repositories.value(self.at) < repository) {
            self.advance()?;
        }
        let current = self.batch.as_ref().filter(|batch| batch.repositories.value(self.at) == repository);
        Ok(current.map(|batch| {
            let digest = batch.digests.is_valid(self.at).then(|| batch.digests.value(self.at));
            (batch.tags.value(self.at), digest)
        }))
    }

    /// Goes on to the next tag.
    pub(super) fn advance(&mut self) -> Result<(), PublishedError> {
        self.at += 1;
        if self.batch.as_ref().is_some_and(|batch| self.at >= batch.tags.len()) {
            self.fill()?;
        }
        Ok(())
    }

    /// The next batch that is not empty.
    fn fill(&mut self) -> Result<(), PublishedError> {
        (self.batch, self.at) = (None, 0);
        let Some((rows, from)) = &mut self.rows else { return Ok(()) };
        while let Some(batch) = rows.next().transpose()? {
            if batch.num_rows() > 0 {
                self.batch = Some(TagBatch {
                    repositories: from.texts(&batch, "repository")?.clone(),
                    tags: from.texts(&batch, "tag")?.clone(),
                    digests: from.texts(&batch, "digest")?.clone(),
                });
                return Ok(());
            }
        }
        Ok(())
    }
}
