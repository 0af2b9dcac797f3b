//! What is in the schema now, read from the catalog of the server.

use std::collections::{BTreeMap, BTreeSet};

use stocktake_sink::SinkError;
use tokio_postgres::types::Type;

use crate::session::Session;

/// The contents of the schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Whether the schema is there.
    pub(super) has_schema: bool,
    /// Tables, views and the like, by name.
    pub(super) relations: BTreeMap<String, Relation>,
    /// Tables with an index that begins with `registry` and `run_id`.
    pub(super) indexed: BTreeSet<String>,
}

/// A table, a view, or something else with columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// `relkind` of `pg_class`.
    pub(super) kind: String,
    pub(super) comment: Option<String>,
    /// In the order of the table.
    pub(super) columns: Vec<FoundColumn>,
}

/// A column as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundColumn {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_required: bool,
    /// Whether a row may leave it out although it is required.
    pub(super) fills_itself: bool,
    /// Whether the server computes it, so that it cannot be written.
    pub(super) is_generated: bool,
}

const RELATIONS: &str = "
    select c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'), a.attname::text,
           format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef or a.attidentity::text <> '',
           a.attgenerated::text <> '' or a.attidentity::text = 'a'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = $1::text and c.relkind::text in ('r', 'p', 'v', 'm', 'f')
    order by c.relname, a.attnum";

const INDEXED: &str = "
    select c.relname::text
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute one on one.attrelid = c.oid and one.attnum = (i.indkey::int2[])[0]
    join pg_attribute two on two.attrelid = c.oid and two.attnum = (i.indkey::int2[])[1]
    where n.nspname = $1::text and i.indisvalid and i.indpred is null
      and one.attname = 'registry' and two.attname = 'run_id'";

/// Reads the catalog. Every user may.
pub(super) async fn look(session: &mut Session) -> Result<Found, SinkError> {
    let schema = session.settings.schema.as_str().to_owned();
    let parameter: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&schema, Type::TEXT)];
    let has_schema = session.rows("select from pg_namespace where nspname = $1::text", parameter).await?;
    let mut found = Found { has_schema: !has_schema.is_empty(), ..Found::default() };
    for row in session.rows(RELATIONS, parameter).await? {
        let relation = found.relations.entry(row.get(0)).or_default();
        relation.kind = row.get(1);
        relation.comment = row.get(2);
        if let Some(name) = row.get(3) {
            let (kind, is_required) = (row.get(4), row.get(5));
            let (fills_itself, is_generated) = (row.get(6), row.get(7));
            relation.columns.push(FoundColumn { name, kind, is_required, fills_itself, is_generated });
        }
    }
    found.indexed = session.rows(INDEXED, parameter).await?.iter().map(|row| row.get(0)).collect();
    Ok(found)
}
