//! Which parts of a request and an answer may be shown. By allow-lists: anything that is not known to be harmless is
//! cut.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, WWW_AUTHENTICATE};
use url::{Url, form_urlencoded};

use crate::examine::exchange::{LinkForm, Offer};
use crate::http::origin::destination;
use crate::http::sent_secrets::SentSecrets;
use crate::token::challenge::Challenge;

/// Replaces what is not shown.
const CUT: &str = "[cut]";

const SENT: [&str; 6] = ["accept", "accept-encoding", "content-type", "user-agent", "host", "if-none-match"];
const RECEIVED: [&str; 18] = [
    "age",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "docker-content-digest",
    "docker-distribution-api-version",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "server",
    "transfer-encoding",
    "via",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-retry-after",
];
/// Parameters and form fields that have no secret.
const PARAMETERS: [&str; 9] =
    ["account", "access_type", "client_id", "grant_type", "last", "n", "scope", "service", "username"];
const CHALLENGE: [&str; 5] = ["realm", "service", "scope", "error", "error_description"];

/// The headers of a request.
pub(crate) fn sent(headers: &HeaderMap, memory: &SentSecrets) -> Vec<(String, String)> {
    let one = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = if *name == AUTHORIZATION { authorization(value) } else { text(value) };
        let known = *name == AUTHORIZATION || SENT.contains(&name.as_str());
        known.then(|| (name.to_string(), memory.shown(value)))
    };
    headers.iter().filter_map(one).collect()
}

/// `Bearer [cut, 812 bytes]`, `Basic [cut] (user name my-org+robot)`.
fn authorization(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let Some((scheme, credentials)) = text.split_once(' ') else { return CUT.into() };
    if scheme == "Basic" {
        let login = STANDARD.decode(credentials).ok().and_then(|login| String::from_utf8(login).ok());
        let name = login.as_deref().and_then(|login| login.split_once(':')).map_or("", |(name, _)| name);
        return format!("Basic {CUT} (user name {name})");
    }
    format!("{scheme} [cut, {} bytes]", credentials.len())
}

/// The headers of an answer that are shown, without the secrets that were sent.
pub(crate) fn received(headers: &HeaderMap, url: &Url, memory: &SentSecrets) -> Vec<(String, String)> {
    let known = headers.iter().filter(|(name, _)| RECEIVED.contains(&name.as_str()));
    let mut shown: Vec<_> = known.map(|(name, value)| (name.to_string(), memory.shown(text(value)))).collect();
    let location = headers.get(LOCATION).map(|to| destination(url, to.as_bytes(), memory));
    shown.extend(location.map(|to| ("location".to_owned(), to)));
    shown
}

/// The challenges of an answer.
pub(crate) fn offers(headers: &HeaderMap, memory: &SentSecrets) -> Vec<Offer> {
    let challenges = Challenge::parse_all(headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes));
    let param = |(name, value): &(String, String)| {
        let value = if CHALLENGE.contains(&name.as_str()) { memory.shown(value) } else { CUT.into() };
        (memory.shown(name), value)
    };
    let offer = |challenge: &Challenge| {
        let (scheme, params) = challenge.parts();
        Offer { scheme: memory.shown(scheme), params: params.iter().map(param).collect() }
    };
    challenges.iter().map(offer).collect()
}

/// The form of the link to the next page.
pub(crate) fn link(headers: &HeaderMap, memory: &SentSecrets) -> Option<LinkForm> {
    let link = text(headers.get(LINK)?);
    let target = link.split(['<', '>']).nth(1).unwrap_or(&link);
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let params = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| memory.shown(name)).collect();
    Some(LinkForm { absolute: target.contains("://"), params })
}

/// Parameters of a query or fields of a form.
pub(crate) fn pairs(encoded: &str, memory: &SentSecrets) -> Vec<(String, String)> {
    let pair = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let value = if PARAMETERS.contains(&&*name) { memory.shown(value) } else { CUT.into() };
        (memory.shown(name), value)
    };
    form_urlencoded::parse(encoded.as_bytes()).map(pair).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::header::{basic, header};
    use crate::login::secret::Secret;

    #[test]
    fn credentials_are_cut_and_what_helps_is_left() {
        let shown = |value: &HeaderValue| authorization(value);
        let login = basic("my-org+robot", &Secret::new("hunter2")).expect("a header");
        assert_eq!(shown(&login), "Basic [cut] (user name my-org+robot)");
        assert_eq!(shown(&header("Bearer", &"x".repeat(812)).expect("a header")), "Bearer [cut, 812 bytes]");
        assert_eq!(shown(&HeaderValue::from_static("hunter2")), "[cut]");
        assert_eq!(shown(&HeaderValue::from_static("Basic hunter2")), "Basic [cut] (user name )");
    }

    #[test]
    fn of_headers_and_parameters_only_known_ones_are_shown() {
        let memory = SentSecrets::default();
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", HeaderValue::from_static("session=hunter2"));
        headers.insert("server", HeaderValue::from_static("nginx"));
        headers.insert(LOCATION, HeaderValue::from_static("https://cdn.example/a?signature=hunter2"));
        let url = Url::parse("https://r.example/v2/").expect("a URL");
        let shown = received(&headers, &url, &memory);
        assert_eq!(format!("{shown:?}"), r#"[("server", "nginx"), ("location", "https://cdn.example/a")]"#);
        let shown = pairs("password=hunter2&scope=a%3Ab%3Ac&next_page=x", &memory);
        assert_eq!(format!("{shown:?}"), r#"[("password", "[cut]"), ("scope", "a:b:c"), ("next_page", "[cut]")]"#);
    }

    #[test]
    fn a_link_is_told_by_its_form() {
        let form = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, HeaderValue::from_static(value));
            link(&headers, &SentSecrets::default()).expect("a link").to_string()
        };
        assert_eq!(form("</v2/_catalog?last=a%2Fb&n=1000>; rel=\"next\""), "relative, with last and n");
        assert_eq!(form("<https://r/v2/_catalog?next_page=x>; rel=next"), "absolute, with next_page");
        assert_eq!(form("/v2/_catalog"), "relative, with no parameter");
    }
}
