//! Nights are made of plain maps, sealed as runs seal them, and compared with a model that knows nothing of files.

mod causes;
mod nights;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use chrono::{DateTime, TimeDelta, Utc};
use stocktake_sink::contract::{id, record};
use stocktake_sink::{Table, Verdict};

use super::super::{
    ChangeCounts, Depth, ListCoverage, NameFilter, RepositoryRow, RepositoryState, Sealed, Spool, TagRow,
};
use super::baseline::{Baseline, BaselineEntry};
use super::*;
use crate::snapshot::{MonitoredNames, Scope};

/// Tags and what they point to.
type TagDigests = BTreeMap<String, Option<String>>;

/// What a walk saw.
#[derive(Clone, Debug)]
struct WalkedNight {
    scope: Scope,
    /// The state, whether it is monitored, and the tags.
    repositories: BTreeMap<String, (RepositoryState, bool, TagDigests)>,
}

/// A row of table `changes`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    entity: String,
    repository: String,
    tag: Option<String>,
    op: String,
    cause: String,
    old_digest: Option<String>,
    new_digest: Option<String>,
    previous_run_id: String,
}

fn everything(depth: Depth) -> Scope {
    let (filter, monitored) = (NameFilter::default(), MonitoredNames::default());
    Scope { depth, filter, monitored, list: ListCoverage::Whole, source: "here".to_owned() }
}

fn filter(include: &[&str], exclude: &[&str]) -> NameFilter {
    let compiled = |texts: &[&str]| texts.iter().map(|text| NameFilter::pattern(text).unwrap()).collect::<Vec<_>>();
    NameFilter::new(&compiled(include), &compiled(exclude)).unwrap()
}

fn run_id(day: u32) -> String {
    id("quay", day).run_id()
}

fn at(day: u32) -> DateTime<Utc> {
    id("quay", day).scheduled_at
}

/// Walks, compares and seals a night below `root`.
fn sealed(root: &Path, day: u32, night: &WalkedNight, before: Option<&Sealed>) -> Sealed {
    let mut tables = vec![Table::Repositories];
    if night.scope.depth > Depth::Repositories || !night.scope.monitored.is_empty() {
        tables.push(Table::Tags);
    }
    let mut spool = Spool::create(&root.join("walk"), &tables).unwrap();
    let observed_at = at(day) + TimeDelta::minutes(1);
    for (repository, (state, monitored, tags)) in &night.repositories {
        let (state, monitored) = (*state, *monitored);
        spool
            .push(&RepositoryRow { observed_at, repository, tag_count: None, state, error_code: None, monitored })
            .unwrap();
        for (tag, digest) in tags {
            let (media_type, size_bytes, digest) = (None, None, digest.as_deref());
            spool.push_tag(&TagRow { observed_at, repository, tag, digest, media_type, size_bytes }).unwrap();
        }
    }
    let mut unsealed = spool.finish().unwrap();
    let directory = unsealed.directory().to_owned();
    let run_id = run_id(day);
    let finished = at(day) + TimeDelta::minutes(10);
    let counts =
        compare(before, &Night { directory: &directory, scope: &night.scope, run_id: &run_id, detected_at: finished });
    unsealed.compared(night.scope.clone(), counts.unwrap());
    unsealed.seal(record(&id("quay", day), Verdict::Complete, 0), &root.join(format!("sealed-{day}"))).unwrap()
}

/// The changes of a night, which must be sorted, unique, and as many as were counted.
fn changes(sealed: &Sealed) -> Vec<Change> {
    let batches: Vec<RecordBatch> = sealed.snapshot.batches(Table::Changes).map(Result::unwrap).collect();
    let rows: Vec<_> = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| change(batch, at))).collect();
    let key = |change: &Change| (change.entity.clone(), change.repository.clone(), change.tag.clone());
    assert!(rows.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])), "{rows:?}");
    let count = |op| rows.iter().filter(|change| change.op == op).count() as u64;
    let counted = ChangeCounts { added: count("added"), removed: count("removed"), moved: count("moved") };
    assert_eq!((sealed.changes, sealed.snapshot.rows(Table::Changes)), (counted, rows.len() as u64));
    rows
}

fn change(batch: &RecordBatch, at: usize) -> Change {
    let text = |name: &str| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column.is_valid(at).then(|| column.value(at).to_owned())
    };
    Change {
        entity: text("entity").unwrap(),
        repository: text("repository").unwrap(),
        tag: text("tag"),
        op: text("op").unwrap(),
        cause: text("cause").unwrap(),
        old_digest: text("old_digest"),
        new_digest: text("new_digest"),
        previous_run_id: text("previous_run_id").unwrap(),
    }
}

/// What is known after a night: the tags of each repository, `None` where they are not known.
fn known(sealed: &Sealed) -> BTreeMap<String, Option<TagDigests>> {
    let mut baseline = Baseline::open(sealed).unwrap().unwrap();
    let mut all = BTreeMap::new();
    while let Some(entry) = baseline.next().unwrap() {
        let (BaselineEntry::Last(known) | BaselineEntry::Carried(known)) = &entry else { continue };
        let (name, has_tags) = (known.name.clone(), known.tags_run_id.is_some());
        let mut tags = TagDigests::new();
        let rows = baseline.tags(&entry).unwrap();
        while let Some(seen) = rows.current().filter(|_| has_tags) {
            tags.insert(seen.tag.to_owned(), seen.digest.map(str::to_owned));
            rows.advance(&name).unwrap();
        }
        all.insert(name, has_tags.then_some(tags));
    }
    all
}
