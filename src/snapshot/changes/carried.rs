//! What is known of repositories from nights before: two files beside the tables of a sealed snapshot. They exist only
//! where something is carried on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::super::SealError;
use super::super::cells::{self, text_column};
use super::super::disk_retry::DiskRetry;
use super::super::files::{CARRIED_REPOSITORIES as REPOSITORIES, CARRIED_TAGS as TAGS};
use super::super::limit::ORDERED_BATCH;
use super::super::own::remove_if_there;
use super::super::segment::{self, SegmentWriter};
use super::super::sorted_rows::SortedRows;
use super::decision::KnownTags;
use super::tag_rows::TagSeen;

/// What is known of a repository, and from which nights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RememberedRepository {
    pub(super) name: String,
    /// The run of the last night on which all that was asked of it was answered.
    pub(super) run_id: String,
    pub(super) tags: KnownTags,
    /// The run that its tags are from.
    pub(super) tags_run_id: Option<String>,
    /// Whether that run asked what the tags point to.
    pub(super) digests_asked: bool,
    /// Whether a digest may be known of some tag, if only from an earlier night.
    pub(super) digests_known: bool,
    pub(super) monitored: bool,
}

fn repositories_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let flag = |name: &str| Field::new(name, DataType::Boolean, false);
        Arc::new(Schema::new(vec![
            text("repository", false),
            text("run_id", false),
            text("tags_run_id", true),
            flag("tags_unasked"),
            flag("digests_asked"),
            flag("digests_known"),
            flag("monitored"),
        ]))
    });
    Arc::clone(&SCHEMA)
}

fn tags_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        Arc::new(Schema::new(vec![text("repository", false), text("tag", false), text("digest", true)]))
    });
    Arc::clone(&SCHEMA)
}

/// Where the tags of a snapshot's directory are that were carried on.
pub(super) fn tags_file(directory: &Path) -> PathBuf {
    directory.join(TAGS)
}

/// The repositories that were carried on. A missing file has no rows.
pub(super) fn carried_repositories(directory: &Path) -> Result<SortedRows<RememberedRepository>, SealError> {
    let path = directory.join(REPOSITORIES);
    SortedRows::of(segment::if_there(segment::read(&path)), path, repository)
}

fn repository(batch: &RecordBatch, at: usize) -> Result<RememberedRepository, ArrowError> {
    let text = |name| Ok::<_, ArrowError>(text_column(batch, name)?.value(at).to_owned());
    let flag = |name: &str| {
        let column = batch.column_by_name(name).and_then(|column| column.as_boolean_opt());
        column.map(|column| column.value(at)).ok_or_else(|| cells::unfit(name))
    };
    let tags_run_id = text_column(batch, "tags_run_id")?;
    let tags_run_id = tags_run_id.is_valid(at).then(|| tags_run_id.value(at).to_owned());
    let tags = match &tags_run_id {
        Some(_) => KnownTags::Listed,
        None if flag("tags_unasked")? => KnownTags::Unasked,
        None => KnownTags::Unread,
    };
    Ok(RememberedRepository {
        name: text("repository")?,
        run_id: text("run_id")?,
        tags,
        tags_run_id,
        digests_asked: flag("digests_asked")?,
        digests_known: flag("digests_known")?,
        monitored: flag("monitored")?,
    })
}

/// Writes what is carried on, in order. Creates no file before there is a row.
#[derive(Debug)]
pub(super) struct CarriedWriter {
    directory: PathBuf,
    repositories: Option<SegmentWriter>,
    tags: Option<SegmentWriter>,
    repository_rows: Vec<RememberedRepository>,
    tag_rows: TagBuffer,
}

#[derive(Debug, Default)]
struct TagBuffer {
    repository: StringBuilder,
    tag: StringBuilder,
    digest: StringBuilder,
    rows: usize,
}

impl CarriedWriter {
    /// A writer in this directory, without the files that a try before has left.
    pub(super) fn new(directory: &Path) -> Result<Self, ArrowError> {
        for file in [REPOSITORIES, TAGS] {
            remove_if_there(&directory.join(file))?;
        }
        let (repositories, tags, repository_rows) = (None, None, Vec::new());
        Ok(Self {
            directory: directory.to_owned(),
            repositories,
            tags,
            repository_rows,
            tag_rows: TagBuffer::default(),
        })
    }

    pub(super) fn push(&mut self, known: RememberedRepository) -> Result<(), ArrowError> {
        self.repository_rows.push(known);
        if self.repository_rows.len() < ORDERED_BATCH.rows { Ok(()) } else { self.flush_repositories() }
    }

    pub(super) fn push_tag(&mut self, repository: &str, seen: TagSeen<'_>) -> Result<(), ArrowError> {
        let TagBuffer { repository: repositories, tag, digest, rows } = &mut self.tag_rows;
        repositories.append_value(repository);
        tag.append_value(seen.tag);
        digest.append_option(seen.digest);
        *rows += 1;
        if *rows < ORDERED_BATCH.rows { Ok(()) } else { self.flush_tags() }
    }

    fn flush_repositories(&mut self) -> Result<(), ArrowError> {
        let rows = std::mem::take(&mut self.repository_rows);
        if rows.is_empty() {
            return Ok(());
        }
        let texts = |of: fn(&RememberedRepository) -> Option<&str>| {
            Arc::new(rows.iter().map(of).collect::<arrow::array::StringArray>()) as ArrayRef
        };
        let flags = |of: fn(&RememberedRepository) -> bool| {
            let column: BooleanArray = rows.iter().map(|row| Some(of(row))).collect();
            Arc::new(column) as ArrayRef
        };
        let columns = vec![
            texts(|row| Some(&row.name)),
            texts(|row| Some(&row.run_id)),
            texts(|row| row.tags_run_id.as_deref()),
            flags(|row| row.tags == KnownTags::Unasked),
            flags(|row| row.digests_asked),
            flags(|row| row.digests_known),
            flags(|row| row.monitored),
        ];
        let batch = RecordBatch::try_new(repositories_schema(), columns)?;
        writer(&mut self.repositories, &self.directory.join(REPOSITORIES), &repositories_schema())?.append(&batch)
    }

    fn flush_tags(&mut self) -> Result<(), ArrowError> {
        let mut full = std::mem::take(&mut self.tag_rows);
        if full.rows == 0 {
            return Ok(());
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(full.repository.finish()), Arc::new(full.tag.finish()), Arc::new(full.digest.finish())];
        let batch = RecordBatch::try_new(tags_schema(), columns)?;
        writer(&mut self.tags, &self.directory.join(TAGS), &tags_schema())?.append(&batch)
    }

    /// Makes all of it durable.
    pub(super) fn finish(mut self) -> Result<(), ArrowError> {
        self.flush_repositories()?;
        self.flush_tags()?;
        for writer in [self.repositories, self.tags].into_iter().flatten() {
            writer.finish_durably()?;
        }
        Ok(())
    }
}

fn writer<'w>(
    slot: &'w mut Option<SegmentWriter>,
    path: &Path,
    schema: &SchemaRef,
) -> Result<&'w mut SegmentWriter, ArrowError> {
    if slot.is_none() {
        *slot = Some(SegmentWriter::create(path, schema, &DiskRetry::default())?);
    }
    slot.as_mut().ok_or_else(|| ArrowError::InvalidArgumentError("no writer".to_owned()))
}
