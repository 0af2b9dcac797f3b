//! The columns of the tables in Postgres, derived from [`Table::schema`].

use arrow::datatypes::{DataType, Field};
use stocktake_sink::Table;

/// One column as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The type as Postgres itself displays it (`format_type`).
    pub(crate) kind: &'static str,
    /// `not null`.
    pub(crate) is_required: bool,
    /// An expression, of the columns that have one.
    pub(crate) default: Option<&'static str>,
}

impl Column {
    fn required(name: &str, kind: &'static str) -> Self {
        Self { name: name.to_owned(), kind, is_required: true, default: None }
    }

    fn of(field: &Field) -> Self {
        let kind = kind(field.data_type());
        Self { name: field.name().clone(), kind, is_required: !field.is_nullable(), default: None }
    }

    /// As it stands in `create table` or after `add column`.
    pub(crate) fn definition(&self) -> String {
        // In order of bytes, as in all other sinks; and columns of one collation can be compared with each other.
        let collation = if self.kind == TEXT { " collate \"C\"" } else { "" };
        let default = self.default.map(|default| format!(" default {default}")).unwrap_or_default();
        let required = if self.is_required { " not null" } else { "" };
        format!("\"{}\" {}{collation}{default}{required}", self.name, self.kind)
    }
}

const TEXT: &str = "text";

/// The type of a column. What is nested becomes the text of a JSON value.
fn kind(arrow: &DataType) -> &'static str {
    match arrow {
        DataType::Boolean => "boolean",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Timestamp(..) => "timestamp with time zone",
        _ => TEXT,
    }
}

/// The columns of a table: of the partition first, then those of the schema in their order.
pub(crate) fn of_table(table: Table) -> Vec<Column> {
    let partition = [Column::required("registry", TEXT), Column::required("snapshot_date", "date")];
    let schema = table.schema();
    partition.into_iter().chain(schema.fields().iter().map(|field| Column::of(field))).collect()
}

/// The name of the table that says which runs are there.
pub(crate) const COMMITS: &str = "commits";

/// Its columns. One row is one published run; it is written in the transaction of the run's rows.
pub(crate) fn of_commits() -> Vec<Column> {
    vec![
        Column::required("registry", TEXT),
        Column::required("run_id", TEXT),
        Column::required("generation", "integer"),
        Column::required("snapshot_date", "date"),
        Column::required("scheduled_at", "timestamp with time zone"),
        // Whether the run has an inventory. Other runs have a row in `runs` alone.
        Column::required("published", "boolean"),
        // The tables that the run has, each with its rows and bytes: `{"tags": {"rows": 7, "bytes": 1234}}`.
        Column::required("tables", "jsonb"),
        Column { default: Some("now()"), ..Column::required("committed_at", "timestamp with time zone") },
    ]
}
