//! A reader of imports: which paths a Rust file names, in `use` declarations and in its code. It knows no types, and
//! needs none: paths that begin with `crate`, `self`, `super` or a child module tell which file is meant.

/// A path that a file names: `["super", "known", "Known"]`.
pub(super) type ModulePath = Vec<String>;

/// One name that a `use` declaration brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// Where the name comes from. `use a::b::{self}` gives `a::b`; a glob ends with `*`.
    pub(super) path: ModulePath,
    /// What it is called from here on: its alias, or the last part of its path.
    pub(super) name: String,
    /// Whether others may import it from here, which `pub use` of any visibility allows.
    pub(super) is_exported: bool,
}

/// The code of a file without its comments, texts, and everything behind `#[cfg(test)]`.
pub(super) fn code(text: &str) -> String {
    without_tests(&without_texts(text))
}

/// Blanks comments, string literals and character literals.
pub(super) fn without_texts(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut code, mut here) = (String::new(), 0);
    while here < chars.len() {
        let (c, next) = (at(here), at(here + 1));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let begins_word = here == 0 || !is_word(at(here - 1));
        let end = match c {
            '/' if next == '/' => (here..chars.len()).find(|&i| at(i) == '\n').unwrap_or(chars.len()),
            '/' if next == '*' => end_of_comment(&chars, here),
            '"' => end_of_text(&chars, here + 1),
            'r' if begins_word && (next == '"' || next == '#') => end_of_raw_text(&chars, here + 1),
            'b' if begins_word && next == 'r' && ['"', '#'].contains(&at(here + 2)) => {
                end_of_raw_text(&chars, here + 2)
            }
            '\'' if next == '\\' => (here + 3..chars.len()).find(|&i| at(i) == '\'').map_or(chars.len(), |i| i + 1),
            '\'' if at(here + 2) == '\'' => here + 3,
            _ => here,
        };
        if end == here {
            code.push(c);
            here += 1;
        } else {
            code.push(' ');
            here = end;
        }
    }
    code
}

fn end_of_comment(chars: &[char], begin: usize) -> usize {
    let (mut depth, mut here) = (0, begin);
    while here + 1 < chars.len() {
        match (chars[here], chars[here + 1]) {
            ('/', '*') => (depth, here) = (depth + 1, here + 2),
            ('*', '/') => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    chars.len()
}

fn end_of_text(chars: &[char], begin: usize) -> usize {
    let mut here = begin;
    while here < chars.len() {
        match chars[here] {
            '\\' => here += 2,
            '"' => return here + 1,
            _ => here += 1,
        }
    }
    chars.len()
}

/// The end of `#"…"#`, which begins at `begin`; `begin` less one where it is a raw identifier, `r#type`.
fn end_of_raw_text(chars: &[char], begin: usize) -> usize {
    let hashes = chars[begin..].iter().take_while(|c| **c == '#').count();
    if chars.get(begin + hashes) != Some(&'"') {
        return begin - 1;
    }
    let closes =
        |&at: &usize| chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (begin + hashes + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

/// Leaves out each item behind `#[cfg(test)]`: up to its `;`, or the block that it ends with.
fn without_tests(code: &str) -> String {
    let (mut left, mut rest) = (String::new(), code);
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        left.push_str(before);
        let mut depth = 0;
        let end = after.char_indices().find_map(|(at, c)| {
            depth += match c {
                '{' | '(' | '[' => 1,
                '}' | ')' | ']' => -1,
                _ => 0,
            };
            (depth == 0 && (c == ';' || c == '}')).then_some(at + 1)
        });
        rest = &after[end.unwrap_or(after.len())..];
    }
    left + rest
}

/// What the `use` declarations of such code bring in, and the code without them.
pub(super) fn imports(code: &str) -> (Vec<Import>, String) {
    let (mut imports, mut left, mut rest) = (Vec::new(), String::new(), code);
    while let Some(at) = next_word(rest, "use") {
        let (before, after) = (&rest[..at], &rest[at + 3..]);
        let Some((tree, after)) = after.split_once(';') else { break };
        let statement = before.rsplit([';', '}', '{', ']']).next().unwrap_or_default().trim();
        let is_exported = statement.starts_with("pub");
        for (path, alias) in leaves(tree) {
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            imports.push(Import { path, name, is_exported });
        }
        left.push_str(before);
        rest = after;
    }
    (imports, left + rest)
}

/// Where `word` stands on its own for the first time.
fn next_word(code: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
    code.match_indices(word).map(|(at, _)| at).find(|at| {
        let (before, after) = (code[..*at].chars().next_back(), code[at + word.len()..].chars().next());
        !before.is_some_and(part) && after.is_some_and(|c| c.is_whitespace() || c == ':' || c == '{')
    })
}

/// The paths of a tree, with their aliases: `a::{b, c::{self, D as E}}` gives `a::b`, `a::c` and `a::c::D` as `E`.
fn leaves(tree: &str) -> Vec<(ModulePath, Option<String>)> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        return vec![(names(path), alias.map(str::to_owned))];
    };
    let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut begin, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    let prefix = names(prefix);
    let of_part = |part: &&str| {
        leaves(part).into_iter().map(|(path, alias)| {
            let own = path.into_iter().filter(|name| name != "self" || prefix.is_empty());
            (prefix.iter().cloned().chain(own).collect::<ModulePath>(), alias)
        })
    };
    parts.iter().filter(|part| !part.trim().is_empty()).flat_map(of_part).collect()
}

fn names(path: &str) -> ModulePath {
    path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The paths in code that begin with `crate`, `self`, `super` or one of these modules: `super::x::y()`, `child::f()`.
pub(super) fn paths(code: &str, modules: &[String]) -> Vec<ModulePath> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut here = 0;
    while let Some(begin) = code[here..].find(is_word).map(|at| here + at) {
        let end = |from: usize| code[from..].find(|c| !is_word(c)).map_or(code.len(), |at| from + at);
        let before = code[..begin].trim_end();
        let mut stop = end(begin);
        let first = &code[begin..stop];
        let is_first = !before.ends_with("::") && !before.ends_with('.');
        let mut path = vec![first.to_owned()];
        while let Some(after) = code[stop..].strip_prefix("::").filter(|after| after.starts_with(is_word)) {
            let next = code.len() - after.len();
            stop = end(next);
            path.push(code[next..stop].to_owned());
        }
        let begins = ["crate", "self", "super"].contains(&first) || modules.iter().any(|module| module == first);
        if is_first && begins && path.len() > 1 {
            found.push(path);
        }
        here = stop;
    }
    found
}

fn all(text: &str) -> Vec<String> {
    let (imports, _) = imports(&code(text));
    let shown = |one: Import| {
        let exported = if one.is_exported { "pub " } else { "" };
        format!("{exported}{} as {}", one.path.join("::"), one.name)
    };
    imports.into_iter().map(shown).collect()
}

#[test]
fn trees_of_use_declarations_are_read_to_their_leaves() {
    for (text, expected) in [
        ("use super::a;", &["super::a as a"][..]),
        (
            "use crate::{a, b::{self, C, d::{E as F, *}}};",
            &["crate::a as a", "crate::b as b", "crate::b::C as C", "crate::b::d::E as F", "crate::b::d::* as *"],
        ),
        ("use super::super::x::Y as _;", &["super::super::x::Y as _"]),
        (
            "pub(super) use self::deep::{\n    One,\n    Two,\n};",
            &["pub self::deep::One as One", "pub self::deep::Two as Two"],
        ),
        ("#[allow(x)]\npub use a::B;\nuse c::D;", &["pub a::B as B", "c::D as D"]),
        ("// use a::B;\n/* use c::D; /* */ use e::F; */ let s = \"use g::H;\"; let r = r#\"use i::\"J;\"#;", &[]),
        ("let c = '\"'; use a::B; let d = '\\''; fn f<'a>(x: &'a str) {} use c::D;", &["a::B as B", "c::D as D"]),
        (
            "use a::B;\n#[cfg(test)]\nmod tests {\n    use c::D;\n    fn f() {}\n}\nuse e::F;",
            &["a::B as B", "e::F as F"],
        ),
        ("#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\nuse a::B;", &["a::B as B"]),
        ("let reuse = 1; let use_it = 2; let r#use = 3;", &[]),
    ] {
        assert_eq!(all(text), expected, "{text}");
    }
}

#[test]
fn paths_in_code_are_read_where_they_begin() {
    let text = "fn f() { super::super::x::y(); crate::a::B::new(); child::g::<super::T>(); other::child::h(); \
                self.x.child(); self::own(); let child = 1; std::mem::take() } pub(super) fn g() {}";
    let found: Vec<_> = paths(&code(text), &["child".to_owned()]).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["super::super::x::y", "crate::a::B::new", "child::g", "super::T", "self::own"]);
}
