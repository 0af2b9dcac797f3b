//! The next page: reads `Link` by RFC 8288, in the forms that registries really write, and resolves it within the
//! registry's own origin. It sends nothing and remembers nothing; repeated pages are noticed by `loop_guard`.

use hyper::header::{HeaderValue, LINK};
use url::Url;

use crate::http::call::HttpAnswer;
use crate::http::origin::same_origin;
use crate::http::written_url::{resolve, with_query};
use crate::problem::link::LinkError;

/// The URL of the next page that this answer names. If `repairs` is set, its path is replaced by the path of the page
/// itself.
pub(crate) fn following(answer: &HttpAnswer, requested: &Url, repairs: bool) -> Result<Option<Url>, LinkError> {
    let links = answer.headers.get_all(LINK).iter().map(HeaderValue::as_bytes);
    let Some(answered) = &answer.elsewhere else {
        let next = next_page(links, requested)?;
        return Ok(next.map(|next| if repairs { repaired(next, requested) } else { next }));
    };
    let Some(target) = target(links)? else { return Ok(None) };
    after_redirect(&resolved(&target, answered)?, requested, answered, repairs).map(Some)
}

/// The URL of the next page; `None` on the last page. The query stays byte for byte: if a cursor is decoded and encoded
/// again, Quay restarts at page 1.
pub(crate) fn next_page<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
    requested: &Url,
) -> Result<Option<Url>, LinkError> {
    let Some(target) = target(headers)? else { return Ok(None) };
    let next = resolved(&target, requested)?;
    if same_origin(&next, requested) { Ok(Some(next)) } else { Err(LinkError::OtherOrigin) }
}

/// The next page of a list whose page came from another host, to which the registry had redirected: at the registry
/// again, which then decides anew where it is and what it needs, if its redirects keep queries. Otherwise (registry.k8s.io
/// drops them) at the host that answered, without credentials. No other host is asked.
fn after_redirect(next: &Url, requested: &Url, answered: &Url, repairs: bool) -> Result<Url, LinkError> {
    let is_of_either = same_origin(next, answered) || same_origin(next, requested);
    let is_same_list = repairs || next.path() == answered.path() || next.path() == requested.path();
    if is_of_either && is_same_list && answered.query() == requested.query() {
        return Ok(if let Some(query) = next.query() {
            with_query(requested.clone(), query)
        } else {
            let mut first = requested.clone();
            first.set_query(None);
            first
        });
    }
    if is_of_either { Ok(next.clone()) } else { Err(LinkError::OtherOrigin) }
}

/// The target of the link to the next page.
fn target<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<String>, LinkError> {
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
                return Ok(Some(link.target.to_owned()));
            }
        }
    }
    // If an unreadable header counted as "no next page", the list would be cut short without an error.
    if present && !readable { Err(LinkError::Unreadable) } else { Ok(None) }
}

/// The URL of the next page on the path of the page that announced it, its query byte for byte.
fn repaired(next: Url, requested: &Url) -> Url {
    if next.path() == requested.path() {
        return next;
    }
    let query = next.query().map(str::to_owned);
    let mut next = next;
    next.set_path(requested.path());
    match query {
        Some(query) => with_query(next, &query),
        None => next,
    }
}

fn resolved(target: &str, base: &Url) -> Result<Url, LinkError> {
    let next = resolve(base, target.as_bytes()).map_err(|_| LinkError::NotAUrl)?;
    let has_user = !next.username().is_empty() || next.password().is_some();
    if has_user { Err(LinkError::OtherOrigin) } else { Ok(next) }
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
            "cursor='a'&n=1",
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
    fn after_a_redirect_the_next_page_is_asked_for_at_the_registry_or_at_the_host_that_answered() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let next = |target: &str, requested: &str, answered: &str, repairs| {
            let (requested, answered) = (url(requested), url(answered));
            let next = resolved(target, &answered).expect("a URL");
            after_redirect(&next, &requested, &answered, repairs).map(String::from)
        };
        let (asked, there) = ("https://r.example/v2/a/tags/list?n=2", "https://eu.example/v2/x/a/tags/list?n=2");
        let at_home = Ok("https://r.example/v2/a/tags/list?n=2&last='b'".to_owned());
        for target in [
            "/v2/x/a/tags/list?n=2&last='b'",
            "/v2/a/tags/list?n=2&last='b'",
            "?n=2&last='b'",
            "https://eu.example/v2/x/a/tags/list?n=2&last='b'",
            "https://r.example/v2/a/tags/list?n=2&last='b'",
        ] {
            assert_eq!(next(target, asked, there, false), at_home, "{target}");
        }
        assert_eq!(next("/other?n=2&last='b'", asked, there, true), at_home);
        // This registry's redirect has dropped the query.
        let dropped = "https://eu.example/v2/x/a/tags/list";
        let there = Ok("https://eu.example/v2/x/a/tags/list?last=b".to_owned());
        assert_eq!(next("/v2/x/a/tags/list?last=b", asked, dropped, false), there);
        for target in ["https://evil.example/v2/x/a/tags/list?last=b", "http://eu.example/v2/x/a/tags/list?last=b"] {
            assert_eq!(next(target, asked, dropped, true), Err(LinkError::OtherOrigin), "{target}");
        }
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
