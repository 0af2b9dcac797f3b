//! The pages of `docs/sql`: every query runs on the nights of a registry that changes, and gives the rows that it should.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
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

/// Compares the answers; a reason of a night is words for people, and only has to be there.
fn answer_as_expected(page: &str, mut found: PageAnswers, nights: &Nights) {
    for row in found.get_mut("Incomplete nights").unwrap()[0].as_array_mut().unwrap() {
        if let Some(reason) = row[3].as_str() {
            let known = ["requested access to the resource is denied", "catalog"];
            assert!(known.iter().any(|words| reason.contains(words)), "{page}: {reason}");
            row[3] = json!("reason");
        }
    }
    for (heading, expected) in expected(nights) {
        let found = found.remove(&heading).unwrap_or_else(|| panic!("{page} does not answer {heading:?}"));
        assert_eq!(json!(found), json!(expected), "{page}: {heading}");
    }
    assert!(found.is_empty(), "{page}: answers that nobody expects: {found:?}");
}

#[tokio::test]
async fn the_queries_for_files_answer_with_duckdb_and_polars() {
    let nights = taken(PARQUET).await;
    for (engine, page) in [("duckdb", "docs/sql/duckdb.md"), ("polars", "docs/sql/polars.md")] {
        answer_as_expected(page, answers(&nights, engine, page, &[]).await, &nights);
    }
}
