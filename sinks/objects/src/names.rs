//! The keys of a snapshot's objects, relative to the root, with `/` between segments. Every segment is safe in a path
//! because registry names are.

use stocktake_sink::{RegistryName, SCHEMA_VERSION, SnapshotId, Table};

/// The directory of this schema version; an incompatible schema gets a root of its own.
pub(crate) fn version_root() -> String {
    format!("v{SCHEMA_VERSION}")
}

/// The directory whose children are a table's dates.
pub(crate) fn partitions(table: Table, registry: &RegistryName) -> String {
    format!("{}/{table}/registry={registry}", version_root())
}

/// The object that holds a table. A later generation has a name of its own, so that the manifest of an earlier one
/// stays true; readers follow the manifest of the highest generation.
pub(crate) fn object(id: &SnapshotId, table: Table, extension: &str) -> String {
    let name = match id.generation {
        1 => id.run_id(),
        _ => id.to_string(),
    };
    format!("{}/snapshot_date={}/{name}.{extension}", partitions(table, &id.registry), id.snapshot_date())
}

/// Whether a key that a manifest names is the key of an object of this table. Others are not followed: a manifest may have
/// been changed by somebody who may write to the target and nowhere else.
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
    use stocktake_sink::contract;

    #[test]
    fn names_are_those_that_readers_rely_on() {
        let first = contract::id("quay", 0);
        let second = SnapshotId { generation: 2, ..first.clone() };
        let partition = "v1/repositories/registry=quay/snapshot_date=2026-11-23";
        let name = |id| object(id, Table::Repositories, "parquet");
        assert_eq!(name(&first), format!("{partition}/quay-20261123T030000Z.parquet"));
        assert_eq!(name(&second), format!("{partition}/quay-20261123T030000Z.g2.parquet"));
        assert_eq!(manifest(&first), "v1/_runs/registry=quay/quay-20261123T030000Z.g1.json");
        assert_eq!(latest(&first.registry), "v1/_latest/registry=quay.json");
        let object = latest_object(Table::Repositories, &first.registry, "parquet");
        assert_eq!(object, "v1/latest/repositories/registry=quay/latest.parquet");
    }
}
