use chrono::TimeDelta;
use stocktake_sink::{PublishedObject, PublishedRun, PublishedRuns, Table, Verdict, contract};

use super::*;

/// A run of this day, with these tables.
fn run(day: u32, verdict: Verdict, tables: &[Table]) -> PublishedRun {
    let id = contract::id("quay", day);
    let object = |table: &Table| PublishedObject {
        table: *table,
        key: format!("{table}/{day}"),
        location: String::new(),
        rows: 1,
        bytes: 1,
        sha256: String::new(),
    };
    PublishedRun {
        finished_at: id.scheduled_at,
        id,
        verdict,
        exporter_version: String::new(),
        schema_version: 1,
        format: "parquet".to_owned(),
        location: String::new(),
        objects: tables.iter().map(object).collect(),
    }
}

const DEEP: &[Table] = &[Table::Repositories, Table::Tags, Table::Runs];
const SHALLOW: &[Table] = &[Table::Repositories, Table::Runs];

fn days(expired: &[&PublishedRun]) -> Vec<i64> {
    expired.iter().map(|run| (run.id.scheduled_at - contract::id("quay", 0).scheduled_at).num_days()).collect()
}

fn nights(runs: Vec<PublishedRun>) -> PublishedRuns {
    let latest = runs.iter().rfind(|run| run.verdict.is_publishable()).map(|run| run.id.clone());
    PublishedRuns { runs, latest, ..PublishedRuns::default() }
}

fn now() -> DateTime<Utc> {
    contract::id("quay", 9).scheduled_at
}

#[test]
fn the_newest_inventories_stay_and_nights_without_one_are_not_counted() {
    let runs = nights(vec![
        run(0, Verdict::Complete, DEEP),
        run(1, Verdict::Gaps, DEEP),
        run(2, Verdict::Denied, &[Table::Runs]),
        run(3, Verdict::Complete, DEEP),
        run(4, Verdict::Failed, &[Table::Runs]),
    ]);
    for (keep, expected) in [(1, &[0, 1, 2][..]), (2, &[0]), (3, &[]), (9, &[])] {
        assert_eq!(days(&Retention::Keep(keep).expired(&runs, now())), expected, "{keep}");
    }
    // Nothing is asked to be kept: nothing goes.
    assert_eq!(days(&Retention::Keep(0).expired(&runs, now())), &[] as &[i64]);
}

#[test]
fn the_age_is_that_of_the_slot_and_the_newest_stays_however_old() {
    let runs = nights((0..5).map(|day| run(day, Verdict::Complete, DEEP)).collect());
    let expired = |days_old| days(&Retention::Younger(TimeDelta::days(days_old)).expired(&runs, now()));
    assert_eq!(expired(7), [0, 1]);
    assert_eq!(expired(1), [0, 1, 2, 3], "the newest is four days older, and stays");
}

#[test]
fn what_latest_holds_of_a_table_that_newer_runs_do_not_have_stays() {
    let runs = nights(vec![
        run(0, Verdict::Complete, DEEP),
        run(1, Verdict::Complete, DEEP),
        run(2, Verdict::Complete, SHALLOW),
        run(3, Verdict::Complete, SHALLOW),
    ]);
    assert_eq!(days(&Retention::Keep(1).expired(&runs, now())), [0, 2]);
}

#[test]
fn the_run_that_the_pointer_names_stays_although_newer_ones_are_published() {
    let mut runs = nights((0..3).map(|day| run(day, Verdict::Complete, DEEP)).collect());
    runs.latest = Some(contract::id("quay", 1));
    assert_eq!(days(&Retention::Keep(1).expired(&runs, now())), [0]);
}

#[test]
fn the_generations_of_a_slot_count_as_one_and_go_together() {
    let mut forced = run(1, Verdict::Complete, DEEP);
    forced.id.generation = 2;
    let runs = nights(vec![
        run(0, Verdict::Complete, DEEP),
        run(1, Verdict::Complete, DEEP),
        forced,
        run(2, Verdict::Complete, DEEP),
    ]);
    assert_eq!(days(&Retention::Keep(2).expired(&runs, now())), [0]);
    assert_eq!(days(&Retention::Keep(1).expired(&runs, now())), [0, 1, 1]);
}
