//! Reads one page of names out of its JSON, into [`Names`] without a string for each name. Knows nothing of HTTP.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

use crate::grammar::{is_repository_name, is_tag};
use crate::model::names::Names;
use crate::problem::Problem;

/// A page size that every known registry accepts.
pub(crate) const MODEST: u32 = 100;
/// Invalid names that are kept of a page, to show them; all of them are counted.
pub(crate) const INVALID_KEPT: usize = 100;

/// Most entries of one page. Some servers return their whole list for any size, and a registry may have 200,000 names.
/// A longer page is 25 times as long as the largest that can be requested (`page_size: 10000`), and no registry's list:
/// eight million names fit into 30 KiB of gzip. A page of this length takes some 60 MiB of memory.
const MOST_ENTRIES: usize = 250_000;

/// What a page lists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListKind {
    /// `{"repositories": [...]}`
    Repositories,
    /// `{"name": "…", "tags": [...]}`
    Tags,
}

impl ListKind {
    fn word(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Tags => "tags",
        }
    }

    fn is_valid(self, name: &str) -> bool {
        match self {
            Self::Repositories => is_repository_name(name),
            Self::Tags => is_tag(name),
        }
    }
}

/// The names of a page, valid and invalid ones.
#[derive(Debug, Default)]
pub(crate) struct ListedNames {
    pub(crate) names: Names,
    /// The first of the names that break the grammar, as the server wrote them.
    pub(crate) invalid: Vec<String>,
    pub(crate) invalid_count: u64,
    /// For each of the names that break the grammar, how many valid names come before it.
    pub(crate) invalid_at: Vec<u32>,
    /// Whether the server wrote `null` where a list belongs.
    pub(crate) null: bool,
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadPage {
    /// It is not a list of names.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It has more entries than a page may have.
    #[error("more than {0} entries")]
    TooMany(usize),
}

impl From<UnreadPage> for Problem {
    fn from(unread: UnreadPage) -> Self {
        match unread {
            UnreadPage::Json(error) => Self::Json(error),
            UnreadPage::TooMany(most) => Self::TooManyOnPage(most),
        }
    }
}

impl ListedNames {
    /// How many entries the page has.
    pub(crate) fn entries(&self) -> usize {
        self.names.len() + self.invalid_at.len()
    }

    /// The last entry, as the server wrote it. None if there is none, or if it breaks the grammar and was not kept.
    pub(crate) fn last(&self) -> Option<&str> {
        if self.invalid_at.last().is_some_and(|at| *at as usize == self.names.len()) {
            return self.invalid.last().filter(|_| self.invalid.len() == self.invalid_at.len()).map(String::as_str);
        }
        self.names.len().checked_sub(1).map(|last| &self.names[last])
    }

    /// The same page, unless it has more entries than a page may have.
    pub(crate) fn within_bounds(self) -> Result<Self, UnreadPage> {
        if self.entries() > MOST_ENTRIES { Err(UnreadPage::TooMany(MOST_ENTRIES)) } else { Ok(self) }
    }

    pub(crate) fn add(&mut self, entries: ListKind, name: &str) {
        if entries.is_valid(name) {
            self.names.push(name);
        } else {
            self.reject(name);
        }
    }

    fn reject(&mut self, name: &str) {
        self.invalid_count += 1;
        self.invalid_at.push(u32::try_from(self.names.len()).expect("a page is capped far below 4 billion names"));
        if self.invalid.len() < INVALID_KEPT {
            self.invalid.push(name.to_owned());
        }
    }
}

/// Reads a page of the catalog.
pub(crate) fn read_page(body: &[u8]) -> Result<ListedNames, UnreadPage> {
    read(ListKind::Repositories, body)
}

/// Reads a page of names. `null` is an empty list, as Harbor writes it, and docker-registry for a repository without
/// tags. Anything else is an error: a page that is read as empty by mistake would cut the list short.
pub(crate) fn read(entries: ListKind, body: &[u8]) -> Result<ListedNames, UnreadPage> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let listed = json.deserialize_any(PageVisitor(entries))?;
    json.end()?;
    listed.within_bounds()
}

struct PageVisitor(ListKind);

impl<'de> Visitor<'de> for PageVisitor {
    type Value = ListedNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.0.word())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<ListedNames, E> {
        Err(a_text(&self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListedNames, A::Error> {
        let mut listed = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != self.0.word() {
                map.next_value::<IgnoredAny>()?;
            } else if listed.replace(map.next_value_seed(List(self.0))?).is_some() {
                return Err(A::Error::duplicate_field(self.0.word()));
            }
        }
        listed.ok_or_else(|| A::Error::missing_field(self.0.word()))
    }
}

struct List(ListKind);

impl<'de> DeserializeSeed<'de> for List {
    type Value = ListedNames;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<ListedNames, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = ListedNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names or null")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<ListedNames, E> {
        Err(a_text(&self))
    }

    fn visit_unit<E: Error>(self) -> Result<ListedNames, E> {
        Ok(ListedNames { null: true, ..ListedNames::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<ListedNames, A::Error> {
        let mut listed = ListedNames::default();
        while names.next_element_seed(Name(self.0, &mut listed))?.is_some() {
            if listed.entries() > MOST_ENTRIES {
                // The page has too many entries; the rest is skipped.
                while names.next_element::<IgnoredAny>()?.is_some() {}
            }
        }
        Ok(listed)
    }
}

/// Serde's own error would repeat the text, up to 32 MiB of it.
fn a_text<E: Error>(expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Other("a text"), expected)
}

/// Reads a name and adds it to the list. The name is borrowed from the body unless it has escapes.
struct Name<'a>(ListKind, &'a mut ListedNames);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.1.add(self.0, name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_list_is_empty() {
        for body in
            [r#"{"repositories":null}"#, r#"{"repositories":[]}"#, " {\"next\":[1,{}], \"repositories\": [ ] } \n"]
        {
            let listed = read_page(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert!(listed.names.is_empty() && listed.invalid_count == 0);
            assert_eq!(listed.null, body.contains("null"));
        }
    }

    #[test]
    fn a_wrong_type_html_or_a_truncated_body_is_an_error() {
        for body in [
            "",
            "<html>",
            "null",
            "[]",
            "{}",
            "true",
            r#"{"repositories":{}}"#,
            r#"{"repositories":"a"}"#,
            r#"{"repositories":[1]}"#,
            r#"{"repositories":[null]}"#,
            r#"{"repositories":["a","b""#,
            r#"{"repositories":["a"]"#,
            r#"{"repositories":["a"]} x"#,
            r#"{"errors":[]}"#,
            r#"{"repositories":["a"],"repositories":["b"]}"#,
            "{\"repositories\":[\"\u{0}\"]}",
        ] {
            assert!(read_page(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read_page(b"{\"repositories\":[\"\xff\"]}").is_err());
    }

    #[test]
    fn an_error_does_not_repeat_what_the_server_sent() {
        let long = "x".repeat(10_000);
        for body in [format!("\"{long}\""), format!(r#"{{"repositories":"{long}"}}"#), format!(r#"{{"{long}":1}}"#)] {
            let error = read_page(body.as_bytes()).expect_err("no page").to_string();
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn names_against_the_grammar_are_kept_apart_and_counted() {
        let listed = read_page(br#"{"repositories":["a/b","A","\u001b[2Jx","c\/d","../e"]}"#).expect("a page");
        assert_eq!(listed.names.iter().collect::<Vec<_>>(), ["a/b", "c/d"]);
        assert_eq!(listed.invalid, ["A", "\u{1b}[2Jx", "../e"]);
        assert_eq!((listed.invalid_count, listed.invalid_at), (3, vec![1, 1, 2]));
        let many = format!(r#"{{"repositories":[{}]}}"#, vec!["\"A\""; 150].join(","));
        let listed = read_page(many.as_bytes()).expect("a page");
        assert_eq!((listed.invalid.len(), listed.invalid_count), (100, 150));
    }

    #[test]
    fn a_page_of_more_entries_than_any_list_has_is_an_error_whatever_they_are() {
        let page = |name: &str, count: usize| format!(r#"{{"repositories":[{}]}}"#, vec![name; count].join(","));
        for name in ["\"a\"", "\"A\""] {
            let full = read_page(page(name, MOST_ENTRIES).as_bytes()).expect("the most that is taken");
            assert_eq!(full.entries(), MOST_ENTRIES);
            let error = read_page(page(name, MOST_ENTRIES + 1).as_bytes()).expect_err("one more");
            assert!(matches!(error, UnreadPage::TooMany(MOST_ENTRIES)), "{error}");
        }
        let broken = page("\"a\"", MOST_ENTRIES + 10).replace(']', "");
        assert!(matches!(read_page(broken.as_bytes()), Err(UnreadPage::Json(_))));
    }

    #[test]
    fn the_last_entry_is_told_as_the_server_wrote_it() {
        for (page, last) in [
            (r#"{"repositories":[]}"#, None),
            (r#"{"repositories":["a","b"]}"#, Some("b")),
            (r#"{"repositories":["a","B"]}"#, Some("B")),
            (r#"{"repositories":["B","a"]}"#, Some("a")),
            (r#"{"repositories":["B"]}"#, Some("B")),
        ] {
            assert_eq!(read_page(page.as_bytes()).expect("a page").last(), last, "{page}");
        }
        let many = format!(r#"{{"repositories":[{}]}}"#, vec!["\"A\""; 150].join(","));
        assert_eq!(read_page(many.as_bytes()).expect("a page").last(), None, "it was not kept");
    }
}
