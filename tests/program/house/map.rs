//! ARCHITECTURE.md against the tree: what it names in code type exists.

use std::fs;
use std::path::{Path, PathBuf};

use super::layers::{root, rust_files};

/// What stands between backticks, outside of code blocks.
fn code_type(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let places = ["crates", "src", "sinks"].map(|place| root().join(place));
    let files = places.iter().flat_map(|place| rust_files(place));
    files.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn is_word(text: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].chars().next_back().is_some_and(part) && !text[at + length..].chars().next().is_some_and(part)
}

/// Whether one of these files declares `name`, or is the module of that name.
fn declares(files: &[&(PathBuf, String)], name: &str) -> bool {
    let kinds = ["fn", "struct", "enum", "trait", "type", "const"];
    files.iter().any(|(path, text)| {
        kinds.iter().any(|kind| {
            let declaration = format!("{kind} {name}");
            text.match_indices(&declaration).any(|(at, _)| is_word(text, at, declaration.len()))
        }) || path.components().any(|part| Path::new(part.as_os_str()).file_stem().is_some_and(|stem| stem == name))
    })
}

/// Whether `a::b` exists: `b` is declared, and in a file that also declares `a`, or in one of the room `a`.
fn exists(sources: &[(PathBuf, String)], path: &str) -> bool {
    let names: Vec<_> = path.split("::").collect();
    let Some((last, owners)) = names.split_last() else { return false };
    let mut files: Vec<_> = sources.iter().collect();
    for owner in owners {
        match *owner {
            // The crate of the ground floor has its directory's name in the map.
            "stocktake_sink" => files.retain(|(path, _)| path.starts_with(root().join("sinks/api"))),
            "registry" => files.retain(|(path, _)| path.starts_with(root().join("crates/registry-client"))),
            owner => files.retain(|file| declares(&[*file], owner)),
        }
    }
    declares(&files, last)
}

#[test]
fn every_name_in_the_architecture_exists() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let sources = sources();
    let (mut names, mut places) = (0, 0);
    for code in code_type(&page) {
        let is_path = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if code.contains("::") && code.split("::").all(is_path) {
            assert!(exists(&sources, code), "ARCHITECTURE.md names `{code}`, which does not exist");
            names += 1;
        } else if ["crates/", "src/", "sinks/", "tests/"].iter().any(|top| code.starts_with(top)) && !code.contains('*')
        {
            assert!(root().join(code).exists(), "ARCHITECTURE.md names `{code}`, which does not exist");
            places += 1;
        }
    }
    assert!(names > 25 && places > 15, "the test sees names and places: {names}, {places}");
}

#[test]
fn every_room_is_on_the_map() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let room = name.trim_end_matches(".rs").trim_end_matches("_tests").to_owned();
        let told = [format!("`src/{room}.rs`"), format!("`src/{room}/`")].iter().any(|place| page.contains(place));
        assert!(["lib", "tests"].contains(&room.as_str()) || told, "src/{name} is not on the map of ARCHITECTURE.md");
    }
}

#[test]
fn the_reader_of_this_test_tells_what_is_there_from_what_is_not() {
    let sources = sources();
    for there in ["Run::publish", "run::Plan", "stocktake_sink::durable", "run::verdict::judge", "plans::plans"] {
        assert!(exists(&sources, there), "{there}");
    }
    for gone in ["cli::run::plans", "Run::deliver_all", "walk::Ledge"] {
        assert!(!exists(&sources, gone), "{gone}");
    }
}
