//! Which statements make the schema what it should be. Pure: no server is asked.

use stocktake_sink::Table;
use stocktake_sink::clock::FAR_AHEAD;

use super::found::{Found, FoundColumn, Relation};
use crate::columns::{self, COMMITS, Column};
use crate::settings::SchemaName;

/// Something that this sink did not make so, and that it cannot work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(crate) said: String,
    pub(crate) remedy: String,
}

/// The comment by which a view is known as ours. Another definition gets another number.
const VIEW_COMMENT: &str = "The newest published inventory of each registry. Made by stocktake, version 1.";

/// The statements, in order; none if nothing is missing.
pub(super) fn statements(schema: &SchemaName, found: &Found) -> Result<Vec<String>, Mismatch> {
    let mut statements = Vec::new();
    if !found.has_schema {
        statements.push(format!("create schema \"{schema}\""));
    }
    let tables = Table::ALL.iter().map(|&table| (table.as_str(), columns::of_table(table)));
    for (name, columns) in tables.chain([(COMMITS, columns::of_commits())]) {
        let relation = found.relations.get(name);
        statements.extend(of_table(schema, name, &columns, relation)?);
        if name != COMMITS && !found.indexed.contains(name) {
            statements.push(format!("create index on {} (registry, run_id)", schema.quoted(name)));
        }
    }
    for table in Table::ALL {
        statements.extend(of_view(schema, table, found)?);
    }
    Ok(statements)
}

fn of_table(
    schema: &SchemaName,
    name: &str,
    columns: &[Column],
    relation: Option<&Relation>,
) -> Result<Vec<String>, Mismatch> {
    let quoted = schema.quoted(name);
    let Some(relation) = relation else {
        let mut parts: Vec<_> = columns.iter().map(Column::definition).collect();
        if name == COMMITS {
            parts.push("primary key (registry, run_id, generation)".to_owned());
        }
        return Ok(vec![format!("create table {quoted} ({})", parts.join(", "))]);
    };
    // A partitioned table takes rows as an ordinary one does.
    if !["r", "p"].contains(&relation.kind.as_str()) {
        let said = format!("{schema}.{name} is {}, and a table is expected", kind_of_relation(&relation.kind));
        return Err(Mismatch { said, remedy: format!("rename {schema}.{name}") });
    }
    let mut statements = Vec::new();
    for column in columns {
        match relation.columns.iter().find(|found| found.name == column.name) {
            Some(found) => check_own(schema, name, column, found)?,
            None if column.is_required => {
                let said = format!(
                    "{schema}.{name} has no column {}, and one of type {} is expected",
                    column.name, column.kind
                );
                let remedy =
                    format!("restore the column, or drop {schema}.{name}, which is then made anew without rows");
                return Err(Mismatch { said, remedy });
            }
            None => statements.push(format!("alter table {quoted} add column {}", column.definition())),
        }
    }
    for found in &relation.columns {
        check_foreign(schema, name, columns, found)?;
    }
    Ok(statements)
}

/// A column that is not ours may be there, as long as a row may leave it out.
fn check_foreign(schema: &SchemaName, table: &str, own: &[Column], found: &FoundColumn) -> Result<(), Mismatch> {
    let is_ours = own.iter().any(|column| column.name == found.name);
    if is_ours || !found.is_required || found.fills_itself || found.is_generated {
        return Ok(());
    }
    let FoundColumn { name, kind, .. } = found;
    Err(Mismatch {
        said: format!(
            "{schema}.{table} has a column {name} ({kind}) of its own, which is not null and has no default, so no row \
             can be written"
        ),
        remedy: format!("run `alter table {schema}.{table} alter column \"{name}\" drop not null`"),
    })
}

fn check_own(schema: &SchemaName, table: &str, column: &Column, found: &FoundColumn) -> Result<(), Mismatch> {
    let Column { name, kind, .. } = column;
    let alter = format!("alter table {schema}.{table} alter column \"{name}\"");
    if found.kind != *kind {
        let said = format!("column {schema}.{table}.{name} is of type {}, and {kind} is expected", found.kind);
        return Err(Mismatch { said, remedy: format!("run `{alter} type {kind}`") });
    }
    if found.is_generated {
        let said = format!("column {schema}.{table}.{name} is computed by the server, and a plain column is expected");
        return Err(Mismatch { said, remedy: format!("run `{alter} drop expression`") });
    }
    if found.is_required && !column.is_required {
        let said = format!("column {schema}.{table}.{name} is not null, and it is expected to take null");
        return Err(Mismatch { said, remedy: format!("run `{alter} drop not null`") });
    }
    Ok(())
}

fn kind_of_relation(kind: &str) -> &'static str {
    match kind {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        _ => "a table",
    }
}

/// The view `latest_<table>`: of each registry the rows of the newest published run that has the table. A run that is
/// scheduled further ahead than any time zone is was made while the clock was wrong, and counts as the oldest.
fn of_view(schema: &SchemaName, table: Table, found: &Found) -> Result<Vec<String>, Mismatch> {
    let name = format!("latest_{table}");
    let columns = columns::of_table(table);
    match found.relations.get(&name) {
        Some(view) if view.kind != "v" => {
            let said = format!("{schema}.{name} is {}, and a view is expected", kind_of_relation(&view.kind));
            return Err(Mismatch { said, remedy: format!("rename {schema}.{name}") });
        }
        Some(view) => {
            let is_ours = view.comment.as_deref().is_some_and(|comment| comment.contains("Made by stocktake"));
            let has_all = columns.iter().all(|column| view.columns.iter().any(|found| found.name == column.name));
            // A view of that name that is not ours is left alone.
            if !is_ours || has_all && view.comment.as_deref() == Some(VIEW_COMMENT) {
                return Ok(Vec::new());
            }
        }
        None => {}
    }
    let (view, rows, commits) = (schema.quoted(&name), schema.quoted(table), schema.quoted(COMMITS));
    let newest = newest_first();
    Ok(vec![
        format!(
            "create or replace view {view} as select t.* from {rows} t join (select distinct on (registry) registry, \
             run_id from {commits} where published and tables ? '{table}' order by registry, {newest}) latest \
             using (registry, run_id)"
        ),
        format!("comment on view {view} is '{VIEW_COMMENT}'"),
    ])
}

/// The order of runs in `commits`, the newest first.
pub(crate) fn newest_first() -> String {
    let hours = FAR_AHEAD.num_hours();
    format!("scheduled_at > now() + interval '{hours} hours', scheduled_at desc, generation desc")
}

#[cfg(test)]
mod tests;
