//! The keys of a snapshot's objects, relative to the root, with `/` between segments. Every segment is safe in a path
//! because registry names are.

use sha2::{Digest, Sha256};
use stocktake_sink::{RegistryName, RunRecord, SCHEMA_VERSION, SnapshotId, Table};

/// The directory of this schema version; an incompatible schema gets a root of its own.
pub(crate) fn version_root() -> String {
    format!("v{SCHEMA_VERSION}")
}

/// The directory whose children are a table's dates.
pub(crate) fn partitions(table: Table, registry: &RegistryName) -> String {
    format!("{}/{table}/registry={registry}", version_root())
}

/// The object that holds a table. A later generation has a name of its own, so that the manifest of an earlier one
/// stays true; readers follow the manifest of the highest generation. In a bucket the name has a seal.
pub(crate) fn object(id: &SnapshotId, table: Table, seal: Option<&str>, extension: &str) -> String {
    let name = match id.generation {
        1 => id.run_id(),
        _ => id.to_string(),
    };
    let seal = seal.map(|seal| format!(".{seal}")).unwrap_or_default();
    format!("{}/snapshot_date={}/{name}{seal}.{extension}", partitions(table, &id.registry), id.snapshot_date())
}

/// Digits of a seal.
const SEAL: usize = 8;

/// The seal of a run: it differs between two walks of one slot, and is the same when one snapshot is published again.
pub(crate) fn seal(record: &RunRecord) -> String {
    // A record is plain data, which always has a text.
    let text = serde_json::to_vec(record).unwrap_or_default();
    let mut seal = hex::encode(Sha256::digest(text));
    seal.truncate(SEAL);
    seal
}

/// The object of a key with a seal: everything before the seal, and the seal.
pub(crate) fn split_seal<'k>(key: &'k str, extension: &str) -> Option<(&'k str, &'k str)> {
    let (run, seal) = key.strip_suffix(extension)?.strip_suffix('.')?.rsplit_once('.')?;
    let is_seal = seal.len() == SEAL && seal.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    is_seal.then_some((run, seal))
}

/// Whether a key that a manifest names is the key of an object of this table. Others are not followed: a manifest may have
/// been changed by a person who may write to the target and nowhere else.
pub(crate) fn is_object(key: &str, table: Table, registry: &RegistryName) -> bool {
    let rest = key.strip_prefix(&partitions(table, registry)).and_then(|rest| rest.strip_prefix("/snapshot_date="));
    rest.is_some_and(|rest| rest.split('/').all(|part| !["", ".", ".."].contains(&part)))
}

/// The directory of a registry's manifests.
pub(crate) fn manifests(registry: &RegistryName) -> String {
    format!("{}/_runs/registry={registry}", version_root())
}

/// The directory of the manifests of all registries.
pub(crate) fn all_manifests() -> String {
    format!("{}/_runs", version_root())
}

/// The directory of the removals of a registry that were begun. Readers of manifests do not look there.
pub(crate) fn removals(registry: &RegistryName) -> String {
    format!("{}/_removed/registry={registry}", version_root())
}

/// What is to be removed of one snapshot whose manifest is gone.
pub(crate) fn removal(id: &SnapshotId) -> String {
    format!("{}/{id}.json", removals(&id.registry))
}

/// The manifest of one snapshot.
pub(crate) fn manifest(id: &SnapshotId) -> String {
    format!("{}/{id}.json", manifests(&id.registry))
}

/// The pointer to a registry's newest published run.
pub(crate) fn latest(registry: &RegistryName) -> String {
    format!("{}/_latest/registry={registry}.json", version_root())
}

/// The newest published object of a table, under a name that stays the same every night.
pub(crate) fn latest_object(table: Table, registry: &RegistryName, extension: &str) -> String {
    format!("{}/latest/{table}/registry={registry}/latest.{extension}", version_root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stocktake_sink::{MemoryRows, Verdict, contract};

    #[test]
    fn names_are_those_that_readers_rely_on() {
        let first = contract::id("quay", 0);
        let second = SnapshotId { generation: 2, ..first.clone() };
        let partition = "v1/repositories/registry=quay/snapshot_date=2026-11-23";
        let name = |id| object(id, Table::Repositories, None, "parquet");
        assert_eq!(name(&first), format!("{partition}/quay-20261123T030000Z.parquet"));
        assert_eq!(name(&second), format!("{partition}/quay-20261123T030000Z.g2.parquet"));
        assert_eq!(manifest(&first), "v1/_runs/registry=quay/quay-20261123T030000Z.g1.json");
        assert_eq!(latest(&first.registry), "v1/_latest/registry=quay.json");
        let sealed = |id| object(id, Table::Repositories, Some("0123abcd"), "jsonl.zst");
        assert_eq!(sealed(&first), format!("{partition}/quay-20261123T030000Z.0123abcd.jsonl.zst"));
        assert_eq!(sealed(&second), format!("{partition}/quay-20261123T030000Z.g2.0123abcd.jsonl.zst"));
        let object = latest_object(Table::Repositories, &first.registry, "parquet");
        assert_eq!(object, "v1/latest/repositories/registry=quay/latest.parquet");
    }
    #[test]
    fn seals_are_found_in_names_and_differ_between_walks_of_one_slot() {
        let id = contract::id("quay", 0);
        let snapshot = contract::snapshot(&id, Verdict::Complete, MemoryRows::default());
        let record = snapshot.record().clone();
        let other = RunRecord { finished_at: record.finished_at + chrono::TimeDelta::nanoseconds(1), ..record.clone() };
        assert_ne!(seal(&record), seal(&other));
        let mine = seal(&record);
        for generation in [1, 2] {
            let id = SnapshotId { generation, ..id.clone() };
            let key = object(&id, Table::Tags, Some(&mine), "jsonl.zst");
            let (run, found) = split_seal(&key, "jsonl.zst").unwrap();
            assert_eq!(found, mine);
            assert_eq!(format!("{run}.jsonl.zst"), object(&id, Table::Tags, None, "jsonl.zst"));
        }
        for none in ["a/run.parquet", "a/run.g2.parquet", "a/run.0123abcx.parquet", "a/run.0123abcd.json", "parquet"] {
            assert_eq!(split_seal(none, "parquet"), None, "{none}");
        }
    }
}
