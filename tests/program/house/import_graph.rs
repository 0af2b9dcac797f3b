//! The import graph of the workspace: which file needs which, and that none needs itself by way of others. To print it:
//! `cargo test --test program import_graph -- --nocapture`.
//!
//! A name that `mod.rs` or `lib.rs` hands on counts as an import of the file that declares the name, and handing it on
//! is no import. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::imports::{Import, ModulePath, code, imports, paths};
use super::layers::{root, rust_files};

/// Rooms of `src/`, and other crates, whose files still import each other in circles. One that has none any more is
/// taken off.
const STILL_CIRCLES: &[&str] = &["sinks/stdout/src", "src/check", "src/cli"];

/// The files of one crate, by their module paths: `snapshot::merge` is `["snapshot", "merge"]`, `lib.rs` is `[]`.
#[derive(Default)]
struct CrateGraph {
    files: BTreeMap<ModulePath, SourceFile>,
}

#[derive(Default)]
struct SourceFile {
    /// `mod.rs`, `lib.rs` or `main.rs`: its names are those of its folder.
    is_folder: bool,
    code: String,
    imports: Vec<Import>,
}

impl CrateGraph {
    fn read(source: &Path) -> Self {
        let mut graph = Self::default();
        for path in rust_files(source) {
            let module = path.strip_prefix(source).unwrap().with_extension("");
            let mut module: ModulePath = module.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if !module.iter().any(|part| part == "tests" || part.ends_with("_tests")) {
                let is_folder = module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str()));
                // `main.rs` is a crate of its own, which imports `lib.rs` by the crate's name.
                module
                    .truncate(module.len() - usize::from(is_folder && module.last().is_none_or(|name| name != "main")));
                graph.add(module, is_folder, &fs::read_to_string(&path).unwrap());
            }
        }
        graph
    }

    fn add(&mut self, module: ModulePath, is_folder: bool, text: &str) {
        let (imports, code) = imports(&code(text));
        self.files.insert(module, SourceFile { is_folder, code, imports });
    }

    /// The graph of these files, for the samples.
    fn of(files: &[(&str, &str)]) -> Self {
        let mut graph = Self::default();
        for (path, text) in files {
            let folder = path.strip_suffix("mod").map(|folder| folder.trim_end_matches('/'));
            let module = folder.unwrap_or(path).split('/').filter(|part| !part.is_empty());
            graph.add(module.map(str::to_owned).collect(), folder.is_some(), text);
        }
        graph
    }

    /// The file that a path means, seen from `module`; none where it leads out of the crate.
    fn resolve(&self, module: &ModulePath, path: &[String], depth: u32) -> Option<ModulePath> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let (mut here, mut rest) = match path.first()?.as_str() {
            "crate" => (ModulePath::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module[..module.len().checked_sub(supers)?].to_vec(), &path[supers..]),
            // A child module, or a name that was imported: its own import tells where from.
            _ if self.child(module, &path[0]).is_some() => (module.clone(), path),
            _ => return None,
        };
        while let Some((child, after)) =
            rest.split_first().and_then(|(name, after)| Some((self.child(&here, name)?, after)))
        {
            (here, rest) = (child, after);
        }
        let named = rest.first().filter(|name| *name != "*");
        let handed_on = named.filter(|_| depth < 8).and_then(|name| self.handed_on(&here, name, depth));
        Some(handed_on.unwrap_or(here)).filter(|file| self.files.contains_key(file))
    }

    fn child(&self, module: &ModulePath, name: &str) -> Option<ModulePath> {
        let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
        self.files.contains_key(&child).then_some(child)
    }

    /// The file from which a module has a name that it does not declare itself.
    fn handed_on(&self, module: &ModulePath, name: &str, depth: u32) -> Option<ModulePath> {
        let file = self.files.get(module).filter(|file| !declares(&file.code, name))?;
        let by_name = file.imports.iter().find(|import| import.name == name);
        if let Some(import) = by_name {
            return self.resolve(module, &import.path, depth + 1);
        }
        let globs = file.imports.iter().filter(|import| import.name == "*");
        let sources = globs.filter_map(|import| self.resolve(module, &import.path, depth + 1));
        sources.into_iter().find_map(|source| {
            let declares = self.files.get(&source).is_some_and(|file| declares(&file.code, name));
            if declares { Some(source) } else { self.handed_on(&source, name, depth + 1) }
        })
    }

    /// The files that a file imports.
    fn needs(&self, module: &ModulePath) -> BTreeSet<ModulePath> {
        let file = &self.files[module];
        let used = file.imports.iter().filter(|import| !(file.is_folder && import.is_exported));
        let children: Vec<_> = self.files.keys().filter(|other| is_child(module, other)).collect();
        let children: Vec<_> = children.into_iter().filter_map(|child| child.last().cloned()).collect();
        let inline = paths(&file.code, &children);
        let all = used.map(|import| import.path.as_slice()).chain(inline.iter().map(Vec::as_slice));
        all.filter_map(|path| self.resolve(module, path, 0)).filter(|other| other != module).collect()
    }

    fn edges(&self) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
        self.files.keys().map(|module| (module.clone(), self.needs(module))).collect()
    }

    /// Imports between folders that lie beside each other. `src/` of the program itself is a list of rooms, each a
    /// folder or a file.
    fn folder_edges(&self, has_rooms: bool) -> BTreeMap<ModulePath, BTreeSet<ModulePath>> {
        let mut folders: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
        for (from, others) in self.edges() {
            for to in others {
                let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
                let is_folder = |file: &ModulePath| {
                    file.len() > shared + 1 || has_rooms && shared == 0 || self.files[file].is_folder
                };
                if from.len() > shared && to.len() > shared && is_folder(&from) && is_folder(&to) {
                    folders.entry(from[..=shared].to_vec()).or_default().insert(to[..=shared].to_vec());
                }
            }
        }
        folders
    }
}

fn is_child(module: &ModulePath, other: &ModulePath) -> bool {
    other.len() == module.len() + 1 && other.starts_with(module)
}

fn declares(code: &str, name: &str) -> bool {
    let words = ["struct", "enum", "trait", "type", "fn", "const", "static", "union", "mod", "macro_rules!"];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let ends = !code[at + name.len()..].starts_with(is_word);
        ends && code[..at].ends_with(char::is_whitespace)
            && words.iter().any(|word| code[..at].trim_end().ends_with(word))
    })
}

/// The nodes that reach each other, of those that reach any but themselves.
fn circles(edges: &BTreeMap<ModulePath, BTreeSet<ModulePath>>) -> Vec<Vec<ModulePath>> {
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        edges.keys().map(|from| (from, reachable(edges, from))).collect();
    let mut circles: Vec<Vec<ModulePath>> = Vec::new();
    for (from, others) in &reached {
        let circle: Vec<ModulePath> = others
            .iter()
            .filter(|to| reached.get(*to).is_some_and(|back| back.contains(*from)))
            .map(|&to| to.clone())
            .collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

fn reachable<'a>(edges: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>, from: &ModulePath) -> BTreeSet<&'a ModulePath> {
    let (mut reached, mut waiting) = (BTreeSet::new(), edges.get(from).into_iter().flatten().collect::<Vec<_>>());
    while let Some(next) = waiting.pop() {
        if reached.insert(next) {
            waiting.extend(edges.get(next).into_iter().flatten());
        }
    }
    reached
}

fn shown<'a>(files: impl IntoIterator<Item = &'a ModulePath>) -> String {
    let shown = |file: &ModulePath| if file.is_empty() { "lib".to_owned() } else { file.join("/") };
    files.into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// The `src` folders of all crates.
fn crates() -> Vec<PathBuf> {
    let mut sources = vec![root().join("src")];
    for place in ["sinks", "crates"] {
        let entries = fs::read_dir(root().join(place)).into_iter().flatten();
        sources.extend(entries.map(|entry| entry.unwrap().path().join("src")).filter(|source| source.is_dir()));
    }
    sources.sort();
    sources
}

#[test]
fn no_imports_go_in_a_circle() {
    let (mut wrong, mut needed, mut seen) = (Vec::new(), BTreeSet::new(), 0);
    for source in crates() {
        let graph = CrateGraph::read(&source);
        let place = source.strip_prefix(root()).unwrap().display().to_string();
        let edges = graph.edges();
        println!("{place}");
        for (file, others) in edges.iter().filter(|(_, others)| !others.is_empty()) {
            println!("  {} -> {}", shown([file]), shown(others));
            seen += others.len();
        }
        let long = circles(&edges).into_iter().filter(|circle| circle.len() > 2);
        let between = circles(&graph.folder_edges(place == "src"));
        for circle in long.chain(between) {
            let rooms: BTreeSet<_> = circle.iter().filter_map(|file| file.first().cloned()).collect();
            let room = match (place.as_str(), rooms.iter().next()) {
                ("src", Some(room)) if rooms.len() == 1 => format!("src/{room}"),
                _ => place.clone(),
            };
            if STILL_CIRCLES.contains(&room.as_str()) {
                needed.insert(room);
            } else {
                wrong.push(format!("{place}: {}", shown(&circle)));
            }
        }
    }
    assert!(wrong.is_empty(), "these import each other in a circle:\n{}", wrong.join("\n"));
    let idle: Vec<_> = STILL_CIRCLES.iter().filter(|room| !needed.contains(**room)).collect();
    assert!(idle.is_empty(), "these rooms have no circle any more, take them off STILL_CIRCLES: {idle:?}");
    assert!(seen > 300, "the test sees imports: {seen}");
}

/// What each file of a sample needs: `a/mod -> a/b`.
fn needs(files: &[(&str, &str)]) -> Vec<String> {
    let edges = CrateGraph::of(files).edges();
    let edges = edges.iter().filter(|(_, others)| !others.is_empty());
    edges.map(|(file, others)| format!("{} -> {}", shown([file]), shown(others))).collect()
}

#[test]
fn a_name_that_is_handed_on_is_an_import_of_the_file_that_declares_it() {
    let files = [
        ("mod", "pub mod a; pub mod b; pub use a::Deep;"),
        (
            "a/mod",
            "mod one; mod two; mod deep; pub use one::One; pub use deep::*; use two::Two as Second; pub struct Own;",
        ),
        ("a/one", "pub struct One; use super::Own;"),
        ("a/two", "use super::one; pub struct Two; fn f() { one::One; }"),
        ("a/deep/mod", "mod leaf; pub use leaf::Deep;"),
        ("a/deep/leaf", "pub struct Deep; fn f() { super::super::one::g() }"),
        ("b", "use crate::a::{One, Deep}; fn f() { crate::a::Second::new(); crate::Deep; std::mem::take() }"),
    ];
    assert_eq!(
        needs(&files),
        ["a -> a/two", "a/deep/leaf -> a/one", "a/one -> a", "a/two -> a/one", "b -> a/deep/leaf a/one a/two",]
    );
    assert_eq!(circles(&CrateGraph::of(&files).edges()).len(), 1, "a -> a/two -> a/one -> a");
}

#[test]
fn a_call_of_a_child_module_and_a_glob_of_a_parent_are_imports() {
    let files = [("a/mod", "mod b; pub struct X; fn f() { b::g() }"), ("a/b", "use super::*; pub fn g() {}")];
    assert_eq!(needs(&files), ["a -> a/b", "a/b -> a"]);
}

#[test]
fn circles_between_folders_are_seen_whatever_files_they_go_by() {
    let files = [
        ("a/mod", "mod x; mod y;"),
        ("a/x/mod", "mod one; mod two;"),
        ("a/x/one", "use crate::a::y::three::T;"),
        ("a/x/two", ""),
        ("a/y/mod", "pub mod three; mod four;"),
        ("a/y/three", "pub struct T;"),
        ("a/y/four", "use super::super::x::two;"),
        ("top", "use crate::a;"),
    ];
    let graph = CrateGraph::of(&files);
    assert!(circles(&graph.edges()).is_empty());
    let between: Vec<_> = circles(&graph.folder_edges(true)).iter().map(shown).collect();
    assert_eq!(between, ["a/x a/y"]);
}
