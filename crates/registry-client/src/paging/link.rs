//! The next page: reads `Link` by RFC 8288, in the forms that registries really write, and resolves it within the
//! registry's own origin. It sends nothing and remembers nothing; repeated pages are noticed by `loop_guard`.

use reqwest::header::{HeaderMap, HeaderValue, LINK};
use url::Url;

use crate::http::origin::same_origin;
use crate::problem::link::LinkError;

/// The URL of the next page in these headers. If `repairs` is set, its path is replaced by the path of the page itself.
pub(crate) fn following(headers: &HeaderMap, requested: &Url, repairs: bool) -> Result<Option<Url>, LinkError> {
    let links = headers.get_all(LINK).iter().map(HeaderValue::as_bytes);
    let next = next_page(links, requested)?;
    Ok(next.map(|next| if repairs { repaired(next, requested) } else { next }))
}

/// The URL of the next page; `None` on the last page. The query stays byte for byte: if a cursor is decoded and encoded
/// again, Quay restarts at page 1.
pub(crate) fn next_page<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
    requested: &Url,
) -> Result<Option<Url>, LinkError> {
    let mut present = false;
    let mut readable = false;
    for header in headers {
        let header = std::str::from_utf8(header).map_err(|_| LinkError::Unreadable)?;
        if header.trim().is_empty() {
            continue;
        }
        present = true;
        let mut rest = header;
        while let Some((link, after)) = read_link(rest)? {
            rest = after;
            readable |= link.rel.is_some();
            if link.is_next() {
                return resolve(link.target, requested).map(Some);
            }
        }
    }
    // If an unreadable header counted as "no next page", the list would be cut short without an error.
    if present && !readable { Err(LinkError::Unreadable) } else { Ok(None) }
}

/// The URL of the next page on the path of the page that announced it, its query byte for byte.
fn repaired(mut next: Url, requested: &Url) -> Url {
    if next.path() != requested.path() {
        next.set_path(requested.path());
    }
    next
}

fn resolve(target: &str, requested: &Url) -> Result<Url, LinkError> {
    let mut next = requested.join(target.trim()).map_err(|_| LinkError::NotAUrl)?;
    next.set_fragment(None);
    let has_user = !next.username().is_empty() || next.password().is_some();
    if !same_origin(&next, requested) || has_user {
        return Err(LinkError::OtherOrigin);
    }
    Ok(next)
}

struct Link<'a> {
    target: &'a str,
    rel: Option<&'a str>,
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        self.rel.is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next")))
    }
}

/// One link and the text after it; `None` at the end of the header.
fn read_link(text: &str) -> Result<Option<(Link<'_>, &str)>, LinkError> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return Ok(None);
    }
    let (target, mut rest) = match text.strip_prefix('<') {
        Some(inside) => inside.split_once('>').ok_or(LinkError::Unreadable)?,
        // Without <>, the target ends where the parameters begin.
        None => text.split_at(text.find([';', ',', ' ', '\t']).unwrap_or(text.len())),
    };
    let mut rel = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(param) = rest.strip_prefix(';') else { break };
        let param = param.trim_start_matches([' ', '\t']);
        let (name, after) = param.split_at(param.find(['=', ';', ',']).unwrap_or(param.len()));
        let value;
        (value, rest) = match after.strip_prefix('=') {
            Some(after) => read_value(after.trim_start_matches([' ', '\t']))?,
            None => ("", after),
        };
        // The first rel counts (RFC 8288, 3.3).
        if name.trim().eq_ignore_ascii_case("rel") && rel.is_none() {
            rel = Some(value);
        }
    }
    // Anything else before the next comma is skipped.
    let rest = rest.find(',').map_or("", |comma| &rest[comma..]);
    Ok(Some((Link { target, rel }, rest)))
}

fn read_value(text: &str) -> Result<(&str, &str), LinkError> {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            let mut escaped = false;
            let end = inside.find(|c| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = end.ok_or(LinkError::Unreadable)?;
            return Ok((&inside[..end], &inside[end + 1..]));
        }
    }
    Ok(text.split_at(text.find([';', ',', ' ', '\t']).unwrap_or(text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://r.example:8443/v2/_catalog?n=100";

    fn next(headers: &[&str]) -> Result<Option<String>, LinkError> {
        let base = Url::parse(BASE).expect("a URL");
        next_page(headers.iter().map(|h| h.as_bytes()), &base).map(|url| url.map(String::from))
    }

    #[test]
    fn the_link_is_resolved_and_its_query_kept_byte_for_byte() {
        for query in [
            "n=100&next_page=gAAAA-_x%3D%3D",
            "last=a%2Fb&n=100",
            "last=a/b&n=1",
            "last=%e4+b%20c&&x",
            "n=5&last=a%252Fb",
        ] {
            let target = next(&[&format!("</v2/_catalog?{query}>; rel=\"next\"")]);
            assert_eq!(target, Ok(Some(format!("https://r.example:8443/v2/_catalog?{query}"))));
        }
        assert_eq!(next(&["<?last=x>; rel=next"]), Ok(Some("https://r.example:8443/v2/_catalog?last=x".into())));
        assert_eq!(
            next(&["<_catalog?last=x>; rel=next"]),
            Ok(Some("https://r.example:8443/v2/_catalog?last=x".into()))
        );
        let absolute = "<https://r.example:8443/v2/_catalog?last=x>; rel=\"next\"";
        assert_eq!(next(&[absolute]), Ok(Some("https://r.example:8443/v2/_catalog?last=x".into())));
    }

    #[test]
    fn every_form_of_link_seen_in_the_wild_is_read() {
        let want = Ok(Some("https://r.example:8443/v2/_catalog?last=x".to_owned()));
        for header in [
            "</v2/_catalog?last=x>; rel=\"next\"",
            "</v2/_catalog?last=x>; rel=next",
            "</v2/_catalog?last=x>;rel=\"next\"",
            "</v2/_catalog?last=x>; REL=\"NEXT\"",
            "</v2/_catalog?last=x>; rel='next'",
            "</v2/_catalog?last=x>; title=\"a, b; c\"; rel=\"next last\"",
            "</v2/_catalog?last=p>; rel=\"prev\", </v2/_catalog?last=x>; title=\"a \\\"b\\\", c\"; rel=\"next\"",
            "</v2/_catalog?last=p>; rel=\"prev\", </v2/_catalog?last=x>; rel=\"next\"",
            "</a,b>; rel=prev,</v2/_catalog?last=x>;rel=next",
            "/v2/_catalog?last=x; rel=\"next\"",
            "/v2/_catalog?last=x;rel=next",
        ] {
            assert_eq!(next(&[header]), want, "{header}");
        }
        assert_eq!(next(&["</p>; rel=\"prev\"", "</v2/_catalog?last=x>; rel=\"next\""]), want);
    }

    #[test]
    fn a_link_that_cannot_be_read_is_an_error_and_not_the_last_page() {
        for header in ["garbage", "<", "</v2/_catalog?last=x", "</v2/_catalog?last=x>", "</x>; rel=\"next", ";;;"] {
            assert_eq!(next(&[header]), Err(LinkError::Unreadable), "{header}");
        }
        let base = Url::parse(BASE).expect("a URL");
        assert_eq!(next_page([&b"</\xff>; rel=next"[..]], &base), Err(LinkError::Unreadable));
        assert_eq!(next(&[]), Ok(None));
        assert_eq!(next(&["</v2/_catalog>; rel=\"first\""]), Ok(None));
        assert_eq!(next(&[""]), Ok(None));
    }

    #[test]
    fn a_link_to_another_scheme_host_or_port_is_refused() {
        for target in [
            "http://r.example:8443/v2/_catalog",
            "https://r.example/v2/_catalog",
            "https://evil.example:8443/v2/_catalog",
            "https://r.example:8443@evil.example/v2/_catalog",
            "https://user@r.example:8443/v2/_catalog",
            "//evil.example/v2/_catalog",
            "/\\evil.example/v2/_catalog",
            "file:///etc/passwd",
            "data:application/json,{}",
        ] {
            assert_eq!(next(&[&format!("<{target}>; rel=\"next\"")]), Err(LinkError::OtherOrigin), "{target}");
        }
        assert_eq!(next(&["<https://[::1/>; rel=next"]), Err(LinkError::NotAUrl));
    }
}
