//! URLs that a server names: their query stays as the server wrote it. A signature may be computed over those bytes.

use std::fmt::Write as _;

use serde_json::Value;
use serde_json::value::Serializer;
use url::{ParseError, Url};

/// Resolves a reference that a server wrote, without its fragment. The path is normalised as Go's `net/url` does it.
/// The query stays byte for byte, but for what a request line cannot have: those bytes are percent-encoded.
///
/// The `url` crate alone also encodes `'`, as the URL standard of browsers says. `CloudFront` signs those bytes.
///
/// # Errors
/// If the reference is not a URL.
pub(crate) fn resolve(base: &Url, reference: &[u8]) -> Result<Url, ParseError> {
    let reference = ascii(reference.trim_ascii());
    let mut url = base.join(&reference)?;
    url.set_fragment(None);
    let reference = reference.split_once('#').map_or(&*reference, |(before, _)| before);
    match reference.split_once('?') {
        Some((_, query)) => Ok(with_query(url, &sendable(query))),
        None => Ok(url),
    }
}

/// A URL that was saved as text. None if it is not one.
pub(crate) fn written_url(text: &str) -> Option<Url> {
    resolve(&Url::parse(text).ok()?, text.as_bytes()).ok()
}

/// The URL with this query, byte for byte. The query must be able to stand in a request line.
pub(crate) fn with_query(mut url: Url, query: &str) -> Url {
    url.set_query(Some(query));
    if url.query() == Some(query) {
        return url;
    }
    // No setter of `Url` leaves a `'` as it is, so its internal form is changed. In builds of the `url` crate with debug
    // assertions, this fails and the encoded form stays; see the profile of the workspace.
    written(&url, query).unwrap_or(url)
}

fn written(url: &Url, query: &str) -> Option<Url> {
    let mut parts = url.serialize_internal(Serializer).ok()?;
    // The text comes first; the positions of the query and of the fragment in it come last.
    let [text, .., query_start, _] = parts.as_array_mut()?.as_mut_slice() else { return None };
    let before = url.as_str().get(..usize::try_from(query_start.as_u64()?).ok()?)?;
    *text = Value::String(format!("{before}?{query}"));
    Url::deserialize_internal(parts).ok()
}

/// The text with each byte that is not ASCII percent-encoded: a header may have any byte.
fn ascii(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        push(&mut text, *byte, byte.is_ascii());
    }
    text
}

/// The query with each byte percent-encoded that a request line cannot have.
fn sendable(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    for byte in query.bytes() {
        push(&mut text, byte, byte.is_ascii_graphic() && !b"\"#<>".contains(&byte));
    }
    text
}

fn push(text: &mut String, byte: u8, as_it_is: bool) {
    if as_it_is {
        text.push(char::from(byte));
    } else {
        write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(reference: &[u8]) -> String {
        let base = Url::parse("https://r.example/v2/a/blobs/x?old").expect("a URL");
        resolve(&base, reference).expect("a URL").into()
    }

    #[test]
    fn a_query_stays_byte_for_byte_because_a_signature_depends_on_it() {
        for query in [
            "sig=a'b",
            "name*=UTF-8''x.txt&'",
            "a|b",
            "a^b`c{d}e",
            "a\\b",
            "a+b%20c",
            "x=%2f%2F%c3%A9",
            "a/../b//c?d",
            "",
            "&&=",
            "a;b,c:d@e!f$g(h)*~_-.[i]",
            "%zz%",
        ] {
            for before in ["", "/p", "https://s3.example/p", "//s3.example"] {
                let url = resolved(format!("{before}?{query}").as_bytes());
                assert_eq!(url.split_once('?').map(|(_, query)| query), Some(query), "{before}");
            }
        }
        assert_eq!(resolved(b"https://u.example:8443/p?a'b#c?d'e"), "https://u.example:8443/p?a'b");
        assert_eq!(resolved(b"/p#c?d'e"), "https://r.example/p");
        assert_eq!(resolved(b" /p?a \t"), "https://r.example/p?a");
    }

    #[test]
    fn what_a_request_line_cannot_have_is_encoded_and_nothing_else() {
        assert_eq!(resolved(b"?a b\"c<d>e'f"), "https://r.example/v2/a/blobs/x?a%20b%22c%3Cd%3Ee'f");
        assert_eq!(resolved(b"/\xe9?\xe9'"), "https://r.example/%E9?%E9'");
        assert_eq!(resolved("/é?é'".as_bytes()), "https://r.example/%C3%A9?%C3%A9'");
        assert_eq!(resolved(b"?a\tb"), "https://r.example/v2/a/blobs/x?a%09b");
    }

    #[test]
    fn a_path_keeps_what_go_keeps() {
        for path in ["/a'b", "/a%2fb%2Fc", "/a//b", "/a|b", "/a+b", "/a;b=c,d", "/%27"] {
            assert_eq!(resolved(path.as_bytes()), format!("https://r.example{path}"));
        }
        assert_eq!(resolved(b"/a/../b/./c"), "https://r.example/b/c");
        assert_eq!(resolved(b"/a b{c}\"`"), "https://r.example/a%20b%7Bc%7D%22%60");
    }

    #[test]
    fn a_url_with_a_written_query_is_as_good_as_any_other() {
        let url = Url::parse("http://[::1]:5000/v2/x").expect("a URL");
        let url = with_query(url, "a='&last=b");
        assert_eq!((url.query(), url.path(), url.port()), (Some("a='&last=b"), "/v2/x", Some(5000)));
        assert_eq!(url.query_pairs().count(), 2);
        assert_eq!(url.join("?c").expect("a URL").as_str(), "http://[::1]:5000/v2/x?c");
        assert_eq!(url.join("y").expect("a URL").as_str(), "http://[::1]:5000/v2/y");
        let mut longer = url.clone();
        longer.query_pairs_mut().append_pair("scope", "s");
        assert_eq!(longer.query(), Some("a='&last=b&scope=s"));
        longer.set_fragment(Some("f"));
        assert_eq!(longer.as_str(), "http://[::1]:5000/v2/x?a='&last=b&scope=s#f");
    }
}
