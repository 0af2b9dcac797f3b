//! Reads and replaces the `last` of a link; the rest of the query stays byte for byte.

use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

use crate::http::written_url::with_query;

/// The name after which the page of the link begins. None unless the link has exactly one.
pub(crate) fn key_of(link: &Url) -> Option<String> {
    let mut keys = link.query_pairs().filter(|(name, _)| name == "last");
    let key = keys.next().map(|(_, value)| value.into_owned());
    if keys.next().is_some() { None } else { key }
}

/// The same link, for the page after this name.
pub(crate) fn with_key(link: &Url, key: &str) -> Url {
    replaced(link, "last", &byte_serialize(key.as_bytes()).collect::<String>())
}

/// The same request, for the page after this name, whether or not it had a `last`.
pub(crate) fn asking_after(url: &Url, key: &str) -> Url {
    if url.query_pairs().any(|(name, _)| name == "last") {
        return with_key(url, key);
    }
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("last", key);
    url
}

/// The same link, for a page of this size, if the link has a size.
pub(crate) fn with_size(link: &Url, size: usize) -> Url {
    replaced(link, "n", &size.to_string())
}

/// Whether two links differ in nothing but `last`.
pub(crate) fn same_but_key(one: &Url, other: &Url) -> bool {
    with_key(one, "") == with_key(other, "")
}

fn replaced(link: &Url, parameter: &str, value: &str) -> Url {
    let pieces = link.query().unwrap_or_default().split('&').map(|piece| {
        let is_it = parse(piece.as_bytes()).next().is_some_and(|(name, _)| name == parameter);
        if is_it { format!("{parameter}={value}") } else { piece.to_owned() }
    });
    let query = pieces.collect::<Vec<_>>().join("&");
    with_query(link.clone(), &query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::written_url::resolve;

    fn url(query: &str) -> Url {
        Url::parse(&format!("https://r.example/v2/_catalog?{query}")).expect("a URL")
    }

    #[test]
    fn the_key_is_read_as_it_was_meant() {
        for (query, key) in [
            ("last=a%2Fb&n=100", Some("a/b")),
            ("n=100&last=a/b", Some("a/b")),
            ("last=a+b", Some("a b")),
            ("n=100&next_page=gAAA%3D%3D", None),
            ("last=a&last=b", None),
            ("", None),
        ] {
            assert_eq!(key_of(&url(query)).as_deref(), key, "{query}");
        }
    }

    #[test]
    fn nothing_else_of_a_link_changes() {
        assert_eq!(with_key(&url("x=%2f+&last=a&n=10"), "c/d"), url("x=%2f+&last=c%2Fd&n=10"));
        assert_eq!(with_key(&resolve(&url(""), b"?x='&last=a").expect("a URL"), "c").query(), Some("x='&last=c"));
        assert_eq!(with_size(&url("x=%2f+&last=a&n=10"), 1), url("x=%2f+&last=a&n=1"));
        assert_eq!(asking_after(&url("last=a&n=10"), "c/d"), url("last=c%2Fd&n=10"));
        assert_eq!(asking_after(&url("n=10"), "c/d"), url("n=10&last=c%2Fd"));
        assert!(same_but_key(&url("last=a&n=10"), &url("last=b&n=10")));
        assert!(!same_but_key(&url("last=a&n=10"), &url("last=a&n=20")));
        assert!(!same_but_key(&url("last=a&page=1"), &url("last=b&page=2")));
    }
}
