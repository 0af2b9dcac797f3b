//! `docs/bounds.md` against the source: each bound that it names is there, and each number of the rooms that read, keep and
//! publish data is on it. A bound that is not on the page is how data vanish without a word.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use stocktake::registry::Odd;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/bounds.md")).unwrap()
}

/// `(file, name)` of all that the page names: `` `NAME` in `file` ``, or `` `file`: `NAME`, `NAME` ``.
fn on_the_page(page: &str) -> BTreeSet<(String, String)> {
    let mut named = BTreeSet::new();
    for line in page.lines() {
        let words: Vec<_> = line.split('`').collect();
        let mut file = None;
        for (at, word) in words.iter().enumerate().filter(|(at, _)| at % 2 == 1) {
            if ["src/", "crates/", "sinks/"].iter().any(|top| word.starts_with(top)) {
                file = Some(*word);
                if words[at - 1] == " in " {
                    named.insert(((*word).to_owned(), words[at - 2].to_owned()));
                }
            } else if let Some(file) = file.filter(|_| [": ", ", "].contains(&words[at - 1])) {
                named.insert((file.to_owned(), (*word).to_owned()));
            }
        }
    }
    named
}

/// The counts, sizes and ranges that a file names as constants, its tests left out.
fn constants(text: &str) -> BTreeSet<String> {
    let own = text.split("#[cfg(test)]").next().unwrap_or_default();
    let constant = |line: &str| {
        let line = line.trim_start();
        let line =
            ["pub(super) ", "pub(crate) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
        let (name, rest) = line.strip_prefix("const ")?.split_once(": ")?;
        let kind = rest.split(['=', ';']).next().unwrap_or_default().trim();
        let counts = ["usize", "u64", "u32", "i64", "i32", "Bounds"].contains(&kind);
        let ranges = kind.contains("Range") || rest.contains("packed:");
        (counts || ranges).then(|| name.to_owned())
    };
    own.lines().filter_map(constant).collect()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_bound_that_the_page_names_is_in_the_source() {
    let named = on_the_page(&page());
    assert!(named.len() > 40, "{named:?}");
    for (file, name) in named {
        let text = fs::read_to_string(root().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let there = constants(&text).contains(&name)
            || text.contains(&format!("fn {name}("))
            || text.contains(&format!("const {name}: "));
        assert!(there, "docs/bounds.md names `{name}` in `{file}`, and it is not there");
    }
}

#[test]
fn every_number_of_what_reads_and_keeps_data_is_on_the_page() {
    let (page, mut files) = (on_the_page(&page()), Vec::new());
    for room in ["crates/registry-client/src", "crates/store/src", "src/discovery", "src/walk", "src/snapshot"] {
        sources(&root().join(room), &mut files);
    }
    let mut missing = Vec::new();
    for path in files {
        let file = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        for name in constants(&fs::read_to_string(&path).unwrap()) {
            if !page.contains(&(file.clone(), name.clone())) {
                missing.push(format!("`{name}` in `{file}`"));
            }
        }
    }
    assert!(missing.is_empty(), "say in docs/bounds.md what happens at {}", missing.join(", "));
}

#[test]
fn every_note_of_a_row_is_explained() {
    let page = page();
    for odd in Odd::ALL {
        assert!(page.contains(&format!("| `{}` | ", odd.as_str())), "{}", odd.as_str());
    }
}
