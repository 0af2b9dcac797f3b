//! A reader who has never heard of this program's code: it trusts manifests, follows them, and checks every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray as _, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::site::names;

/// What the objects of a sink are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    Parquet,
    Json,
}

impl ExportFormat {
    /// The sink's `type:`.
    pub(crate) fn sink_type(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }

    /// One column of an object, which must parse to its end.
    fn column(self, path: &Path, column: &str) -> Vec<String> {
        let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        match self {
            Self::Parquet => {
                let reader =
                    ParquetRecordBatchReaderBuilder::try_new(file).and_then(ParquetRecordBatchReaderBuilder::build);
                let batches = reader.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let text = |batch: RecordBatch| {
                    let column = batch.column_by_name(column).expect("the column").as_string::<i32>().clone();
                    column.iter().map(|value| value.expect("a value").to_owned()).collect::<Vec<_>>()
                };
                batches.flat_map(|batch| text(batch.unwrap_or_else(|e| panic!("{}: {e}", path.display())))).collect()
            }
            Self::Json => {
                let text = zstd::decode_all(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let rows = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
                let value = |row: Value| row[column].as_str().expect("a value").to_owned();
                rows.map(|row| value(row.unwrap_or_else(|e| panic!("{}: {e}", path.display())))).collect()
            }
        }
    }
}

/// Replaced or rewritten files differ in this.
type Stamp = (u64, u64, i64, i64);

/// A reader of one sink, who remembers what it has seen whole.
#[derive(Debug)]
pub(crate) struct Stranger {
    root: PathBuf,
    format: ExportFormat,
    count: usize,
    /// Files of earlier snapshots, read to the last byte; nothing may touch them again.
    read: BTreeMap<PathBuf, Stamp>,
    /// The round of each snapshot, by its manifest.
    rounds: BTreeMap<PathBuf, usize>,
}

impl Stranger {
    /// A reader of this directory, in which every snapshot is of `count` repositories.
    pub(crate) fn new(root: PathBuf, format: ExportFormat, count: usize) -> Self {
        Self { root, format, count, read: BTreeMap::new(), rounds: BTreeMap::new() }
    }

    /// Reads all there is and asserts that it is whole, that what was there at the last look still is, and that no
    /// file which readers may find by its name is torn. Returns the rounds that are published.
    pub(crate) fn look(&mut self) -> BTreeSet<usize> {
        for (path, stamp) in &self.read {
            assert_eq!(stamp_of(path), Some(*stamp), "{} was whole and is touched", path.display());
        }
        let manifests: Vec<_> = self.visible("_runs").collect();
        for path in &manifests {
            if !self.read.contains_key(path)
                && let Some(round) = self.read_snapshot(path)
            {
                assert!(!self.rounds.values().any(|r| *r == round), "round {round} is published twice");
                self.rounds.insert(path.clone(), round);
            }
        }
        for path in self.visible("_latest") {
            let named = json(&path)["manifest"].as_str().expect("a manifest").to_owned();
            assert!(self.rounds.contains_key(&self.root.join(&named)), "{} names {named}", path.display());
        }
        // The newest inventory under its constant name is whole, and of a round that is published.
        for path in self.visible("latest/repositories") {
            let rows = self.format.column(&path, "repository");
            let number = rows.first().and_then(|first| first.strip_prefix("round-")?.get(..4)?.parse().ok());
            let round = number.unwrap_or_else(|| panic!("{} is of no round", path.display()));
            assert!(rows == names(round, self.count), "{} is not exactly round {round}", path.display());
            assert!(self.rounds.values().any(|published| *published == round), "round {round} is not published");
        }
        // A reader that goes by file names instead of manifests must not fail either.
        for (table, column) in [("repositories", "repository"), ("changes", "entity"), ("runs", "run_id")] {
            for path in self.visible(table).filter(|path| !self.read.contains_key(path)) {
                self.format.column(&path, column);
            }
        }
        self.rounds()
    }

    fn rounds(&self) -> BTreeSet<usize> {
        self.rounds.values().copied().collect()
    }

    /// Asserts that the pointer names this round's manifest.
    pub(crate) fn assert_latest_is(&self, round: usize) {
        let named = json(&self.root.join("v1/_latest/registry=quay.json"))["manifest"].clone();
        let manifest = self.root.join(named.as_str().expect("a manifest"));
        assert_eq!(self.rounds.get(&manifest), Some(&round), "{}", manifest.display());
        let latest: Vec<_> = self.visible("latest/repositories").collect();
        let [latest] = &latest[..] else { panic!("{latest:?}") };
        assert!(self.format.column(latest, "repository") == names(round, self.count), "{}", latest.display());
    }

    /// Checks one snapshot to the last byte; returns its round, if it is one that may be published.
    fn read_snapshot(&mut self, path: &Path) -> Option<usize> {
        let manifest = json(path);
        let run_id = manifest["run_id"].as_str().expect("a run id");
        let expected = format!("{run_id}.g{}.json", manifest["generation"]);
        assert_eq!(path.file_name().and_then(|n| n.to_str()), Some(&*expected));
        let is_complete = manifest["verdict"] == "complete";
        let objects = manifest["objects"].as_array().expect("objects");
        let tables: &[&str] = if is_complete { &["repositories", "changes", "runs"] } else { &["runs"] };
        assert_eq!(objects.iter().map(|o| &o["table"]).collect::<Vec<_>>(), tables);
        let mut round = None;
        for object in objects {
            let file = self.root.join(object["key"].as_str().expect("a key"));
            let bytes = fs::read(&file).unwrap_or_else(|e| panic!("{} of {run_id}: {e}", file.display()));
            assert_eq!(object["bytes"], bytes.len(), "{}", file.display());
            let hash = hex(&Sha256::digest(&bytes));
            assert_eq!(object["sha256"], hash, "{}", file.display());
            let ids = self.format.column(&file, "run_id");
            assert_eq!(object["rows"], ids.len(), "{}", file.display());
            assert!(ids.iter().all(|id| id == run_id), "{}", file.display());
            if object["table"] == "repositories" {
                let rows = self.format.column(&file, "repository");
                let first = rows.first().expect("a row");
                let number = first.strip_prefix("round-").and_then(|n| n.get(..4)).expect("a round");
                let number = number.parse().expect("a number");
                assert!(rows == names(number, self.count), "{} is not exactly round {number}", file.display());
                round = Some(number);
            } else if object["table"] == "changes" {
                // A first night; or every name of the round before went, and every name of this one came.
                assert!([0, 2 * self.count].contains(&ids.len()), "{}: {}", file.display(), ids.len());
            } else {
                assert_eq!(ids.len(), 1);
            }
            self.read.insert(file.clone(), stamp_of(&file).expect("it was just read"));
        }
        self.read.insert(path.to_owned(), stamp_of(path).expect("it was just read"));
        round
    }

    /// Files that no manifest names, hidden ones included, apart from the pointer and `latest/`.
    pub(crate) fn unnamed(&self) -> Vec<PathBuf> {
        let mut named = BTreeSet::from([self.root.join("v1/_latest/registry=quay.json")]);
        named.extend(
            ["repositories", "changes", "runs"].iter().flat_map(|table| self.visible(&format!("latest/{table}"))),
        );
        for path in self.visible("_runs") {
            let manifest = json(&path);
            let objects = manifest["objects"].as_array().expect("objects");
            named.extend(objects.iter().map(|o| self.root.join(o["key"].as_str().expect("a key"))));
            named.insert(path);
        }
        files(&self.root).into_iter().filter(|path| !named.contains(path)).collect()
    }

    /// Whether something of the run stands under hidden names, is visible, is committed, is pointed at.
    pub(crate) fn progress(&self, run_id: &str) -> ExportProgress {
        let of_run = |path: &PathBuf| path.to_string_lossy().contains(run_id);
        let latest = fs::read_to_string(self.root.join("v1/_latest/registry=quay.json")).unwrap_or_default();
        if latest.contains(run_id) {
            ExportProgress::Pointed
        } else if self.visible("_runs").any(|path| of_run(&path)) {
            ExportProgress::Committed
        } else if ["repositories", "changes", "runs"]
            .iter()
            .flat_map(|table| self.visible(table))
            .any(|path| of_run(&path))
        {
            ExportProgress::Visible
        } else if files(&self.root).iter().any(of_run) {
            ExportProgress::Staged
        } else {
            ExportProgress::Nothing
        }
    }

    fn visible(&self, part: &str) -> impl Iterator<Item = PathBuf> + use<> {
        files(&self.root.join("v1").join(part)).into_iter().filter(|path| !is_hidden(path))
    }
}

/// How far a run got at one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExportProgress {
    Nothing,
    Staged,
    Visible,
    Committed,
    Pointed,
}

/// Whether readers skip it.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    path.metadata().ok().map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
}

/// All files below a directory, which may not exist.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
