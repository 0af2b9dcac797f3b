use std::collections::BTreeMap;

use super::*;

fn schema() -> SchemaName {
    SchemaName::parse("stocktake").unwrap()
}

/// Everything as a first publish leaves it.
fn whole() -> Found {
    let found = |column: &Column| FoundColumn {
        name: column.name.clone(),
        kind: column.kind.to_owned(),
        is_required: column.is_required,
        fills_itself: column.default.is_some(),
        is_generated: false,
    };
    let relation = |kind: &str, columns: &[Column], comment: Option<&str>| Relation {
        kind: kind.to_owned(),
        comment: comment.map(str::to_owned),
        columns: columns.iter().map(found).collect(),
    };
    let mut relations = BTreeMap::from([(COMMITS.to_owned(), relation("r", &columns::of_commits(), None))]);
    for table in Table::ALL {
        let columns = columns::of_table(table);
        relations.insert(table.to_string(), relation("r", &columns, None));
        relations.insert(format!("latest_{table}"), relation("v", &columns, Some(VIEW_COMMENT)));
    }
    let indexed = Table::ALL.iter().map(ToString::to_string).collect();
    Found { has_schema: true, relations, indexed }
}

/// The schema after somebody changed a table.
fn changed(table: &str, change: impl FnOnce(&mut Relation)) -> Found {
    let mut found = whole();
    change(found.relations.get_mut(table).unwrap());
    found
}

fn column<'r>(relation: &'r mut Relation, name: &str) -> &'r mut FoundColumn {
    relation.columns.iter_mut().find(|column| column.name == name).unwrap()
}

#[test]
fn nothing_is_done_to_what_is_whole() {
    assert_eq!(statements(&schema(), &whole()), Ok(Vec::new()));
}

#[test]
fn an_empty_database_gets_the_schema_all_tables_indexes_and_views() {
    let made = statements(&schema(), &Found::default()).unwrap();
    assert_eq!(made[0], "create schema \"stocktake\"");
    let count = |begin: &str| made.iter().filter(|statement| statement.starts_with(begin)).count();
    let tables = Table::ALL.len();
    assert_eq!(
        (count("create table"), count("create index"), count("create or replace view")),
        (tables + 1, tables, tables)
    );
    let tags = made.iter().find(|statement| statement.starts_with("create table \"stocktake\".\"tags\"")).unwrap();
    for part in [
        "(\"registry\" text collate \"C\" not null, \"snapshot_date\" date not null, \"run_id\" text",
        "\"observed_at\" timestamp with time zone not null",
        "\"size_bytes\" bigint)",
    ] {
        assert!(tags.contains(part), "{part} in {tags}");
    }
}

#[test]
fn a_column_that_may_be_null_is_added_and_its_view_made_again() {
    let mut found = changed("tags", |tags| tags.columns.retain(|column| column.name != "size_bytes"));
    found.relations.get_mut("latest_tags").unwrap().columns.retain(|column| column.name != "size_bytes");
    let made = statements(&schema(), &found).unwrap();
    assert_eq!(made[0], "alter table \"stocktake\".\"tags\" add column \"size_bytes\" bigint");
    assert!(made[1].starts_with("create or replace view \"stocktake\".\"latest_tags\""), "{made:?}");
    assert_eq!(made.len(), 3);
}

#[test]
fn what_others_changed_is_named_with_what_to_do() {
    let extra = |is_required, fills_itself| FoundColumn {
        name: "team".into(),
        kind: "text".into(),
        is_required,
        fills_itself,
        is_generated: false,
    };
    for (found, said, remedy) in [
        (
            changed("tags", |tags| column(tags, "digest").kind = "bytea".into()),
            "column stocktake.tags.digest is of type bytea, and text is expected",
            "run `alter table stocktake.tags alter column \"digest\" type text`",
        ),
        (
            changed("tags", |tags| column(tags, "digest").is_required = true),
            "column stocktake.tags.digest is not null, and it is expected to take null",
            "run `alter table stocktake.tags alter column \"digest\" drop not null`",
        ),
        (
            changed("tags", |tags| tags.columns.retain(|column| column.name != "tag")),
            "stocktake.tags has no column tag, and one of type text is expected",
            "restore the column, or drop stocktake.tags, which is then made anew without rows",
        ),
        (
            changed("runs", |runs| column(runs, "pages").is_generated = true),
            "column stocktake.runs.pages is computed by the server, and a plain column is expected",
            "run `alter table stocktake.runs alter column \"pages\" drop expression`",
        ),
        (
            changed("tags", |tags| tags.columns.push(extra(true, false))),
            "stocktake.tags has a column team (text) of its own, which is not null and has no default, so no row can be \
             written",
            "run `alter table stocktake.tags alter column \"team\" drop not null`",
        ),
        (
            changed("commits", |commits| commits.kind = "v".into()),
            "stocktake.commits is a view, and a table is expected",
            "rename stocktake.commits",
        ),
        (
            changed("latest_tags", |view| view.kind = "r".into()),
            "stocktake.latest_tags is a table, and a view is expected",
            "rename stocktake.latest_tags",
        ),
    ] {
        let mismatch = statements(&schema(), &found).expect_err(said);
        assert_eq!((mismatch.said.as_str(), mismatch.remedy.as_str()), (said, remedy));
    }
    for harmless in [extra(false, false), extra(true, true)] {
        let found = changed("tags", |tags| tags.columns.push(harmless));
        assert_eq!(statements(&schema(), &found), Ok(Vec::new()));
    }
}

#[test]
fn a_required_column_that_lost_its_constraint_and_a_view_of_somebody_else_do_no_harm() {
    let found = changed("tags", |tags| column(tags, "tag").is_required = false);
    assert_eq!(statements(&schema(), &found), Ok(Vec::new()));
    let found = changed("latest_tags", |view| {
        view.comment = None;
        view.columns.clear();
    });
    assert_eq!(statements(&schema(), &found), Ok(Vec::new()));
}
