//! The rules of ARCHITECTURE.md that a machine can hold: who may import whom, how long a file may be, what is
//! forbidden.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each room of `src/` may import of the others. `cli` and `main` stand above all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("clock", &[]),
    ("discovery", &["registry"]),
    ("snapshot", &["words"]),
    ("walk", &["clock", "discovery", "registry", "snapshot", "words"]),
    ("state", &["snapshot"]),
    ("run", &["clock", "discovery", "registry", "snapshot", "state", "walk", "words"]),
    ("check", &["clock", "discovery", "registry", "run", "state"]),
    ("sinks", &["registry"]),
    ("config", &["discovery", "registry", "schedule", "sinks", "snapshot", "walk", "web"]),
    ("plans", &["config", "registry", "run"]),
    ("published", &[]),
    ("preflight", &["config", "registry", "state", "web"]),
    ("descriptors", &["run", "snapshot", "web"]),
    ("schedule", &[]),
    ("status", &["state", "words"]),
    ("metrics", &["registry", "run", "snapshot", "state", "status"]),
    ("web", &["registry", "snapshot", "state", "status", "words"]),
    (
        "daemon",
        &[
            "clock",
            "config",
            "descriptors",
            "metrics",
            "plans",
            "registry",
            "run",
            "schedule",
            "state",
            "status",
            "web",
            "words",
        ],
    ),
];

/// Crates that a room must not name, whatever else it may.
const MUST_NOT_NAME: &[(&str, &[&str])] = &[
    ("discovery", &["arrow", "reqwest"]),
    ("walk", &["arrow", "reqwest", "hyper"]),
    ("snapshot", &["reqwest", "hyper", "tokio"]),
    ("published", &["reqwest", "hyper", "tokio"]),
    ("run", &["arrow", "reqwest", "hyper"]),
    ("check", &["arrow", "reqwest", "hyper", "rustls"]),
    ("config", &["reqwest", "hyper", "tokio"]),
    ("schedule", &["tokio", "hyper", "tokio_cron_scheduler", "stocktake_sink"]),
    ("metrics", &["tokio", "hyper", "reqwest"]),
    ("web", &["reqwest"]),
    ("daemon", &["hyper", "reqwest", "maud"]),
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directories of `sinks/` that hold a concrete sink, or `objects`, which is out of sight like one.
fn concrete_sinks() -> Vec<String> {
    let entries = fs::read_dir(root().join("sinks")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "api");
    assert!(names.len() > 3, "the test sees sinks: {names:?}");
    names
}

pub(crate) fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests" || stem.to_string_lossy().ends_with("_tests"))
        || path.components().any(|c| c.as_os_str() == "tests")
}

/// The code of a file: no comments, and nothing from its test module on.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The rooms of `src/` with the code of their files.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let mut rooms: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    let src = root().join("src");
    for path in rust_files(&src) {
        if is_test(path.strip_prefix(&src).unwrap()) {
            continue;
        }
        let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
        let room = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let code = code(&path);
        rooms.entry(room).or_default().push((path, code));
    }
    rooms
}

/// The words that follow `prefix` wherever it stands on its own: `crate::{a, b::c}` gives `a` and `b`.
fn named_after<'c>(code: &'c str, prefix: &str) -> Vec<&'c str> {
    let word = |text: &'c str| text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let after = &code[at + prefix.len()..];
        match after.strip_prefix('{') {
            None => found.push(word(after)),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        c if begins && !c.is_whitespace() => {
                            found.push(word(&list[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// Whether code names a crate: its name as a whole word, followed by `::`.
fn names_crate(code: &str, name: &str) -> bool {
    let needle = format!("{name}::");
    code.match_indices(&needle).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[test]
fn the_readers_of_this_test_see_what_they_should() {
    let sample =
        "use crate::registry::{Client, Page};\nuse crate::{clock, walk::{self, Walked}};\narrow::x(); narrow::y()";
    assert_eq!(named_after(sample, "crate::"), ["registry", "clock", "walk"]);
    assert!(names_crate(sample, "arrow"));
    assert!(!names_crate("narrow::y()", "arrow"));
}

#[test]
fn rooms_import_only_from_the_floors_below() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut seen = 0;
    for (room, files) in rooms() {
        if ["cli", "main", "lib"].contains(&room.as_str()) {
            continue;
        }
        let may = allowed.get(room.as_str()).unwrap_or_else(|| panic!("room {room} is missing in MAY_IMPORT"));
        for (path, code) in files {
            for other in named_after(&code, "crate::") {
                seen += 1;
                assert!(other == room || may.contains(&other), "{} imports {other}", path.display());
            }
        }
    }
    assert!(seen > 30, "the test sees imports: {seen}");
}

#[test]
fn rooms_do_not_name_crates_they_must_not_know() {
    let rooms = rooms();
    for (room, crates) in MUST_NOT_NAME {
        for (path, code) in &rooms[*room] {
            for name in *crates {
                assert!(!names_crate(code, name), "{} names {name}", path.display());
            }
        }
    }
}

#[test]
fn only_the_list_of_kinds_names_concrete_sinks() {
    let sinks = concrete_sinks();
    for (room, files) in rooms() {
        for (path, code) in files {
            for sink in &sinks {
                let named = names_crate(&code, &format!("stocktake_sink_{sink}"));
                assert!(room == "sinks" || !named, "{} names {sink}", path.display());
            }
        }
    }
}

#[test]
fn sinks_see_only_the_ground_floor_and_objects() {
    let sinks = concrete_sinks();
    for sink in &sinks {
        for path in rust_files(&root().join("sinks").join(sink)) {
            let code = code(&path);
            assert!(!names_crate(&code, "stocktake"), "{} names the program", path.display());
            for other in sinks.iter().filter(|other| *other != sink && *other != "objects") {
                let named = names_crate(&code, &format!("stocktake_sink_{other}"));
                assert!(!named, "{} names {other}", path.display());
            }
        }
    }
}

fn dependencies(package: &str, features: &str) -> String {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", package, "--features", features])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap()
}

#[test]
fn the_ground_floor_is_light() {
    let tree = dependencies("stocktake-sink", "contract");
    assert!(tree.contains("arrow "), "the test sees the tree");
    for heavy in ["tokio ", "reqwest ", "hyper ", "mio ", "stocktake-sink-"] {
        assert!(!tree.lines().any(|line| line.starts_with(heavy)), "stocktake-sink depends on {heavy}");
    }
}

#[test]
fn the_registry_client_and_the_fake_registry_know_nothing_of_stocktake() {
    for (package, others) in [("registry-client", &["fake-registry "][..]), ("fake-registry", &["registry-client "])] {
        let tree = dependencies(package, "");
        assert!(tree.contains("tokio "), "the test sees the tree");
        for unwanted in ["arrow", "parquet", "serde-saphyr", "stocktake", "yaml"].iter().chain(others) {
            assert!(!tree.lines().any(|line| line.starts_with(unwanted)), "{package} depends on {unwanted}");
        }
    }
}

#[test]
fn no_file_of_ours_is_over_400_lines() {
    let mut checked = 0;
    for place in ["crates", "src", "sinks", "tests", "benches"] {
        for path in rust_files(&root().join(place)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "the test sees files: {checked}");
}

#[test]
fn every_crate_forbids_unsafe_and_the_ground_floor_denies_missing_docs() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let crates = ["crates", "sinks"].map(|place| fs::read_dir(root().join(place)).unwrap());
    let crates = crates.into_iter().flatten().map(|entry| entry.unwrap().path());
    for directory in crates.chain([root().to_owned(), root().join("benches")]) {
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} keeps the lints", directory.display());
    }
    let api = fs::read_to_string(root().join("sinks/api/src/lib.rs")).unwrap();
    assert!(api.contains("#![deny(missing_docs)]"));
}
