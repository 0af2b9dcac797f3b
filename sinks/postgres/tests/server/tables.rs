//! What is in the tables: migrations, retention, generations, views, and tables that somebody else has changed.

use chrono::TimeDelta;
use stocktake_sink::contract::{Harness as _, id, snapshot_of, tables};
use stocktake_sink::{Sink as _, SinkErrorKind, SnapshotId, Table, Verdict, clock};
use stocktake_sink_postgres::PostgresSink;

use crate::support::{TABLES, all_rows, assert_error, counted, counts, database, night, of, publish};

#[tokio::test]
async fn a_column_that_a_newer_schema_has_is_added_to_an_old_table() {
    let (_server, database) = database();
    publish(&database.settings(), &night(0, 50)).await.unwrap();
    // As a version without these columns left it.
    database.sql(
        "drop view stocktake.latest_tags; alter table stocktake.tags drop column size_bytes, drop column media_type; \
         drop index stocktake.tags_registry_run_id_idx; drop table stocktake.manifests cascade",
    );
    publish(&database.settings(), &night(1, 50)).await.unwrap();
    let sizes = "select run_id, count(size_bytes) > 0 from stocktake.tags group by 1 order by 1";
    let [first, second] = [id("quay", 0).run_id(), id("quay", 1).run_id()];
    assert_eq!(database.sql(sizes), format!("{first}|f\n{second}|t"));
    assert_eq!(database.sql("select count(size_bytes) > 0 from stocktake.latest_tags"), "t");
    assert_eq!(database.sql("select count(*) from pg_indexes where tablename = 'tags'"), "1");
    assert_eq!(database.leftovers().await, Vec::<String>::new());
}

#[tokio::test]
async fn six_processes_that_find_an_empty_database_make_the_tables_once() {
    let (_server, database) = database();
    let publishers: Vec<_> = (0..6)
        .map(|number| {
            let settings = database.settings();
            let snapshot = of(&id(&format!("quay{number}"), 0), 20);
            tokio::spawn(async move { publish(&settings, &snapshot).await.unwrap() })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    assert_eq!(counts(&database).len(), 6);
    assert_eq!(database.leftovers().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_table_that_somebody_else_has_changed_is_an_error_that_says_what_to_do() {
    let (_server, database) = database();
    let sink = PostgresSink::new(database.settings());
    publish(&database.settings(), &night(0, 20)).await.unwrap();
    let changed = "another program has changed the tables";
    for (change, undo, parts) in [
        (
            "alter table stocktake.tags alter column size_bytes type numeric",
            "alter table stocktake.tags alter column size_bytes type bigint",
            &[
                "stocktake.tags.size_bytes is of type numeric, and bigint is expected",
                "alter column \"size_bytes\" type",
            ][..],
        ),
        (
            "alter table stocktake.tags rename column tag to label",
            "alter table stocktake.tags rename column label to tag",
            &["stocktake.tags has no column tag"],
        ),
        (
            "alter table stocktake.runs add column team text not null default 'x'; \
             alter table stocktake.runs alter column team drop default",
            "alter table stocktake.runs drop column team",
            &["a column team (text) of its own", "drop not null"],
        ),
        (
            "alter table stocktake.changes rename to differences; create view stocktake.changes as select 1 as run_id",
            "drop view stocktake.changes; alter table stocktake.differences rename to changes",
            &["stocktake.changes is a view"],
        ),
    ] {
        // A view depends on its columns, so a person who changes one drops it first.
        database.sql(&format!("drop view if exists stocktake.latest_tags; {change}"));
        let parts: Vec<_> = parts.iter().copied().chain([changed]).collect();
        assert_error(sink.publish(&night(1, 20)).await, SinkErrorKind::Invalid, &parts);
        assert_error(sink.probe().await, SinkErrorKind::Invalid, &parts);
        assert_eq!(counts(&database), [counted(&night(0, 20))], "{change}");
        database.sql(undo);
        sink.probe().await.unwrap();
    }
    sink.publish(&night(1, 20)).await.unwrap();
    // What the catalog does not show is found out by the rows.
    database.sql("alter table stocktake.tags add constraint short check (length(tag) < 3) not valid");
    assert_error(sink.publish(&night(2, 20)).await, SinkErrorKind::Invalid, &["short", "remove the constraint"]);
    database.sql(
        "alter table stocktake.tags drop constraint short; \
         create function public.none() returns trigger language plpgsql as $$ begin return null; end $$; \
         create trigger none before insert on stocktake.tags for each row execute function public.none()",
    );
    assert_error(sink.publish(&night(2, 20)).await, SinkErrorKind::Invalid, &["the server took 0 of", "trigger"]);
    assert_eq!(counts(&database), [counted(&night(0, 20)), counted(&night(1, 20))]);
}

#[tokio::test]
async fn inventories_beyond_keep_are_deleted_of_the_same_registry_alone() {
    let (_server, database) = database();
    let settings = database.settings_that_keep(2);
    publish(&settings, &of(&id("harbor", 0), 20)).await.unwrap();
    for day in 0..3 {
        publish(&settings, &night(day, 20)).await.unwrap();
    }
    // A run that published nothing takes no place of one that did.
    let failed = snapshot_of(&id("quay", 3), Verdict::Denied, tables(&id("quay", 3), 0, &TABLES));
    publish(&settings, &failed).await.unwrap();
    let harbor = counted(&of(&id("harbor", 0), 20));
    let expected = [harbor.clone(), counted(&night(1, 20)), counted(&night(2, 20)), counted(&failed)];
    assert_eq!(counts(&database), expected);
    assert_eq!(all_rows(&database, Table::Runs), 4);
    // Too old to be kept: it is not written to be deleted at once.
    let late = publish(&settings, &night(0, 20)).await.unwrap();
    assert_eq!(late.objects, []);
    assert!(late.warnings[0].contains("older than the newest 2 inventories"), "{late:?}");
    assert_eq!(counts(&database), expected);
    publish(&settings, &night(4, 20)).await.unwrap();
    assert_eq!(counts(&database), [harbor, counted(&night(2, 20)), counted(&failed), counted(&night(4, 20))]);
}

#[tokio::test]
async fn a_run_of_a_clock_that_was_far_ahead_is_neither_the_newest_nor_kept_for_ever() {
    let (_server, database) = database();
    let settings = database.settings_that_keep(2);
    let ahead = SnapshotId { scheduled_at: clock::now() + TimeDelta::days(3650), ..id("quay", 0) };
    publish(&settings, &of(&ahead, 20)).await.unwrap();
    let newest = "select distinct run_id from stocktake.latest_tags";
    assert_eq!(database.sql(newest), ahead.run_id());
    publish(&settings, &night(0, 20)).await.unwrap();
    assert_eq!(database.sql(newest), id("quay", 0).run_id());
    publish(&settings, &night(1, 20)).await.unwrap();
    assert_eq!(counts(&database), [counted(&night(0, 20)), counted(&night(1, 20))]);
}

#[tokio::test]
async fn a_later_generation_replaces_an_earlier_one_and_not_the_other_way_round() {
    let (_server, database) = database();
    let again = of(&SnapshotId { generation: 2, ..id("quay", 0) }, 30);
    let settings = database.settings();
    publish(&settings, &night(0, 60)).await.unwrap();
    publish(&settings, &again).await.unwrap();
    assert_eq!(counts(&database), [counted(&again)]);
    let late = publish(&settings, &night(0, 60)).await.unwrap();
    assert!(late.warnings[0].contains("generation 2"), "{late:?}");
    assert_eq!(counts(&database), [counted(&again)]);
    assert_eq!(all_rows(&database, Table::Tags), again.rows(Table::Tags));
}

#[tokio::test]
async fn the_views_show_the_newest_published_run_that_has_the_table() {
    let (_server, database) = database();
    let settings = database.settings();
    publish(&settings, &night(0, 20)).await.unwrap();
    publish(&settings, &of(&id("harbor", 0), 30)).await.unwrap();
    // Tonight reads no tags, and tomorrow is refused.
    let shallow = snapshot_of(&id("quay", 1), Verdict::Gaps, tables(&id("quay", 1), 20, &TABLES[..1]));
    publish(&settings, &shallow).await.unwrap();
    publish(&settings, &snapshot_of(&id("quay", 2), Verdict::Denied, tables(&id("quay", 2), 0, &TABLES)))
        .await
        .unwrap();
    let shown = |table: &str| database.sql(&format!("select distinct run_id from stocktake.latest_{table} order by 1"));
    let harbor = id("harbor", 0).run_id();
    assert_eq!(shown("repositories"), format!("{harbor}\n{}", id("quay", 1).run_id()));
    assert_eq!(shown("tags"), format!("{harbor}\n{}", id("quay", 0).run_id()));
    assert_eq!(shown("runs"), format!("{harbor}\n{}", id("quay", 1).run_id()));
}

#[tokio::test]
async fn the_current_inventory_is_read_by_the_index() {
    let (_server, database) = database();
    for day in 0..12 {
        publish(&database.settings(), &night(day, 3000)).await.unwrap();
    }
    database.sql("analyze stocktake.tags");
    let plan = database.sql("explain select count(*) from stocktake.latest_tags where repository = 'a'");
    assert!(plan.contains("Index") && !plan.contains("Seq Scan on tags"), "{plan}");
}

#[tokio::test]
async fn the_queries_of_the_documentation_answer() {
    let (_server, database) = database();
    let id = id("quay", 0);
    let all = [Table::Repositories, Table::Tags, Table::Manifests];
    publish(&database.settings(), &snapshot_of(&id, Verdict::Complete, tables(&id, 100, &all))).await.unwrap();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reading-the-data.md");
    let page = std::fs::read_to_string(page).unwrap();
    let queries = page.split("```postgresql\n").nth(1).unwrap().split("```").next().unwrap();
    let answers: Vec<_> = queries.split("\n\n").map(|query| database.sql(query)).collect();
    assert_eq!(answers[0], "quay|34|102");
    // Some names have line breaks.
    assert_eq!(answers[1].matches("|sha256:").count(), 2 * 10, "{answers:?}");
}

#[tokio::test]
async fn texts_with_nul_and_lists_are_stored_as_a_reader_expects() {
    let (_server, database) = database();
    let id = id("quay", 0);
    let snapshot =
        snapshot_of(&id, Verdict::Gaps, tables(&id, 200, &[Table::Repositories, Table::Tags, Table::Manifests]));
    publish(&database.settings(), &snapshot).await.unwrap();
    // Every list is JSON that a cast takes, and none is left over.
    let layers = "select count(*) from stocktake.manifests, jsonb_array_elements(layers::jsonb) layer \
                  where layer ->> 'digest' is null";
    assert_eq!(database.sql(layers), "0");
    let errors = "select error ->> 'repository' from stocktake.runs, jsonb_array_elements(errors::jsonb) error";
    assert_eq!(database.sql(errors), "\nlibrary/=x");
    // In order of bytes, whatever the database sorts by.
    let first = "select tag collate \"C\" = tag, min(tag) = min(tag collate \"C\") from stocktake.tags group by 1";
    assert_eq!(database.sql(first), "t|t");
}
