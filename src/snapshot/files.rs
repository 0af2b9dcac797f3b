//! The names of the files in a walk's directory and in a snapshot's. Reads and writes nothing.

use stocktake_sink::Table;

/// What an unfinished walk is resumed from.
pub(super) const CHECKPOINT: &str = "checkpoint.json";

/// The file that makes a directory of tables a snapshot.
pub(super) const SEAL: &str = "sealed.json";

/// What is known of repositories from nights before a sealed snapshot, and their tags.
pub(super) const CARRIED_REPOSITORIES: &str = "carried-repositories.arrow";
pub(super) const CARRIED_TAGS: &str = "carried-tags.arrow";

/// The name of a table's segment in a walk's directory.
pub(super) fn segment_file(table: Table, number: u64) -> String {
    format!("{table}.{number}.segment")
}

/// The name of a table's file in a sealed snapshot.
pub(super) fn table_file(table: Table) -> String {
    format!("{table}.arrow")
}

/// Whether a file of this table, in a walk or sealed, has this name.
pub(super) fn is_file_of(table: Table, name: &str) -> bool {
    let number = || name.strip_prefix(table.as_str())?.strip_prefix('.')?.strip_suffix(".segment")?.parse().ok();
    name == table_file(table) || number().is_some_and(|number: u64| segment_file(table, number) == name)
}
