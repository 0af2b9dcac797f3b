//! Reads JSON as Go's `encoding/json` does, and so as the tools that build and run images do: text that is not Unicode
//! becomes U+FFFD, names of members match in any case, and of several members with one name the last counts. A value
//! that is not used is skipped without being read, with any content and any depth. This module knows no manifests.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Error, IgnoredAny, Visitor};

use crate::problem::content::ContentFlaw;

/// Replaces what is not text.
const REPLACED: char = '\u{fffd}';

/// A value as it is written, in a valid JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawJson<'a>(&'a str);

impl<'a> RawJson<'a> {
    /// Reads a whole document. An error if it is not JSON, or if something follows it.
    pub(crate) fn document(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text).map(|_| Self(text.trim_matches(BLANK)))
    }

    /// The value as it is written.
    pub(crate) fn get(self) -> &'a str {
        self.0
    }

    /// `null` counts as missing.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// A whole number that is not negative. None for any other value; `1e3` and `1.0` are others, as in Go.
    pub(crate) fn count(self) -> Option<i64> {
        if self.0.starts_with(|c: char| c.is_ascii_digit()) { self.0.parse().ok() } else { None }
    }

    /// The members of an object, in order. None of any other value.
    pub(crate) fn members(self) -> impl Iterator<Item = (JsonText<'a>, Self)> {
        let mut parts = self.parts('{');
        std::iter::from_fn(move || {
            let name = JsonText::of(parts.next()?)?;
            Some((name, parts.next()?))
        })
    }

    /// The elements of a list. None if the value is not a list.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Self>> {
        self.0.starts_with('[').then(|| self.parts('['))
    }

    /// The values in an object or a list; names of members are among them.
    fn parts(self, opening: char) -> impl Iterator<Item = Self> {
        let mut rest = self.0.strip_prefix(opening).unwrap_or_default();
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c| BLANK.contains(&c) || c == ',' || c == ':');
            let value = &rest[..length(rest)];
            rest = &rest[value.len()..];
            (!value.is_empty()).then_some(Self(value))
        })
    }
}

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The length of the value at the beginning of a JSON text; 0 if there is none.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += length_of_text(&bytes[at..]),
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' if depth > 0 => (at, depth) = (at + 1, depth - 1),
            // The end of the surrounding value.
            b'}' | b']' => return at,
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => return at + bytes[at..].iter().take_while(|byte| !b",]} \t\n\r".contains(byte)).count(),
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// The length of a text, with its quotation marks.
fn length_of_text(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The bytes as text. `true` if some of them were not UTF-8 and have become U+FFFD.
pub(crate) fn document(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let text = String::from_utf8_lossy(bytes);
    let replaced = matches!(text, Cow::Owned(_));
    (text, replaced)
}

/// A text that databases accept, and whether something in it was replaced: half of a surrogate pair, or NUL, which
/// `PostgreSQL` refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonText<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) replaced: bool,
}

impl<'a> JsonText<'a> {
    /// The text of a value. None if the value is not a text.
    pub(crate) fn of(value: RawJson<'a>) -> Option<Self> {
        if value.0.starts_with('"') { serde_json::from_str(value.0).ok() } else { None }
    }

    /// Whether something was replaced, here or in the bytes of the document.
    pub(crate) fn is_mended(&self, in_document: bool) -> bool {
        self.replaced || (in_document && self.text.contains(REPLACED))
    }
}

impl<'de> Deserialize<'de> for JsonText<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = JsonText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<JsonText<'de>, E> {
                Ok(text(bytes))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<JsonText<'de>, E> {
                let JsonText { text, replaced } = text(bytes);
                Ok(JsonText { text: Cow::Owned(text.into_owned()), replaced })
            }
        }

        // Half of a surrogate pair is no error in bytes: it becomes the three bytes that UTF-8 would have for it.
        deserializer.deserialize_bytes(Bytes)
    }
}

fn text(bytes: &[u8]) -> JsonText<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => JsonText { text: Cow::Borrowed(text), replaced: false },
        _ => JsonText { text: Cow::Owned(mended(bytes)), replaced: true },
    }
}

/// Writes one U+FFFD for each half of a surrogate pair, each NUL, and each byte that is not part of a character.
fn mended(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        text.extend(valid.chars().map(|c| if c == '\0' { REPLACED } else { c }));
        rest = &rest[valid.len()..];
        let broken = match rest {
            [] => break,
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            _ => 1,
        };
        text.push(REPLACED);
        rest = &rest[broken..];
    }
    text
}

/// The members of an object that have these names, in any case. `null` counts as missing: in Go it changes nothing.
pub(crate) struct Picked<'a, const N: usize> {
    /// The values, by the index of their names. Of several members with one name, the last.
    pub(crate) values: [Option<RawJson<'a>>; N],
    /// The index of a name that came more than once.
    pub(crate) twice: [bool; N],
}

impl<'a, const N: usize> Picked<'a, N> {
    /// Reads a document, which must be one object.
    pub(crate) fn read(document: &'a str, names: &[&str; N]) -> Result<Self, ContentFlaw> {
        let document = RawJson::document(document).map_err(|error| ContentFlaw::from(&error))?;
        Self::of(document, names).ok_or(ContentFlaw::Json { line: 1, column: 1 })
    }

    /// Reads a value. None if it is not an object.
    pub(crate) fn of(value: RawJson<'a>, names: &[&str; N]) -> Option<Self> {
        let mut picked = Self { values: [None; N], twice: [false; N] };
        for (name, value) in value.members() {
            if let Some(at) = names.iter().position(|known| known.eq_ignore_ascii_case(&name.text))
                && !value.is_null()
            {
                picked.twice[at] |= picked.values[at].is_some();
                picked.values[at] = Some(value);
            }
        }
        value.is_object().then_some(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(document: &str) -> Option<[Option<String>; 2]> {
        let picked = Picked::read(document, &["os", "config"]).ok()?;
        Some(picked.values.map(|value| value.map(|raw| raw.get().to_owned())))
    }

    fn raw(document: &str) -> RawJson<'_> {
        RawJson::document(document).unwrap_or_else(|error| panic!("{document:.50}: {error}"))
    }

    fn read(value: &str) -> Option<(String, bool)> {
        JsonText::of(raw(value)).map(|text| (text.text.into_owned(), text.replaced))
    }

    #[test]
    fn what_nobody_uses_is_skipped_whatever_it_is() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        for odd in [r#""\udce9""#, "1e999", "-1e-999", &deep, r#"{"\ud83d":"\ude00"}"#] {
            let document = format!(r#"{{"x":{odd},"os":"linux","\ud83d":1}}"#);
            assert_eq!(pick(&document), Some([Some("\"linux\"".into()), None]), "{odd:.50}");
        }
    }

    #[test]
    fn names_match_in_any_case_the_last_counts_and_null_never() {
        assert_eq!(pick(r#"{"OS":"a","os":"b","Os":null}"#), Some([Some("\"b\"".into()), None]));
        let twice = Picked::read(r#"{"Config":1,"config":1,"os":1,"os":null}"#, &["os", "config"]).expect("JSON").twice;
        assert_eq!(twice, [false, true]);
    }

    #[test]
    fn a_document_is_one_object_and_nothing_after_it() {
        for document in ["", "[]", "null", "{", "<html>", "\"x\"", "{} {}", "{\"a\" 1}", "{\"a\":1,}", "{\"a\":01}"] {
            assert_eq!(pick(document), None, "{document}");
        }
        assert_eq!(pick(" {} "), Some([None, None]));
    }

    #[test]
    fn what_is_not_unicode_is_replaced_and_said() {
        for (value, text) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""a\ude00b""#, "a\u{fffd}b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83dx""#, "\u{fffd}x"),
            (r#""a\u0000""#, "a\u{fffd}"),
        ] {
            assert_eq!(read(value), Some((text.to_owned(), true)), "{value}");
        }
        assert_eq!(read(r#""\ud83d\ude00 ü""#), Some(("\u{1f600} ü".to_owned(), false)));
        assert_eq!(read("5"), None);
        let (latin, replaced) = document(b"{\"os\":\"J\xfcrgen\"}");
        assert_eq!((pick(&latin), replaced), (Some([Some("\"J\u{fffd}rgen\"".into()), None]), true));
    }

    #[test]
    fn only_whole_numbers_count() {
        assert_eq!([raw("0").count(), raw("9223372036854775807").count()], [Some(0), Some(i64::MAX)]);
        for odd in ["-1", "1.0", "1e3", "1e999", "9223372036854775808", "\"7\"", "null", "true", "[1]", "{}"] {
            assert_eq!(raw(odd).count(), None, "{odd}");
        }
    }

    #[test]
    fn only_lists_have_elements() {
        let all = |value: &'static str| raw(value).elements().map(|all| all.map(RawJson::get).collect::<Vec<_>>());
        assert_eq!(all(r#" [1 , {"a":[]} ,"\ud83d",[[],"]"],-1e5,null]"#), {
            Some(vec!["1", r#"{"a":[]}"#, r#""\ud83d""#, r#"[[],"]"]"#, "-1e5", "null"])
        });
        assert_eq!([all("[]"), all("[ ]"), all("{}"), all("\"x\"")], [Some(vec![]), Some(vec![]), None, None]);
    }

    /// Any JSON, with what is hard to split in it.
    fn any(random: &mut fastrand::Rng, depth: usize) -> serde_json::Value {
        use serde_json::Value;
        let text = |random: &mut fastrand::Rng| -> String {
            (0..random.usize(0..5))
                .map(|_| *random.choice(&['a', '"', '\\', '{', '}', '[', ']', ',', ':', ' ', 'ü', '\n']).unwrap())
                .collect()
        };
        match random.u8(0..if depth == 0 { 4 } else { 6 }) {
            0 => Value::Null,
            1 => Value::from(random.bool()),
            2 => Value::from(random.i32(..)),
            3 => Value::from(text(random)),
            4 => (0..random.usize(0..4)).map(|_| any(random, depth - 1)).collect(),
            _ => (0..random.usize(0..4)).map(|_| (text(random), any(random, depth - 1))).collect(),
        }
    }

    /// The value put together again from its parts.
    fn put_together(raw: RawJson<'_>) -> serde_json::Value {
        if raw.is_object() {
            return raw.members().map(|(name, value)| (name.text.into_owned(), put_together(value))).collect();
        }
        match raw.elements() {
            Some(elements) => elements.map(put_together).collect(),
            None => serde_json::from_str(raw.get()).expect("a scalar"),
        }
    }

    #[test]
    fn every_document_is_split_where_its_values_end() {
        for seed in 0..2000 {
            let value = any(&mut fastrand::Rng::with_seed(seed), 4);
            for text in [value.to_string(), format!("\t{value:#} \r\n")] {
                assert_eq!(put_together(raw(&text)), value, "{seed}: {text}");
            }
        }
    }
}
