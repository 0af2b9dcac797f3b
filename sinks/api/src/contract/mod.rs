//! The test suite for sinks: it checks the promises of [`Sink`] by reading what a sink wrote.
//!
//! A test of a sink has a [`Harness`] and calls [`run`]. No check can be left out. The test also has the runtime that the
//! sink needs.

mod checks;
mod manifests;
mod rows;
mod spoilt;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;

use crate::zone::utc_times;
use crate::{Sink, SnapshotId, Table};

pub use manifests::manifests;
pub use rows::{changes, id, record, repositories, snapshot, snapshot_of, tables, tags};

/// One target of a sink: the sink writes to it, and the suite reads from it.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The sink as a new process builds it. Every call is for the same target.
    async fn open(&self) -> Arc<dyn Sink>;

    /// Every snapshot that a reader of the target finds. Read from the target, not from the memory of a sink.
    async fn visible(&self) -> Vec<Visible>;

    /// Creates everything that a process may leave which was killed while it published `id`.
    async fn plant_leftovers(&self, id: &SnapshotId);

    /// Names of everything at the target that belongs to no visible snapshot: hidden files, unfinished uploads, staging
    /// tables, and data without a commit.
    async fn leftovers(&self) -> Vec<String>;
}

/// One snapshot as a reader finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// [`SnapshotId`] as displayed: run id and generation.
    pub id: String,
    /// The rows of each table, in the order of the target. An empty table may be left out only if the target cannot show
    /// empty tables.
    pub tables: BTreeMap<Table, Vec<RecordBatch>>,
}

/// Runs every check. `make` returns a new, empty target for each.
///
/// # Panics
/// If the sink breaks a promise; the message begins with the name of the check.
pub async fn run<H: Harness>(make: impl Fn() -> H) {
    checks::publishes_whole_and_in_order(&make()).await;
    checks::publishes_the_tables_that_a_run_read(&make()).await;
    checks::publishes_an_empty_registry(&make()).await;
    checks::publishing_again_changes_nothing(&make()).await;
    checks::a_forced_generation_is_whole(&make()).await;
    checks::an_unpublishable_run_leaves_its_record_only(&make()).await;
    checks::rows_that_fail_leave_nothing(&make()).await;
    checks::rows_that_miscount_are_refused(&make()).await;
    checks::a_dropped_publish_leaves_nothing(&make()).await;
    checks::leftovers_are_swept(&make()).await;
    checks::probing_leaves_nothing(&make()).await;
    checks::registries_do_not_disturb_each_other(&make()).await;
}

/// A batch that a reader of text decoded by [`crate::offset_schema`], with the columns of [`Table::schema`] again.
///
/// # Panics
/// If the columns differ.
pub fn as_written(batch: &RecordBatch) -> RecordBatch {
    utc_times(batch).expect("columns of the table's schema")
}
