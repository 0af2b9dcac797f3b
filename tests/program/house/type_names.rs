//! Names of types: a reader should understand a name without its path. So no other type has the name of a public one, and at
//! most two private types have the same name. Associated types are left out, because a trait sets their names.

use std::collections::BTreeMap;
use std::fs;

use super::imports::without_texts;
use super::layers::{root, rust_files};

/// A type that a file declares.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DeclaredType {
    name: String,
    is_public: bool,
}

/// The types that a file declares. The source is formatted, so a `type` inside of an `impl` or `trait` is indented.
fn declared(text: &str) -> Vec<DeclaredType> {
    without_texts(text).lines().filter_map(declared_in).collect()
}

fn declared_in(line: &str) -> Option<DeclaredType> {
    let item = line.trim_start();
    let is_indented = item.len() < line.len();
    let (visibility, item) = match item.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?,
        Some(rest) if rest.starts_with(' ') => ("pub", rest.trim_start()),
        _ => ("", item),
    };
    let (keyword, rest) = item.split_once(' ')?;
    let is_type = match keyword {
        "struct" | "enum" | "union" | "trait" => true,
        "type" => !is_indented,
        _ => false,
    };
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (is_type && !name.is_empty()).then(|| DeclaredType { name, is_public: visibility == "pub" })
}

/// Problems with the names that these files declare. Each is a line of text.
fn ambiguous<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut by_name: BTreeMap<String, (bool, Vec<&str>)> = BTreeMap::new();
    for (path, text) in files {
        for DeclaredType { name, is_public } in declared(text) {
            let (has_public, paths) = by_name.entry(name).or_default();
            *has_public |= is_public;
            paths.push(path);
        }
    }
    let ambiguous = by_name.iter().filter(|(_, (has_public, paths))| paths.len() > if *has_public { 1 } else { 2 });
    ambiguous.map(|(name, (_, paths))| format!("{name}: {}", paths.join(", "))).collect()
}

#[test]
fn a_public_type_has_a_name_of_its_own_and_at_most_two_private_types_share_one() {
    let folders = ["src", "sinks", "crates", "benches", "tests"].map(|folder| root().join(folder));
    let files: Vec<(String, String)> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .map(|path| (path.strip_prefix(root()).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    let files = || files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let count: usize = files().map(|(_, text)| declared(text).len()).sum();
    assert!(count > 400, "the test sees declarations of types: {count}");
    let ambiguous = ambiguous(files());
    assert!(ambiguous.is_empty(), "give these types different names:\n{}", ambiguous.join("\n"));
}

#[test]
fn types_are_seen_at_every_visibility_and_associated_types_are_not() {
    let text = "pub struct A<T>(T);\npub(crate) enum B {}\ntype C = u8;\n// struct No;\nconst T: &str = \"struct No;\";\n\
                impl Iterator for A {\n    type Item = u8;\n}\nfn f() {\n    struct D;\n}\npub(in crate::a) trait E: F {}\n";
    let seen: Vec<_> = declared(text).into_iter().map(|seen| (seen.name, seen.is_public)).collect();
    let names = [("A", true), ("B", false), ("C", false), ("D", false), ("E", false)];
    assert_eq!(seen, names.map(|(name, is_public)| (name.to_owned(), is_public)));
}

#[test]
fn a_twin_of_a_public_type_and_a_third_private_type_are_reported() {
    let files =
        [("a", "pub struct Public;\nstruct Two;\nstruct Three;"), ("b", "struct Public;\nenum Two {}"), ("c", "")];
    let third = [("d", "trait Three {}"), ("e", "type Three = ();")];
    assert_eq!(ambiguous(files), ["Public: a, b"]);
    assert_eq!(ambiguous(files.into_iter().chain(third)), ["Public: a, b", "Three: a, d, e"]);
}
