//! What a spool is compared with: maps, and random rows to fill both.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use chrono::{DateTime, Utc};
use stocktake_sink::{ManifestKind, Snapshot, Table};

use super::{LayerRow, ManifestRow, RepositoryRow, RepositoryState, Spool, TagRow, cells};

pub(super) const WALKED: [Table; 3] = [Table::Repositories, Table::Tags, Table::Manifests];

/// Rows by their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) repositories: BTreeMap<String, (RepositoryState, Option<i64>)>,
    pub(super) tags: BTreeMap<(String, String), Tag>,
    pub(super) manifests: BTreeMap<(String, String), ManifestRow>,
}

/// A digest, its media type, its size.
type Tag = (Option<String>, Option<String>, Option<i64>);

#[derive(Clone, Debug)]
pub(super) enum Row {
    Repository(String, RepositoryState, Option<i64>),
    Tag(String, String, Tag),
    Manifest(Box<ManifestRow>),
}

impl Row {
    pub(super) fn push(&self, spool: &mut Spool) {
        let observed_at = at(7);
        match self {
            Self::Repository(repository, state, tag_count) => {
                let (state, tag_count) = (*state, *tag_count);
                let row =
                    RepositoryRow { observed_at, repository, tag_count, state, error_code: None, monitored: false };
                spool.push(&row).unwrap();
            }
            Self::Tag(repository, tag, (digest, media_type, size_bytes)) => {
                let (digest, media_type, size_bytes) = (digest.as_deref(), media_type.as_deref(), *size_bytes);
                spool.push_tag(&TagRow { observed_at, repository, tag, digest, media_type, size_bytes }).unwrap();
            }
            Self::Manifest(manifest) => spool.push_manifest(manifest).unwrap(),
        }
    }
}

impl Model {
    /// Of equal keys the first stays.
    pub(super) fn add(&mut self, row: Row) {
        match row {
            Row::Repository(name, state, tag_count) => {
                self.repositories.entry(name).or_insert((state, tag_count));
            }
            Row::Tag(repository, tag, value) => {
                self.tags.entry((repository, tag)).or_insert(value);
            }
            Row::Manifest(manifest) => {
                let key = (manifest.repository.clone(), manifest.digest.clone());
                self.manifests.entry(key).or_insert(*manifest);
            }
        }
    }

    pub(super) fn counts(&self) -> [u64; 3] {
        [self.repositories.len(), self.tags.len(), self.manifests.len()].map(|count| count as u64)
    }

    /// What a snapshot holds, which must be sorted and unique.
    pub(super) fn read(snapshot: &Snapshot) -> Self {
        let mut model = Self::default();
        let batches = |table| snapshot.batches(table).map(Result::unwrap);
        for batch in batches(Table::Repositories) {
            for row in 0..batch.num_rows() {
                let name = text(&batch, "repository", row).unwrap();
                assert!(model.repositories.last_key_value().is_none_or(|(last, _)| *last < name));
                let state = text(&batch, "state", row).unwrap();
                let state = RepositoryState::ALL.into_iter().find(|known| known.as_str() == state).unwrap();
                let value = (state, number(&batch, "tag_count", row));
                model.repositories.insert(name, value);
            }
        }
        for batch in batches(Table::Tags) {
            for row in 0..batch.num_rows() {
                let column = |name| text(&batch, name, row);
                let key = (column("repository").unwrap(), column("tag").unwrap());
                assert!(model.tags.last_key_value().is_none_or(|(last, _)| *last < key));
                let value = (column("digest"), column("media_type"), number(&batch, "size_bytes", row));
                model.tags.insert(key, value);
            }
        }
        for batch in batches(Table::Manifests) {
            for row in 0..batch.num_rows() {
                let manifest = cells::manifest(&batch, row).unwrap();
                let key = (manifest.repository.clone(), manifest.digest.clone());
                assert!(model.manifests.last_key_value().is_none_or(|(last, _)| *last < key));
                model.manifests.insert(key, manifest);
            }
        }
        model
    }
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let column = batch.column_by_name(column).unwrap().as_primitive::<Int64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn digest(random: &mut fastrand::Rng) -> String {
    format!("sha256:{:064x}", random.u128(..))
}

fn maybe<T>(random: &mut fastrand::Rng, value: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
    random.bool().then(|| value(random))
}

/// Some manifest, with any of its columns missing that may be.
pub(super) fn manifest(random: &mut fastrand::Rng, repository: &str) -> ManifestRow {
    let word = |word: &'static str| move |random: &mut fastrand::Rng| format!("{word}{}", random.u8(0..3));
    let layer = |random: &mut fastrand::Rng| LayerRow {
        digest: digest(random),
        size: maybe(random, |random| random.i64(..)),
        media_type: format!("application/layer{}", random.u8(0..2)),
    };
    ManifestRow {
        observed_at: at(random.i64(0..100)),
        repository: repository.to_owned(),
        digest: digest(random),
        media_type: word("application/manifest")(random),
        artifact_type: maybe(random, word("application/artifact")),
        kind: ManifestKind::ALL[random.usize(0..3)],
        config_digest: maybe(random, digest),
        os: maybe(random, word("os")),
        architecture: maybe(random, word("architecture")),
        variant: maybe(random, word("variant")),
        layer_count: maybe(random, |random| random.i32(..)),
        total_size_bytes: maybe(random, |random| random.i64(..)),
        created_at: maybe(random, |random| at(random.i64(-1000..0))),
        subject_digest: maybe(random, digest),
        child_digests: maybe(random, |random| (0..random.usize(0..4)).map(|_| digest(random)).collect()),
        layers: maybe(random, |random| (0..random.usize(0..12)).map(|_| layer(random)).collect()),
        annotations_json: maybe(random, word("{\"annotations\":")),
        labels_json: maybe(random, word("{\"labels\":")),
        notes: maybe(random, |random| (0..random.usize(0..3)).map(|_| word("code: ")(random)).collect()),
    }
}

/// What a walk may bring: repositories in order or not, some twice, the tags and manifests of one together.
pub(super) fn rows(random: &mut fastrand::Rng) -> Vec<Row> {
    let universe = random.usize(1..200);
    let mut names: Vec<String> =
        (0..random.usize(0..200)).map(|_| format!("team/app{}", random.usize(0..universe))).collect();
    match random.u8(0..3) {
        0 => names.sort(),
        1 => {
            // Nearly in order, as repositories finish in a concurrent walk.
            names.sort();
            names.chunks_mut(8).for_each(|window| random.shuffle(window));
        }
        _ => {}
    }
    names.iter().flat_map(|name| of_repository(random, name)).collect()
}

/// One repository with its tags and manifests, in no order.
pub(super) fn of_repository(random: &mut fastrand::Rng, name: &str) -> Vec<Row> {
    let state = RepositoryState::ALL[random.usize(0..4)];
    let mut rows = vec![Row::Repository(name.to_owned(), state, maybe(random, |random| random.i64(0..9)))];
    for _ in 0..random.usize(0..8) {
        let value = (maybe(random, digest), maybe(random, digest), maybe(random, |random| random.i64(..)));
        rows.push(Row::Tag(name.to_owned(), format!("v{}", random.u8(0..12)), value));
    }
    for _ in 0..random.usize(0..6) {
        rows.push(Row::Manifest(Box::new(manifest(random, name))));
    }
    random.shuffle(&mut rows);
    rows
}
