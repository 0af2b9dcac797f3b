//! The pages of `docs/sql`: every query runs on the nights of a registry that changes, and gives the rows that it should.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use stocktake_sink_postgres::contract::TestServer;
use tokio::process::Command;

use crate::support::nights::{Nights, digest_of, digest_of_index, taken};
use crate::support::python;

const PARQUET: &str = "  warehouse: {type: parquet, url: ./inventory}";

/// The answers of a page, by heading.
type PageAnswers = BTreeMap<String, Vec<Value>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn answers(nights: &Nights, engine: &str, page: &str, psql: &[&str]) -> PageAnswers {
    let mut command = Command::new(python());
    command.arg(root().join("tests/program/support/answers.py")).arg(engine).arg(root().join(page));
    command.arg(digest_of("linux/arm64", "web-arm64")).args(psql).current_dir(nights.place.path("."));
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each question has to be answered with.
fn expected(nights: &Nights) -> PageAnswers {
    let (first, second) = (digest_of("linux/amd64", "api-1"), digest_of("linux/amd64", "api-2"));
    let (web, indexer) = (digest_of_index(), digest_of("linux/amd64", "indexer-1"));
    let old = digest_of("linux/amd64", "old");
    let [day0, day1, day2, day3, day4] = &nights.dates[..] else { panic!("{:?}", nights.dates) };
    let inventory = json!([
        ["quay", "payments/api", "complete", "2.0", second],
        ["quay", "payments/api", "complete", "latest", second],
        ["quay", "payments/web", "complete", "1.0", web],
        ["quay", "search/indexer", "complete", "1.0", indexer],
        ["quay", "search/indexer", "complete", "1.1", indexer],
    ]);
    let counts = json!([["repository", "removed", 1], ["tag", "added", 2], ["tag", "removed", 2]]);
    let changes = json!([
        ["quay", "search/indexer", "1.1", "added", null, indexer, day2],
        ["quay", "search/old", null, "removed", null, null, day2],
        ["quay", "search/old", "1.0", "removed", old, null, day2],
        ["quay", "payments/api", "1.0", "removed", first, null, day4],
        ["quay", "payments/api", "2.0", "added", null, second, day4],
    ]);
    // The base layer of 1000 bytes is in every image; each image has one of 234 of its own.
    let storage = json!([["quay", "payments", 1000 + 3 * 234, 3 * 234], ["quay", "search", 1000 + 234, 234]]);
    let built = "2026-01-02";
    let mut incomplete: Vec<_> = days_between(day0, day4)
        .into_iter()
        .filter(|day| !nights.dates.contains(day))
        .map(|day| json!(["quay", day, "no run", null]))
        .collect();
    incomplete.push(json!(["quay", day1, "gaps", "reason"]));
    incomplete.push(json!(["quay", day3, "unsupported", "reason"]));
    incomplete.sort_by_key(|row| row[1].as_str().unwrap().to_owned());
    [
        ("The current inventory", vec![json!([["quay", 3]]), inventory]),
        ("What changed this week", vec![counts, changes]),
        ("The history of a tag", vec![json!([[first, day0, day1], [second, day1, null]])]),
        ("Storage by team", vec![storage]),
        ("Where a digest is deployed from", vec![json!([["quay", "payments/web", "1.0"]])]),
        (
            "Stale tags",
            vec![json!([["quay", "payments/web", "1.0", day0, built], ["quay", "search/indexer", "1.0", day0, built]])],
        ),
        ("Incomplete nights", vec![json!(incomplete)]),
    ]
    .into_iter()
    .map(|(heading, answers)| (heading.to_owned(), answers))
    .collect()
}

fn days_between(first: &str, last: &str) -> Vec<String> {
    let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap();
    day(first).iter_days().take_while(|at| *at <= day(last)).map(|at| at.to_string()).collect()
}

/// The nights, with `reason` for each reason: it is words for people, and only has to be the right one.
fn without_words(page: &str, mut nights: Value) -> Value {
    for row in nights.as_array_mut().unwrap() {
        if let Some(reason) = row[3].as_str() {
            let words = if row[2] == "gaps" { "1 of 4 repositories could not be read" } else { "catalog" };
            assert!(reason.contains(words), "{page}: {reason}");
            row[3] = json!("reason");
        }
    }
    nights
}

fn answer_as_expected(page: &str, mut found: PageAnswers, nights: &Nights) {
    for (heading, expected) in expected(nights) {
        let mut found = found.remove(&heading).unwrap_or_else(|| panic!("{page} does not answer {heading:?}"));
        if heading == "Incomplete nights" {
            found = found.into_iter().map(|nights| without_words(page, nights)).collect();
        }
        assert_eq!(json!(found), json!(expected), "{page}: {heading}");
    }
    assert!(found.is_empty(), "{page}: unexpected answers: {found:?}");
}

/// The rows of all dbt models, each sorted.
async fn models(nights: &Nights, engine: &str, psql: &[&str]) -> BTreeMap<String, Value> {
    let mut command = Command::new(python());
    command.arg(root().join("tests/program/support/dbt_models.py")).arg(root().join("docs/sql/dbt")).arg(engine);
    let output = command.args(psql).current_dir(nights.place.path(".")).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The model of each question, and which of the question's queries it answers.
const MODELS: [(&str, &str, usize); 6] = [
    ("current_inventory", "The current inventory", 1),
    ("changed_this_week", "What changed this week", 1),
    ("storage_by_team", "Storage by team", 0),
    ("stale_tags", "Stale tags", 0),
    ("incomplete_nights", "Incomplete nights", 0),
    ("tag_history", "The history of a tag", 0),
];

async fn models_answer_as_expected(nights: &Nights, engine: &str, psql: &[&str]) {
    // A view has no order.
    let sorted = |rows: &Value| {
        let mut rows = rows.as_array().unwrap().clone();
        rows.sort_by_key(Value::to_string);
        rows
    };
    let (models, expected) = (models(nights, engine, psql).await, expected(nights));
    for (model, heading, query) in MODELS {
        let mut rows = models[model].clone();
        if model == "tag_history" {
            let of_tag = rows.as_array().unwrap().iter().filter(|row| row[1] == "payments/api" && row[2] == "latest");
            rows = of_tag.map(|row| json!(row.as_array().unwrap()[3..])).collect();
        }
        if model == "incomplete_nights" {
            rows = without_words(model, rows);
        }
        assert_eq!(sorted(&rows), sorted(&expected[heading][query]), "{model} for {engine}");
    }
    let arm = json!(digest_of("linux/arm64", "web-arm64"));
    let deployed = models["tag_digests"].as_array().unwrap().iter().filter(|row| row[3] == arm);
    let deployed: Vec<_> = deployed.map(|row| json!(row.as_array().unwrap()[..3])).collect();
    assert_eq!(json!(deployed), expected["Where a digest is deployed from"][0], "{engine}");
    for staged in ["stg_layers", "stg_manifests", "stg_tag_nights", "stg_runs", "stg_repositories"] {
        assert!(models[staged].as_array().unwrap().len() > 2, "{staged} for {engine}");
    }
}

#[tokio::test]
async fn the_queries_for_files_answer_with_duckdb_and_polars() {
    let nights = taken(PARQUET).await;
    for (engine, page) in [("duckdb", "docs/sql/duckdb.md"), ("polars", "docs/sql/polars.md")] {
        answer_as_expected(page, answers(&nights, engine, page, &[]).await, &nights);
    }
    models_answer_as_expected(&nights, "duckdb", &[]).await;
}

#[tokio::test]
async fn the_queries_for_postgres_answer_on_a_real_server() {
    let server = TestServer::start();
    let database = server.database();
    let url = server.url("postgres", &database);
    let nights = taken(&format!("{PARQUET}\n  tables: {{type: postgres, url: '{url}', keep: 60}}")).await;
    let psql = ["-d", url.as_str()];
    answer_as_expected(
        "docs/sql/postgres.md",
        answers(&nights, "postgres", "docs/sql/postgres.md", &psql).await,
        &nights,
    );
    models_answer_as_expected(&nights, "postgres", &psql).await;
}
