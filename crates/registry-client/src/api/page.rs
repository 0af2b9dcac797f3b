//! One answer of an API, and what its headers say about the next page and about the whole list. Pure.

use chrono::{DateTime, Utc};
use hyper::header::{DATE, HeaderMap, HeaderValue, LINK};
use url::Url;

use crate::paging::link::next_page;
use crate::problem::link::LinkError;

/// An answer with status 200.
#[derive(Debug)]
pub struct ApiAnswer {
    /// The whole body, decompressed.
    pub body: Vec<u8>,
    /// What the headers say about the next page.
    pub next: NextPage,
    /// How many entries the list has in total, if the headers say so: `X-Total-Count`, or GitLab's `X-Total`.
    pub total: Option<u64>,
    /// The `Date` header: the server's time.
    pub date: Option<DateTime<Utc>>,
}

/// What the headers of a page say about the page after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NextPage {
    /// A next page, at this URL.
    At(Url),
    /// No next page.
    None,
    /// The headers do not say.
    #[default]
    Unsaid,
}

impl ApiAnswer {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`Fault::Untrusted`](crate::Fault::Untrusted) if the link to the next page leads to another origin,
    /// [`Fault::Protocol`](crate::Fault::Protocol) if it cannot be read.
    pub(crate) fn read(headers: &HeaderMap, body: Vec<u8>, url: &Url) -> Result<Self, LinkError> {
        let total = text(headers, "x-total-count").or_else(|| text(headers, "x-total"));
        let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(Self {
            body,
            next: next(headers, url)?,
            total: total.and_then(|total| total.parse().ok()),
            date: date.map(DateTime::from),
        })
    }
}

/// Reads `Link` by RFC 8288; if there is none, GitLab's `X-Next-Page`.
fn next(headers: &HeaderMap, url: &Url) -> Result<NextPage, LinkError> {
    let links = headers.get_all(LINK).iter().map(HeaderValue::as_bytes);
    let links: Vec<_> = links.filter(|link| !link.trim_ascii().is_empty()).collect();
    if !links.is_empty() {
        return Ok(next_page(links, url)?.map_or(NextPage::None, NextPage::At));
    }
    Ok(match text(headers, "x-next-page") {
        Some("") => NextPage::None,
        Some(page) => NextPage::At(crate::api::Api::with_query(url, "page", page)),
        None => NextPage::Unsaid,
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<ApiAnswer, LinkError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        ApiAnswer::read(&map, Vec::new(), &Url::parse("https://a.example/x?page=1&q=%2F").expect("a URL"))
    }

    #[test]
    fn a_link_counts_before_a_number() {
        let next_of = |headers: &[(&'static str, &str)]| read(headers).map(|answer| answer.next);
        let at = |url: &str| Ok(NextPage::At(Url::parse(url).expect("a URL")));
        assert_eq!(next_of(&[("link", "</x?p=9>; rel=next"), ("x-next-page", "2")]), at("https://a.example/x?p=9"));
        assert_eq!(next_of(&[("link", "</x>; rel=prev"), ("x-next-page", "2")]), Ok(NextPage::None));
        assert_eq!(next_of(&[("link", ""), ("x-next-page", "2")]), at("https://a.example/x?q=%2F&page=2"));
        assert_eq!(next_of(&[("x-next-page", ""), ("x-total-count", "7")]), Ok(NextPage::None));
        assert_eq!(next_of(&[("x-total-count", "7")]), Ok(NextPage::Unsaid));
        assert_eq!(next_of(&[("link", "<https://b.example/x>; rel=next")]), Err(LinkError::OtherOrigin));
        assert_eq!(next_of(&[("link", "garbage")]), Err(LinkError::Unreadable));
    }

    #[test]
    fn a_total_is_told_whatever_is_said_of_the_next_page() {
        let total_of = |headers: &[(&'static str, &str)]| read(headers).expect("an answer").total;
        assert_eq!(total_of(&[("x-total-count", "7")]), Some(7));
        assert_eq!(total_of(&[("link", "</x>; rel=prev"), ("x-total-count", " 7 ")]), Some(7));
        assert_eq!(total_of(&[("x-next-page", ""), ("x-total", "9")]), Some(9));
        assert_eq!(total_of(&[("x-total-count", "-7")]), None);
        assert_eq!(total_of(&[]), None);
    }

    #[test]
    fn the_servers_time_is_read_from_date() {
        let date = read(&[("date", "Fri, 27 Nov 2026 03:18:45 GMT")]).expect("an answer").date;
        assert_eq!(date.expect("a date").to_rfc3339(), "2026-11-27T03:18:45+00:00");
        assert_eq!(read(&[("date", "yesterday")]).expect("an answer").date, None);
    }
}
