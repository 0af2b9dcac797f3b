//! The pages of the project: their links lead somewhere, their queries run, they are as long and as wide as agreed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fake_registry::{FakeContents, FakeRegistry, RepositoryNames, Script};
use serde_json::{Value, json};
use tokio::process::Command;

use super::layers::root;
use crate::support::program::{Workplace, one_registry};
use crate::support::python;

fn pages_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

fn pages_of_docs() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    pages_below(&root().join("docs"), &mut pages);
    assert!(pages.len() > 30, "the test sees pages: {pages:?}");
    pages
}

/// All pages, by path.
fn pages() -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    top.iter().map(|name| root().join(name)).chain(pages_of_docs()).collect()
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap()
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The targets of the links of a page; what is in code is no link.
fn links(text: &str) -> Vec<String> {
    let bare = prose(text).map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("`"));
    let bare = bare.collect::<Vec<_>>().join("\n");
    bare.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of a page's headings, as hosts of repositories and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut checked = 0;
    for page in pages() {
        let text = read(&page);
        for link in links(&text).iter().filter(|link| !link.starts_with("https://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{} links to {link}, which does not exist", page.display());
            let found = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
            assert!(found, "{} links to {link}, and there is no such heading", page.display());
            let docs = root().join("docs").canonicalize().unwrap();
            let leaves = page.starts_with(&docs) && !target.canonicalize().unwrap().starts_with(&docs);
            assert!(!leaves, "{} links to {link}, which is not in the book", page.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "the test sees links: {checked}");
}

#[test]
fn the_reader_of_links_sees_what_it_should() {
    let page = "# One `two`, three\n[a](b.md#c) and `[x](y)`\n```\n[code](z)\n# no heading\n```\n[d](#one-two-three)";
    assert_eq!(links(page), ["b.md#c", "#one-two-three"]);
    assert_eq!(anchors(page), BTreeSet::from(["one-two-three".to_owned()]));
}

#[test]
fn every_page_of_docs_is_in_the_book() {
    let docs = root().join("docs");
    let named: BTreeSet<_> = links(&read(&docs.join("SUMMARY.md"))).into_iter().collect();
    let there = pages_of_docs().into_iter().map(|page| page.strip_prefix(&docs).unwrap().display().to_string());
    let there: BTreeSet<_> = there.filter(|page| page != "SUMMARY.md").collect();
    assert_eq!(named, there);
}

#[test]
fn every_decision_is_in_the_index_with_its_title_date_and_status() {
    let directory = root().join("docs/adr");
    let index = read(&directory.join("README.md"));
    for page in pages_of_docs().iter().filter(|page| page.starts_with(&directory) && !page.ends_with("README.md")) {
        let (text, name) = (read(page), page.file_name().unwrap().to_str().unwrap());
        let line = |prefix: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(prefix));
            line.unwrap_or_else(|| panic!("{name} has no line {prefix:?}"))
        };
        let (number, title) = line("# ").split_once(": ").unwrap();
        let row = format!("| [{number}]({name}) | {title} | {} | {} |", line("- Date: "), line("- Status: "));
        assert!(name.starts_with(&format!("{number}-")), "{name} has the number {number}");
        assert!(index.contains(&row), "docs/adr/README.md has no row {row}");
        for heading in ["Context", "Considered", "Decision", "Consequences"] {
            assert!(text.contains(&format!("\n## {heading}\n")), "{name} has no section {heading}");
        }
    }
}

#[test]
fn pages_are_not_wider_than_120_columns_and_the_readme_is_not_longer_than_150_lines() {
    assert!(read(&root().join("README.md")).lines().count() < 150);
    for page in pages() {
        let text = read(&page);
        // What is generated has one paragraph a line.
        let written =
            text.split("<!-- generated: begin -->").filter_map(|part| part.rsplit("<!-- generated: end -->").next());
        for line in written.flat_map(prose) {
            let is_free = line.starts_with('|') || line.contains("](");
            assert!(is_free || line.chars().count() <= 120, "{}: wrap this line: {line}", page.display());
        }
    }
}

/// The rows of each query of a page, run in this place.
async fn answers(place: &Workplace, page: &str) -> Vec<Value> {
    let mut command = Command::new(python());
    command.arg(root().join("tests/program/support/queries.py")).arg(root().join(page)).current_dir(place.path("."));
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A place with two nights of the demo, the second with fewer repositories.
async fn two_nights_of_the_demo() -> Workplace {
    let place = Workplace::new();
    for count in ["100", "60"] {
        place.run(&["demo", "--repositories", count]).await.exits(0);
    }
    place
}

#[tokio::test]
async fn the_queries_of_the_readme_answer_on_the_data_of_the_demo() {
    let answers = answers(&two_nights_of_the_demo().await, "README.md").await;
    assert_eq!(answers.len(), 5, "{answers:?}");
    // Not 160: the current inventory is one night.
    assert_eq!(answers[0], json!([["demo", 60]]));
    assert!(!answers[1].as_array().unwrap().is_empty());
    let changes = answers[2].as_array().unwrap();
    assert_eq!(changes.len(), 40);
    assert!(changes.iter().all(|row| row[2] == "removed" && row[3] == "registry"), "{changes:?}");
    assert_eq!(answers[3], json!([]));
    let runs = answers[4].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|row| (&row[1], &row[2])).collect::<Vec<_>>(),
        [(&json!("complete"), &json!(60)), (&json!("complete"), &json!(100))]
    );
}

#[tokio::test]
async fn the_queries_about_tags_and_manifests_find_what_moved() {
    let place = two_nights_of_the_demo().await;
    for salt in ["first", "second"] {
        let moved = |app: &mut fake_registry::Holding| {
            let image = app.image("linux/amd64", salt);
            app.tag_as("latest", &image);
        };
        let contents = FakeContents::uniform(1).with("acme/moves", moved);
        let names: Vec<_> = RepositoryNames::generated(20, 1).iter().map(str::to_owned).collect();
        let names: Vec<_> = names.into_iter().chain(["acme/moves".to_owned()]).collect();
        let registry = FakeRegistry::start(Script { contents, ..Script::open(names.as_slice()) }).await.unwrap();
        place.configure(&one_registry(&registry.url(), "    depth: manifests\n"));
        place.run(&["run"]).await.exits(0);
    }
    let answers = answers(&place, "docs/reading-the-data.md").await;
    assert_eq!(answers.len(), 5, "{answers:?}");
    assert_eq!((&answers[0], &answers[2]), (&json!([]), &json!([])));
    // Not 160: `latest/` has one night.
    assert_eq!(answers[1], json!([["demo", 60]]));
    assert_eq!(answers[3].as_array().unwrap().len(), 10);
    let moved = answers[4].as_array().unwrap();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!((&moved[0][1], &moved[0][2]), (&json!("acme/moves"), &json!("latest")));
    assert_ne!(moved[0][3], moved[0][4]);
}
