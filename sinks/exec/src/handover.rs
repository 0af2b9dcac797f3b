//! What a plugin gets: a directory with `manifest.json` and a Parquet file for each table.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet_format::Parquet;
use process_tree::ProgramMark;
use serde::Serialize;
use stocktake_sink::{Abandoned, SinkError, Snapshot, SnapshotId, Table};
use stocktake_sink_objects::{Encoded, ManifestObject, ObjectFormat as _, SnapshotManifest, encode};

use crate::scratch::Scratch;

/// The version of the protocol, in the manifest and in the environment of a plugin.
pub const PROTOCOL: u32 = 1;

/// The manifest that file sinks publish, and what a plugin needs besides. The keys of its objects are names of files in
/// the directory.
#[derive(Debug, Serialize)]
struct PluginManifest<'a> {
    protocol: u32,
    snapshot_date: String,
    #[serde(flatten)]
    manifest: &'a SnapshotManifest,
}

/// A snapshot in a directory of its own, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) directory: PathBuf,
    pub(crate) manifest: SnapshotManifest,
    scratch: Scratch,
}

impl Handover {
    /// Writes the whole snapshot.
    pub(crate) fn write(scratch: Scratch, snapshot: &Snapshot, abandoned: &Abandoned) -> Result<Self, SinkError> {
        let id = snapshot.id();
        let directory = scratch.of_snapshot(&id.to_string());
        fs::create_dir(&directory).map_err(|e| SinkError::io(format!("cannot create {}", directory.display()), e))?;
        let objects = snapshot.tables().map(|table| write_table(&directory, snapshot, table, abandoned));
        let objects = objects.collect::<Result<_, _>>()?;
        let manifest = SnapshotManifest::new(snapshot.record(), Parquet.extension(), None, objects);
        write_manifest(&directory.join("manifest.json"), id, &manifest)?;
        Ok(Self { directory, manifest, scratch })
    }

    pub(crate) fn id(&self) -> SnapshotId {
        self.manifest.id()
    }

    pub(crate) fn mark(&self) -> ProgramMark {
        self.scratch.mark()
    }
}

fn write_table(
    directory: &Path,
    snapshot: &Snapshot,
    table: Table,
    abandoned: &Abandoned,
) -> Result<ManifestObject, SinkError> {
    let key = format!("{table}.{}", Parquet.extension());
    let path = directory.join(&key);
    let mut file =
        File::create_new(&path).map_err(|e| SinkError::io(format!("cannot create {}", path.display()), e))?;
    let context = format!("cannot write {}", path.display());
    // Without fsync: after a power cut, the files are written again.
    let Encoded { rows, bytes, sha256 } = encode(snapshot, table, &Parquet, &mut file, &context, abandoned)?;
    Ok(ManifestObject { table, key, rows, bytes, sha256 })
}

fn write_manifest(path: &Path, id: &SnapshotId, manifest: &SnapshotManifest) -> Result<(), SinkError> {
    let manifest = PluginManifest { protocol: PROTOCOL, snapshot_date: id.snapshot_date(), manifest };
    let written = serde_json::to_vec_pretty(&manifest).map_err(Into::into).and_then(|json| fs::write(path, json));
    written.map_err(|e| SinkError::io(format!("cannot write {}", path.display()), e))
}
