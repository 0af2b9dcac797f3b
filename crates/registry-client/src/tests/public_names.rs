//! The names that users of the crate see at its root.

use std::collections::BTreeSet;

const LIB: &str = include_str!("../lib.rs");
/// Most names at the root, beside the modules.
const MOST: usize = 45;

/// The names that a file's `pub use` declarations export.
fn exported(text: &str) -> Vec<&str> {
    let uses = text.split("\npub use ").skip(1).map(|rest| rest.split_once(';').expect("a declaration ends").0);
    let names = uses.flat_map(|path| {
        let (_, last) = path.rsplit_once("::{").or_else(|| path.rsplit_once("::")).expect("a path");
        last.trim_end_matches('}').split(',').map(str::trim)
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_root_has_at_most_45_names_and_two_modules() {
    let names = exported(LIB);
    assert!((30..=MOST).contains(&names.len()), "{} names: {names:?}", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "each name once");
    let modules: Vec<_> = LIB.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    assert_eq!(modules, ["api;", "examine;"]);
    let others =
        |line: &&str| line.starts_with("pub ") && !line.starts_with("pub use ") && !line.starts_with("pub mod ");
    assert_eq!(LIB.lines().find(others), None, "what is public is declared in a module");
}

#[test]
fn the_reader_of_exports_sees_what_it_should() {
    let text = "mod a;\npub use a::b::One;\npub use c::{\n    Two, Three,\n};\nuse d::Four;\npub use e::{Five};";
    assert_eq!(exported(text), ["One", "Two", "Three", "Five"]);
    assert!(exported("mod a;").is_empty());
}
