use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use stocktake_sink::contract;
use stocktake_sink::{
    ChangeOp, Damage, PublishedObject, PublishedRows, PublishedRuns, RegistryName, SinkError, SnapshotId, Verdict,
};

use super::*;

/// Tables in memory, by key.
#[derive(Debug, Default)]
struct Tables(BTreeMap<String, Vec<RecordBatch>>);

impl PublishedFiles for Tables {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn registries(&self) -> Result<Vec<RegistryName>, SinkError> {
        unreachable!("nobody asks")
    }

    fn runs(&self, _: &RegistryName) -> Result<PublishedRuns, SinkError> {
        unreachable!("nobody asks")
    }

    fn rows(&self, object: &PublishedObject, _: &[&str]) -> Result<PublishedRows, SinkError> {
        Ok(Box::new(self.0[&object.key].clone().into_iter().map(Ok)))
    }

    fn damage(&self, _: &SnapshotId, _: &PublishedObject) -> Result<Option<Damage>, SinkError> {
        unreachable!("nobody asks")
    }

    fn damage_of_latest(&self, _: &RegistryName, _: &[&PublishedObject]) -> Result<Option<Damage>, SinkError> {
        unreachable!("nobody asks")
    }

    fn remove(&self, _: &RegistryName, _: &[SnapshotId]) -> Result<Vec<SnapshotId>, SinkError> {
        unreachable!("nobody asks")
    }
}

/// A repository of a night: its state, and its tags with digests where tags were read.
type Repository<'a> = (&'a str, &'a str, Option<&'a [(&'a str, Option<&'a str>)]>);

impl Tables {
    /// Enters a night; with `tags` also that table. Batches have two rows, so that every merge crosses their ends.
    fn night(&mut self, day: u32, has_tags: bool, repositories: &[Repository<'_>]) -> PublishedRun {
        let id = contract::id("quay", day);
        let lines: Vec<[Option<String>; 4]> = repositories
            .iter()
            .map(|(name, state, tags)| {
                let code = (*state != "complete").then(|| "denied".to_owned());
                [Some((*name).to_owned()), tags.map(|tags| tags.len().to_string()), Some((*state).to_owned()), code]
            })
            .collect();
        let tags = repositories.iter().flat_map(|(name, _, tags)| {
            let owned = |text: &str| Some(text.to_owned());
            tags.unwrap_or_default().iter().map(move |(tag, digest)| [owned(name), owned(tag), digest.and_then(owned)])
        });
        let tags: Vec<[Option<String>; 3]> = tags.collect();
        let mut objects =
            vec![self.table(day, Table::Repositories, &["repository", "tag_count", "state", "error_code"], &lines)];
        if has_tags {
            objects.push(self.table(day, Table::Tags, &["repository", "tag", "digest"], &tags));
        }
        PublishedRun {
            finished_at: id.scheduled_at,
            id,
            verdict: Verdict::Complete,
            exporter_version: String::new(),
            schema_version: 1,
            format: "memory".to_owned(),
            location: String::new(),
            objects,
        }
    }

    fn table<const N: usize>(
        &mut self,
        day: u32,
        table: Table,
        names: &[&str; N],
        rows: &[[Option<String>; N]],
    ) -> PublishedObject {
        let batch = |rows: &[[Option<String>; N]]| {
            let columns = (0..N).map(|at| {
                let cells = rows.iter().map(|row| row[at].as_deref());
                match names[at] {
                    "tag_count" => {
                        Arc::new(cells.map(|c| c.map(|c| c.parse().unwrap())).collect::<Int64Array>()) as ArrayRef
                    }
                    _ => Arc::new(cells.collect::<StringArray>()),
                }
            });
            RecordBatch::try_from_iter_with_nullable(
                names.iter().zip(columns).map(|(name, column)| (*name, column, true)),
            )
        };
        let key = format!("{table}/{day}");
        self.0.insert(key.clone(), rows.chunks(2).map(|rows| batch(rows).unwrap()).collect());
        PublishedObject { table, key, location: String::new(), rows: 0, bytes: 0, sha256: String::new() }
    }
}

const NONE: &[(&str, Option<&str>)] = &[];

/// The differences as lines: `+a`, `-a:tag`, `~a:tag old new`; and how many repositories were not compared.
fn differences_of(tables: &Tables, before: &PublishedRun, after: &PublishedRun) -> (Vec<String>, u64) {
    let mut rows = differences(tables, before, after).unwrap();
    let line = |difference: Difference| {
        let Difference { repository, tag, op, old_digest, new_digest } = difference;
        let sign = match op {
            ChangeOp::Added => '+',
            ChangeOp::Removed => '-',
            ChangeOp::Moved => '~',
        };
        let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
        let digests = [old_digest, new_digest].into_iter().flatten().map(|digest| format!(" {digest}"));
        format!("{sign}{repository}{tag}{}", digests.collect::<String>())
    };
    let lines = rows.by_ref().map(|row| line(row.unwrap())).collect();
    (lines, rows.incomparable())
}

#[test]
fn repositories_and_tags_are_added_removed_and_moved() {
    let mut tables = Tables::default();
    let before = tables.night(
        0,
        true,
        &[
            ("a", "complete", Some(&[("1", Some("x")), ("2", Some("x")), ("3", Some("x")), ("4", None)])),
            ("b", "complete", Some(&[("1", Some("x")), ("2", Some("y"))])),
            ("d", "complete", Some(NONE)),
            ("e", "complete", Some(&[("1", Some("x"))])),
        ],
    );
    let after = tables.night(
        1,
        true,
        &[
            ("a", "complete", Some(&[("0", Some("x")), ("1", Some("x")), ("3", Some("z")), ("4", Some("x"))])),
            ("c", "complete", Some(&[("1", Some("x"))])),
            ("d", "complete", Some(NONE)),
            ("e", "complete", Some(&[("1", Some("x"))])),
        ],
    );
    let expected = ["+a:0 x", "-a:2 x", "~a:3 x z", "-b", "-b:1 x", "-b:2 y", "+c", "+c:1 x"];
    assert_eq!(differences_of(&tables, &before, &after), (expected.map(str::to_owned).to_vec(), 0));
    assert_eq!(differences_of(&tables, &before, &before), (Vec::new(), 0));
}

#[test]
fn what_a_run_could_not_read_is_not_removed_and_what_is_gone_is() {
    let mut tables = Tables::default();
    let whole = tables.night(
        0,
        true,
        &[
            ("denied", "complete", Some(&[("1", Some("x"))])),
            ("failed", "complete", Some(&[("1", Some("x")), ("2", Some("x"))])),
            ("gone", "complete", Some(&[("1", Some("x"))])),
            ("whole", "complete", Some(&[("1", Some("x"))])),
        ],
    );
    // Of one repository some tags were read before it failed.
    let gaps = tables.night(
        1,
        true,
        &[
            ("denied", "denied", None),
            ("failed", "error", Some(&[("1", Some("x"))])),
            ("gone", "gone", None),
            ("whole", "complete", Some(NONE)),
        ],
    );
    let (lines, incomparable) = differences_of(&tables, &whole, &gaps);
    assert_eq!(lines, ["-gone", "-gone:1 x", "-whole:1 x"]);
    assert_eq!(incomparable, 2);
    let (lines, incomparable) = differences_of(&tables, &gaps, &whole);
    assert_eq!(lines, ["+gone", "+gone:1 x", "+whole:1 x"]);
    assert_eq!(incomparable, 2);
}

#[test]
fn tags_are_compared_where_both_nights_asked_for_them() {
    let mut tables = Tables::default();
    let shallow = tables.night(0, false, &[("a", "complete", None), ("b", "complete", None)]);
    let deep = tables.night(1, true, &[("a", "complete", Some(&[("1", Some("x"))])), ("c", "complete", Some(NONE))]);
    assert_eq!(differences_of(&tables, &shallow, &deep), (vec!["-b".to_owned(), "+c".to_owned()], 0));
    // Tags of monitored repositories alone.
    let monitored = tables.night(2, true, &[("a", "complete", None), ("c", "complete", Some(NONE))]);
    assert_eq!(differences_of(&tables, &monitored, &deep), (Vec::new(), 0));
}

#[test]
fn a_run_that_published_nothing_is_not_compared() {
    let mut tables = Tables::default();
    let night = tables.night(0, false, &[("a", "complete", None)]);
    let nothing = PublishedRun { objects: Vec::new(), verdict: Verdict::Denied, ..night.clone() };
    let error = differences(&tables, &night, &nothing).unwrap_err().to_string();
    assert_eq!(error, "quay-20261123T030000Z is denied and has no inventory to compare");
}
