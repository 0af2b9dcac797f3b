//! What a run could not read, and why: the rows of `repositories` that say so, with the errors that the run recorded.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use arrow::array::{Array, AsArray as _};
use stocktake_sink::{PublishedFiles, PublishedRun, RunError, Table};

use super::PublishedError;
use super::cells::ReadTable;
use super::lines::{RepositoryLine, RepositoryLines};

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedError {
    /// The repository; `None` for the run as a whole.
    pub repository: Option<String>,
    /// The state of the repository, such as `denied`.
    pub state: Option<String>,
    /// A word of a closed list, such as `name_invalid`.
    pub code: Option<String>,
    /// One line for people. A run records a bounded number of them.
    pub message: Option<String>,
    /// How often it was seen.
    pub count: Option<i64>,
}

/// The errors of the run as a whole first, then by repository.
pub struct RecordedErrors {
    repositories: Option<RepositoryLines>,
    of_repositories: BTreeMap<String, Vec<RunError>>,
    pending: VecDeque<RecordedError>,
    has_ended: bool,
}

/// The errors of a run, published or not.
///
/// # Errors
/// If the rows cannot be read.
pub fn recorded_errors(files: &dyn PublishedFiles, run: &PublishedRun) -> Result<RecordedErrors, PublishedError> {
    let (mut of_repositories, mut pending) = (BTreeMap::<String, Vec<RunError>>::new(), VecDeque::new());
    for error in of_run(files, run)? {
        match &error.repository {
            Some(repository) => of_repositories.entry(repository.clone()).or_default().push(error),
            None => pending.push_back(recorded(error, None)),
        }
    }
    let repositories = RepositoryLines::open(files, run)?;
    Ok(RecordedErrors { repositories, of_repositories, pending, has_ended: false })
}

fn recorded(error: RunError, state: Option<&str>) -> RecordedError {
    RecordedError {
        repository: error.repository,
        state: state.map(str::to_owned),
        code: Some(error.code),
        message: Some(error.message),
        count: Some(error.count),
    }
}

/// The column `errors` of the run's row.
fn of_run(files: &dyn PublishedFiles, run: &PublishedRun) -> Result<Vec<RunError>, PublishedError> {
    let Some(object) = run.object(Table::Runs) else { return Ok(Vec::new()) };
    let from = ReadTable::new(run, object);
    let mut errors = Vec::new();
    for batch in files.rows(object, &["errors"])? {
        let batch = batch?;
        let lists = batch.column_by_name("errors").and_then(|column| column.as_list_opt::<i32>());
        let lists = lists.ok_or_else(|| from.unfit("errors"))?;
        for entries in lists.iter().flatten() {
            let entries = entries.as_struct_opt().ok_or_else(|| from.unfit("errors"))?.into();
            let (repositories, counts) = (from.texts(&entries, "repository")?, from.numbers(&entries, "count")?);
            let (codes, messages) = (from.texts(&entries, "code")?, from.texts(&entries, "message")?);
            errors.extend((0..entries.num_rows()).map(|at| RunError {
                repository: repositories.is_valid(at).then(|| repositories.value(at).to_owned()),
                code: codes.value(at).to_owned(),
                message: messages.value(at).to_owned(),
                count: counts.value(at),
            }));
        }
    }
    Ok(errors)
}

impl RecordedErrors {
    fn step(&mut self) -> Result<Option<RecordedError>, PublishedError> {
        loop {
            if let Some(error) = self.pending.pop_front() {
                return Ok(Some(error));
            }
            let line = self.repositories.as_mut().map_or(Ok(None), RepositoryLines::next)?;
            let Some(line) = line else {
                // What is left is of repositories that have no row.
                let Some((_, errors)) = self.of_repositories.pop_first() else { return Ok(None) };
                self.pending.extend(errors.into_iter().map(|error| recorded(error, None)));
                continue;
            };
            self.enter(line);
        }
    }

    fn enter(&mut self, line: RepositoryLine) {
        let errors = self.of_repositories.remove(&line.name).unwrap_or_default();
        if errors.is_empty() && ["denied", "error"].contains(&line.state.as_str()) {
            let (repository, state) = (Some(line.name), Some(line.state));
            let error = RecordedError { repository, state, code: line.error_code, message: None, count: None };
            self.pending.push_back(error);
        } else {
            self.pending.extend(errors.into_iter().map(|error| recorded(error, Some(&line.state))));
        }
    }
}

impl fmt::Debug for RecordedErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedErrors").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl Iterator for RecordedErrors {
    type Item = Result<RecordedError, PublishedError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.step().transpose();
        self.has_ended = !matches!(next, Some(Ok(_)));
        next
    }
}
